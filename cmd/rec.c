/* SPDX-License-Identifier: MIT
 *
 * rec X ...: runs rec-X ..., which stands beside this program or on PATH; alone, lists what there is.
 *
 * What each tool is for comes from its man page, by way of summaries.h, which the Makefile makes of them.
 */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name, *text;
} summaries[] = {
#include "summaries.h"
    {NULL, NULL},
};

static const struct tool_about about = {
    .name = "rec",
    .synopsis = "[-h | --list | --version | --completion SHELL]\nTOOL [argument ...]",
    .summary = "run a tool of the recommender toolchain",
};

/* ---- which tools there are ---- */

enum { TOOLS_MAX = 256 };

struct tools {
    char home[4096];             /* where this program is */
    const char *name[TOOLS_MAX]; /* sorted, without "rec-" */
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Executable files rec-* beside this program. What is not to be read is not listed. */
static void find_tools(struct tools *t)
{
    ssize_t len = readlink("/proc/self/exe", t->home, sizeof t->home - 1);
    struct dirent *entry;
    char *slash;
    DIR *dir;

    t->home[len > 0 ? len : 0] = '\0';
    if ((slash = strrchr(t->home, '/')))
        *slash = '\0';
    if (!t->home[0] || !(dir = opendir(t->home)))
        return;
    while (t->n < TOOLS_MAX && (entry = readdir(dir))) {
        struct stat status;

        if (strncmp(entry->d_name, "rec-", 4) == 0 && fstatat(dirfd(dir), entry->d_name, &status, 0) == 0 &&
            S_ISREG(status.st_mode) && faccessat(dirfd(dir), entry->d_name, X_OK, 0) == 0)
            t->name[t->n++] = strdup(entry->d_name + 4);
    }
    closedir(dir);
    qsort(t->name, t->n, sizeof *t->name, by_name);
}

static const char *summary(const char *tool)
{
    for (size_t i = 0; summaries[i].name; i++)
        if (strcmp(summaries[i].name + 4, tool) == 0)
            return summaries[i].text;
    return "";
}

/* ---- what this program prints ---- */

static void add_help(struct rec_buf *out, const struct tools *t)
{
    rec_buf_addf(out, "usage: rec [-h | --list | --version | --completion SHELL]\n"
                      "       rec TOOL [argument ...]\nrec: %s\n\n",
                 about.summary);
    for (size_t i = 0; i < t->n; i++)
        rec_buf_addf(out, *summary(t->name[i]) ? "  %-12s %s\n" : "  %s\n", t->name[i], summary(t->name[i]));
    rec_buf_adds(out, "\n  -h, --help          print this list\n      --list          print the names alone\n"
                      "      --version       print the version\n      --completion SHELL\n"
                      "                      print a completion script: bash|zsh|fish\n\n"
                      "rec TOOL -h tells of a tool in brief, man rec-TOOL at length; "
                      "man 7 rec is about all of them.\n");
}

/* The tool's own completion does the rest, with the words moved by one. */
static const char *const completion[][2] = {
    {"bash",
     "# bash completion for rec\n"
     "_rec() {\n"
     "    local tool=rec-${COMP_WORDS[1]}\n"
     "    if [[ $COMP_CWORD -eq 1 ]]; then\n"
     "        COMPREPLY=($(compgen -W \"$(rec --list) --help --list --version --completion\" "
                      "-- \"${COMP_WORDS[1]}\"))\n"
     "        return\n"
     "    fi\n"
     "    if ! declare -F \"_$tool\" >/dev/null; then\n"
     "        eval \"$(rec \"${COMP_WORDS[1]}\" --completion bash 2>/dev/null)\"\n"
     "    fi\n"
     "    if declare -F \"_$tool\" >/dev/null; then\n"
     "        COMP_WORDS=(\"$tool\" \"${COMP_WORDS[@]:2}\")\n"
     "        COMP_CWORD=$((COMP_CWORD - 1))\n"
     "        \"_$tool\"\n"
     "    fi\n"
     "}\n"
     "complete -o filenames -F _rec rec\n"},
    {"zsh",
     "#compdef rec\n"
     "if (( CURRENT == 2 )); then\n"
     "    compadd -- ${(f)\"$(rec --list)\"} --help --list --version --completion\n"
     "else\n"
     "    words[2]=rec-$words[2]\n"
     "    shift words\n"
     "    (( CURRENT-- ))\n"
     "    _normal\n"
     "fi\n"},
    {"fish",
     "# fish completion for rec\n"
     "complete -c rec -n __fish_use_subcommand -x -a '(rec --list)'\n"
     "complete -c rec -n __fish_use_subcommand -l help -s h -d 'list the tools'\n"
     "complete -c rec -n __fish_use_subcommand -l list -d 'print the names alone'\n"
     "complete -c rec -n __fish_use_subcommand -l version -d 'print the version'\n"
     "complete -c rec -n __fish_use_subcommand -l completion -x -a 'bash zsh fish' -d 'print a completion script'\n"
     "complete -c rec -n 'not __fish_use_subcommand' "
     "-a '(complete -C \"rec-\"(string join \" \" -- (commandline -opc)[2..-1])\" \"(commandline -ct))'\n"},
};

static int print(struct rec_buf *text)
{
    struct rec_out out = {0};
    struct rec_err err = {0};
    int rc = -1;

    if (text->failed)
        rec_err_memory(&err, "rec");
    else if (rec_out_open(&out, "-", false, &err) == 0 && rec_out_write(&out, text->data, text->len, &err) == 0)
        rc = rec_out_commit(&out, &err);
    rec_out_abort(&out);
    rec_buf_clear(text);
    if (rc < 0)
        fprintf(stderr, "rec: %s\n", err.text);
    return rc < 0 ? TOOL_FAILED : TOOL_DONE;
}

/* ---- */

static int usage(const char *what, const char *word, const char *near)
{
    struct rec_err err;

    rec_err_set(&err, near ? "%s %s; did you mean %s? (rec -h lists them)" : "%s %s (rec -h lists them)", what, word,
                near);
    fprintf(stderr, "rec: %s\n", err.text);
    return TOOL_USAGE;
}

/* An option of this program. */
static int answer(int argc, char **argv, const struct tools *t)
{
    static const char *const known[] = {"--help", "--list", "--version", "--completion"};
    struct rec_buf text = {0};
    const char *shell = strncmp(argv[1], "--completion=", 13) == 0 ? argv[1] + 13 : argc > 2 ? argv[2] : "";
    struct tool tool;

    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        add_help(&text, t);
    } else if (strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < t->n; i++)
            rec_buf_addf(&text, "%s\n", t->name[i]);
    } else if (strcmp(argv[1], "--version") == 0) {
        static struct rec_opt none[] = {{0}};
        struct tool_about version = about;

        version.opts = none;
        tool_start(&tool, &version, 2, argv);
    } else if (strncmp(argv[1], "--completion", 12) == 0 && (argv[1][12] == '\0' || argv[1][12] == '=')) {
        for (size_t i = 0; i < REC_LENGTH(completion); i++)
            if (strcmp(completion[i][0], shell) == 0)
                rec_buf_adds(&text, completion[i][1]);
        if (!text.len) {
            fprintf(stderr, "rec: --completion: needs one of bash, zsh, fish\n");
            return TOOL_USAGE;
        }
    } else {
        return usage("unknown option", argv[1], rec_opt_nearest(argv[1], known, REC_LENGTH(known)));
    }
    return print(&text);
}

/* Returns when there is no such tool, or it cannot be run. */
static int run(char **argv, const struct tools *t)
{
    char beside[sizeof t->home + 256], name[256];

    if (strchr(argv[1], '/') || (size_t)snprintf(name, sizeof name, "rec-%s", argv[1]) >= sizeof name)
        return usage("unknown tool", argv[1], NULL);
    snprintf(beside, sizeof beside, "%s/%s", t->home, name);
    argv[1] = name;
    execv(beside, argv + 1);
    if (errno == ENOENT)
        execvp(name, argv + 1);
    if (errno != ENOENT) {
        fprintf(stderr, "rec: %s: %s\n", name, strerror(errno));
        return TOOL_FAILED;
    }
    return usage("unknown tool", name + 4, rec_opt_nearest(name + 4, t->name, t->n));
}

int main(int argc, char **argv)
{
    struct tools tools = {.n = 0};
    char help[] = "-h", *alone[] = {argv[0], help, NULL};
    int status;

    find_tools(&tools);
    if (argc < 2)
        status = answer(2, alone, &tools);
    else if (argv[1][0] == '-')
        status = answer(argc, argv, &tools);
    else
        status = run(argv, &tools);
    for (size_t i = 0; i < tools.n; i++)
        free((char *)tools.name[i]);
    return status;
}
