/* SPDX-License-Identifier: MIT
 *
 * Options from the environment and from rec.yaml: see tool.h. What is stronger is set later.
 */
#include "tool.h"

#include <ctype.h>
#include <unistd.h>

/* Whether it is the command's, not the tool's. */
static bool is_own(const struct tool *tool, const struct rec_opt *opt)
{
    return opt - tool->opts < (ptrdiff_t)tool->n_own;
}

/* "rec-split", "out-test" -> "REC_SPLIT_OUT_TEST"; without the tool for options that all share. */
static void variable_name(struct rec_buf *out, const char *tool, const char *option)
{
    rec_buf_reset(out);
    rec_buf_adds(out, tool ? tool : "rec");
    rec_buf_addc(out, '_');
    rec_buf_adds(out, option);
    for (size_t i = 0; i < out->len; i++)
        out->data[i] = isalnum((unsigned char)out->data[i]) ? (char)toupper((unsigned char)out->data[i]) : '_';
}

static int set_from_variable(struct rec_opt *opt, const char *tool, struct rec_buf *name, struct rec_err *err)
{
    const char *value;

    variable_name(name, tool, opt->name);
    value = name->failed ? NULL : getenv(name->data);
    return value && *value ? rec_opt_set(opt, value, name->data, REC_ORIGIN_ENVIRONMENT, err) : 0;
}

static int settings_from_environment(struct tool *tool, struct rec_err *err)
{
    struct rec_buf name = {0};
    int status = 0;

    for (struct rec_opt *opt = tool->opts; opt->name && status == 0; opt++) {
        if (opt->flags & REC_OPT_NO_CONFIG)
            continue;
        if (opt->flags & REC_OPT_COMMON)
            status = set_from_variable(opt, NULL, &name, err);
        if (status == 0)
            status = set_from_variable(opt, is_own(tool, opt) ? tool->name : tool->about->name, &name, err);
    }
    rec_buf_clear(&name);
    return status;
}

static int set_from_file(struct rec_opt *opt, const struct rec_setting *setting, const char *file, struct rec_err *err)
{
    char where[256];

    snprintf(where, sizeof where, "%s:%d: %s", file, setting->line, setting->path);
    return rec_opt_set(opt, setting->value, where, REC_ORIGIN_FILE, err);
}

/* A list option takes `name:` or `name: [a, b]`. */
static int set_list_from_file(struct rec_opt *opt, const struct rec_yaml *yaml, const char *path, const char *file, struct rec_err *err)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < yaml->n; i++) {
        const char *at = yaml->setting[i].path;
        if (!strncmp(at, path, len) && at[len] == '.' && isdigit((unsigned char)at[len + 1]) &&
            set_from_file(opt, &yaml->setting[i], file, err) < 0)
            return -1;
    }
    return 0;
}

/* "rec-split", "test" -> "split.test"; "rec-db user add", "role" -> "db.user.add.role". */
static void setting_path(char out[128], const char *name, const char *option)
{
    const char *dash = strchr(name, '-');

    snprintf(out, 128, "%s.%s", dash ? dash + 1 : name, option);
    for (; *out; out++)
        if (*out == ' ')
            *out = '.';
}

/* `split: {test: 0.2}` sets rec-split's --test; `seed: 7` every tool's --seed. */
static int settings_from_file(struct tool *tool, const char *file, struct rec_err *err)
{
    const struct rec_setting *setting;
    char path[128];

    for (struct rec_opt *opt = tool->opts; opt->name; opt++) {
        if (opt->flags & REC_OPT_NO_CONFIG)
            continue;
        setting = opt->flags & REC_OPT_COMMON ? rec_yaml_find(&tool->yaml, opt->name) : NULL;
        if (setting && set_from_file(opt, setting, file, err) < 0)
            return -1;
        setting_path(path, is_own(tool, opt) ? tool->name : tool->about->name, opt->name);
        setting = rec_yaml_find(&tool->yaml, path);
        if (setting && set_from_file(opt, setting, file, err) < 0)
            return -1;
        if (opt->type == REC_OPT_LIST && set_list_from_file(opt, &tool->yaml, path, file, err) < 0)
            return -1;
    }
    return 0;
}

/* --config is looked for before anything is set, because flags come last and win. */
static const char *config_file(int argc, char **argv)
{
    const char *file = getenv("REC_CONFIG");

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!strncmp(argv[i], "--config=", 9))
            file = argv[i] + 9;
        else if (!strcmp(argv[i], "--config") && i + 1 < argc)
            file = argv[i + 1];
    }
    if (file && *file)
        return file;
    return access("rec.yaml", F_OK) == 0 ? "rec.yaml" : NULL;
}

int tool_settings(struct tool *tool, struct rec_yaml *yaml, int argc, char **argv, struct rec_err *err)
{
    const char *file = config_file(argc, argv);

    if (file && rec_yaml_read(yaml, file, err) < 0)
        return -1;
    tool->yaml = *yaml;
    if (file && settings_from_file(tool, file, err) < 0)
        return -1;
    return settings_from_environment(tool, err);
}
