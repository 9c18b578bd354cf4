/* SPDX-License-Identifier: MIT
 *
 * Tools with commands: which one was asked for, and the list of them. See tool.h.
 *
 * The command is the first word that is no option and no option's argument; only options that all commands have may stand before it.
 */
#include "tool.h"

enum { COMMANDS_MAX = 64 };

static size_t first_word(const char *name)
{
    return strcspn(name, " ");
}

static bool in_group(const struct tool_command *c, const char *group)
{
    size_t n = first_word(c->name);

    return !group || (!strncmp(c->name, group, n) && group[n] == 0 && c->name[n] == ' ');
}

/* ---- finding ---- */

/* How many words an option at argv[i] takes, or 0 when it is none that all commands have. */
static int option_words(const struct rec_opt *opts, const char *arg)
{
    size_t len = strcspn(arg + 2, "=");

    for (; opts->name; opts++) {
        if (arg[1] == '-' && !strncmp(opts->name, arg + 2, len) && opts->name[len] == 0)
            return opts->type == REC_OPT_FLAG || arg[2 + len] ? 1 : 2;
        if (arg[1] == '-' && opts->type == REC_OPT_FLAG && !strncmp(arg + 2, "no-", 3) && !strcmp(arg + 5, opts->name))
            return 1;
        if (arg[1] != '-' && opts->letter == arg[1])
            return opts->type == REC_OPT_FLAG || arg[2] ? 1 : 2;
    }
    return 0;
}

/* The place of the first operand, or argc. */
static int first_operand(const struct rec_opt *opts, int argc, char **argv)
{
    int i = 1, words;

    while (i < argc && argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--") != 0) {
        if ((words = option_words(opts, argv[i])) == 0)
            return argc;
        i += words;
    }
    return i < argc && argv[i][0] != '-' ? i : argc;
}

static int unknown(const struct tool_about *about, const char *word, const char *second, struct rec_err *err)
{
    const char *names[2 * COMMANDS_MAX], *nearest;
    char first[COMMANDS_MAX][32], both[128];
    size_t n = 0, k = 0;

    snprintf(both, sizeof both, "%.60s%s%.60s", word, second ? " " : "", second ? second : "");
    for (const struct tool_command *c = about->commands; c->name && k < COMMANDS_MAX; c++, k++) {
        snprintf(first[k], sizeof first[k], "%.*s", (int)first_word(c->name), c->name);
        names[n++] = c->name;
        if (!second)
            names[n++] = first[k];
    }
    nearest = rec_opt_nearest(both, names, n);
    return nearest ? rec_err_set(err, "unknown command %s; did you mean %s?", both, nearest)
                   : rec_err_set(err, "unknown command %s", both);
}

static void take_words(int *argc, char **argv, int at, int words)
{
    memmove(argv + at, argv + at + words, (size_t)(*argc - at - words + 1) * sizeof *argv);
    *argc -= words;
}

int tool_commands_find(const struct tool_command **out, const char **group, const struct tool_about *about, const struct rec_opt *shared,
                       int *argc, char **argv, struct rec_err *err)
{
    int at = first_operand(shared, *argc, argv);
    const char *word = at < *argc ? argv[at] : NULL, *second = word ? argv[at + 1] : NULL;
    bool grouped = false;

    *group = NULL;
    if (!word)
        return 0;
    for (const struct tool_command *c = about->commands; c->name; c++) {
        size_t n = first_word(c->name);
        bool group_of_it = in_group(c, word);
        grouped |= group_of_it;
        if (!strcmp(c->name, word) || (group_of_it && second && !strcmp(c->name + n + 1, second))) {
            *out = c;
            take_words(argc, argv, at, group_of_it ? 2 : 1);
            return 1;
        }
    }
    if (!grouped)
        return unknown(about, word, NULL, err);
    if (second && second[0] != '-')
        return unknown(about, word, second, err);
    *group = word;
    take_words(argc, argv, at, 1);
    return 0;
}

/* ---- describing ---- */

void tool_commands_usage(struct rec_buf *out, const struct tool_about *about, const char *group)
{
    const char *lead = "usage:";

    for (const struct tool_command *c = about->commands; c->name; c++)
        if (in_group(c, group)) {
            rec_buf_addf(out, "%s %s %s%s%s\n", lead, about->name, c->name, *c->synopsis ? " " : "", c->synopsis);
            lead = "      ";
        }
}

void tool_commands_list(struct rec_buf *out, const struct tool_about *about, const char *group)
{
    rec_buf_adds(out, "commands:\n");
    for (const struct tool_command *c = about->commands; c->name; c++)
        if (in_group(c, group))
            rec_buf_addf(out, "  %-16s  %s\n", c->name, c->summary);
    rec_buf_addf(out, "\n%s COMMAND -h tells of one. Options of all of them:\n\n", about->name);
}

int tool_commands_completion(struct rec_buf *out, const char *shell, const struct tool_about *about, const struct rec_opt *shared,
                             struct rec_err *err)
{
    struct rec_opt_command commands[COMMANDS_MAX + 1] = {{0}};

    for (size_t i = 0; i < COMMANDS_MAX && about->commands[i].name; i++)
        commands[i] = (struct rec_opt_command){about->commands[i].name, about->commands[i].summary, about->commands[i].opts};
    return rec_opt_completion(out, shell, about->name, shared, commands, err);
}
