/* SPDX-License-Identifier: MIT
 *
 * Versions of models at the prompt: the commands, and what they share (rec-registry.h).
 */
#include "rec-registry.h"

#include <time.h>

static const char *directory = "registry", *key;

static struct rec_opt opts[] = {
    {0, "registry", "DIR", REC_OPT_FILE, &directory, .flags = REC_OPT_COMMON, .help = "the registry's directory"},
    {0, "key", "FILE", REC_OPT_FILE, &key, .help = "the key that signs versions; else DIR.key, beside the registry"},
    {0},
};

static const struct tool_command commands[] = {
    {"add", "[options] MODEL", "make a model a version", registry_add_opts, 1, 1, NULL, registry_add},
    {"list", "[options]", "the versions there are", registry_list_opts, 0, 0, NULL, registry_list},
    {"show", "[options] VERSION", "all that is known of a version", registry_show_opts, 1, 1, NULL, registry_show},
    {"compare", "[options] VERSION VERSION", "two versions' metrics, and whether they differ by more than chance", registry_compare_opts, 2, 2, NULL,
     registry_compare},
    {"promote", "[options] VERSION", "put a version into production, if it is good enough; exit 3 when it is not", registry_promote_opts, 1, 1, NULL,
     registry_promote},
    {"rollback", "[options]", "go back to the version that was in production before", registry_rollback_opts, 0, 0, NULL, registry_rollback},
    {"verify", "[options] [VERSION]", "whether versions are what was added and signed", registry_verify_opts, 0, 1, NULL, registry_verify},
    {"gc", "[options]", "remove old versions that nobody needs", registry_gc_opts, 0, 0, NULL, registry_gc},
    {"push", "[options]", "tell MLflow what it has not been told yet", registry_push_opts, 0, 0, NULL, registry_push},
    {"pull", "[options]", "bring the version here that MLflow calls production", registry_pull_opts, 0, 0, NULL, registry_pull},
    {0},
};

static const struct tool_about about = {
    .name = "rec-registry",
    .summary = "versions of models: add, compare, put into production, roll back",
    .opts = opts,
    .commands = commands,
};

int64_t registry_now(void)
{
    return (int64_t)time(NULL);
}

int registry_open(struct rec_registry *registry, int how, struct rec_err *err)
{
    return rec_registry_open(registry, directory, how, err);
}

const char *registry_key(void)
{
    static char beside[4096];
    size_t n = strlen(directory);
    const char *name;

    if (key)
        return key;
    while (n > 1 && directory[n - 1] == '/')
        n--;
    name = memrchr(directory, '/', n);
    name = name ? name + 1 : directory;
    /* Of . and .. and / there is no beside. */
    if (name == directory + n || !strncmp(name, ".", n - (size_t)(name - directory)) || !strncmp(name, "..", n - (size_t)(name - directory)))
        snprintf(beside, sizeof beside, "registry.key");
    else
        snprintf(beside, sizeof beside, "%.*s.key", (int)n, directory);
    return beside;
}

int main(int argc, char **argv)
{
    struct tool tool;

    tool_start(&tool, &about, argc, argv);
    if (!*directory)
        return tool_usage(&tool, "--registry: names no directory");
    return tool_run(&tool);
}
