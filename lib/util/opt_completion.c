/* SPDX-License-Identifier: MIT
 *
 * Completion scripts for bash, zsh and fish, from the table of options; of a tool with commands, from the tables of each.
 *
 * A script of the second kind looks for the names of commands among the words before the cursor, those of two words first.
 */
#include <rec/util.h>

static void choices_with_blanks(struct rec_buf *out, const char *choices)
{
    for (; *choices; choices++)
        rec_buf_addc(out, *choices == '|' ? ' ' : *choices);
}

/* Help text inside single quotes and _arguments' brackets. */
static void quoted(struct rec_buf *out, const char *text, bool zsh)
{
    for (; *text; text++) {
        if (*text == '\'')
            rec_buf_adds(out, zsh ? "'\\''" : "\\'");
        else if (zsh && strchr("[]:\\", *text))
            rec_buf_addf(out, "\\%c", *text);
        else
            rec_buf_addc(out, *text);
    }
}

/* ---- names of commands: "user add" is `add` of the group `user` ---- */

static size_t first_word(const char *name)
{
    return strcspn(name, " ");
}

/* Whether an earlier command has the same first word. */
static bool seen(const struct rec_opt_command *commands, const struct rec_opt_command *c)
{
    for (; commands < c; commands++)
        if (first_word(commands->name) == first_word(c->name) && !strncmp(commands->name, c->name, first_word(c->name)))
            return true;
    return false;
}

static bool is_group(const struct rec_opt_command *c)
{
    return c->name[first_word(c->name)] == ' ';
}

/* The first words of all commands, or the second words of a group, with blanks between them. */
static void names(struct rec_buf *out, const struct rec_opt_command *commands, const struct rec_opt_command *group)
{
    const char *between = "";

    for (const struct rec_opt_command *c = commands; c->name; c++) {
        size_t n = first_word(c->name);
        if (group && (n != first_word(group->name) || strncmp(c->name, group->name, n) != 0))
            continue;
        if (!group && seen(commands, c))
            continue;
        rec_buf_addf(out, "%s%.*s", between, group ? 64 : (int)n, group ? c->name + n + 1 : c->name);
        between = " ";
    }
}

/* ---- bash ---- */

/* A case for each option with an argument. */
static void bash_arguments(struct rec_buf *out, const struct rec_opt *opts)
{
    rec_buf_adds(out, "    case $prev in\n");
    for (const struct rec_opt *opt = opts; opt && opt->name; opt++) {
        if (opt->type == REC_OPT_FLAG)
            continue;
        rec_buf_addf(out, "    --%s", opt->name);
        if (opt->letter)
            rec_buf_addf(out, "|-%c", opt->letter);
        rec_buf_adds(out, ") COMPREPLY=(");
        if (opt->type == REC_OPT_CHOICE) {
            rec_buf_adds(out, "$(compgen -W '");
            choices_with_blanks(out, opt->choices);
            rec_buf_adds(out, "' -- \"$cur\")");
        } else if (opt->type == REC_OPT_FILE) {
            rec_buf_adds(out, "$(compgen -f -- \"$cur\")");
        }
        rec_buf_adds(out, "); return ;;\n");
    }
    rec_buf_adds(out, "    esac\n");
}

static void bash_options(struct rec_buf *out, const struct rec_opt *opts)
{
    for (const struct rec_opt *opt = opts; opt && opt->name; opt++)
        rec_buf_addf(out, "%s--%s", opt == opts ? "" : " ", opt->name);
}

static void bash_commands(struct rec_buf *out, const struct rec_opt_command *commands)
{
    rec_buf_adds(out, "    for ((i = 1; i < COMP_CWORD; i++)); do\n        [[ ${COMP_WORDS[i]} == -* ]] || words+=\"${COMP_WORDS[i]} \"\n"
                      "    done\n    case $words in\n");
    for (const struct rec_opt_command *c = commands; c->name; c++) {
        rec_buf_addf(out, "    *' %s '*)\n", c->name);
        bash_arguments(out, c->opts);
        rec_buf_adds(out, "    options='");
        bash_options(out, c->opts);
        rec_buf_adds(out, "' ;;\n");
    }
    for (const struct rec_opt_command *c = commands; c->name; c++)
        if (is_group(c) && !seen(commands, c)) {
            rec_buf_addf(out, "    *' %.*s '*) names='", (int)first_word(c->name), c->name);
            names(out, commands, c);
            rec_buf_adds(out, "' ;;\n");
        }
    rec_buf_adds(out, "    *) names='");
    names(out, commands, NULL);
    rec_buf_adds(out, "' ;;\n    esac\n");
}

static void completion_bash(struct rec_buf *out, const char *tool, const struct rec_opt *opts, const struct rec_opt_command *commands)
{
    rec_buf_addf(out, "# bash completion for %s\n_%s() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                      "    local words=' ' options='' names='' i\n", tool, tool);
    if (commands)
        bash_commands(out, commands);
    bash_arguments(out, opts);
    rec_buf_adds(out, "    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options ");
    bash_options(out, opts);
    rec_buf_addf(out, "\" -- \"$cur\"))\n    elif [[ $names ]]; then\n        COMPREPLY=($(compgen -W \"$names\" -- \"$cur\"))\n"
                      "    else\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\n"
                      "complete -o filenames -F _%s %s\n", tool, tool);
}

/* ---- zsh ---- */

/* Arguments for _arguments, each on a line that goes on. */
static void zsh_options(struct rec_buf *out, const struct rec_opt *opts)
{
    for (const struct rec_opt *opt = opts; opt && opt->name; opt++) {
        rec_buf_adds(out, "    ");
        if (opt->letter)
            rec_buf_addf(out, "'(-%c --%s)'{-%c,--%s}'[", opt->letter, opt->name, opt->letter, opt->name);
        else
            rec_buf_addf(out, "'--%s[", opt->name);
        quoted(out, opt->help, true);
        rec_buf_addc(out, ']');
        if (opt->type != REC_OPT_FLAG)
            rec_buf_addf(out, ":%s:", opt->arg);
        if (opt->type == REC_OPT_CHOICE) {
            rec_buf_addc(out, '(');
            choices_with_blanks(out, opt->choices);
            rec_buf_addc(out, ')');
        } else if (opt->type == REC_OPT_FILE) {
            rec_buf_adds(out, "_files");
        }
        rec_buf_adds(out, "' \\\n");
    }
}

static void zsh_names(struct rec_buf *out, const struct rec_opt *opts, const struct rec_opt_command *commands,
                      const struct rec_opt_command *group)
{
    rec_buf_adds(out, "_arguments -s \\\n");
    zsh_options(out, opts);
    rec_buf_adds(out, "    '*:command:(");
    names(out, commands, group);
    rec_buf_adds(out, ")' ;;\n");
}

static void completion_zsh(struct rec_buf *out, const char *tool, const struct rec_opt *opts, const struct rec_opt_command *commands)
{
    rec_buf_addf(out, "#compdef %s\n", tool);
    if (!commands) {
        rec_buf_adds(out, "_arguments -s \\\n");
        zsh_options(out, opts);
        rec_buf_adds(out, "    '*:file:_files'\n");
        return;
    }
    rec_buf_adds(out, "case \" ${(j: :)${(@)words[2,CURRENT-1]:#-*}} \" in\n");
    for (const struct rec_opt_command *c = commands; c->name; c++) {
        rec_buf_addf(out, "*' %s '*) _arguments -s \\\n", c->name);
        zsh_options(out, c->opts);
        zsh_options(out, opts);
        rec_buf_adds(out, "    '*:file:_files' ;;\n");
    }
    for (const struct rec_opt_command *c = commands; c->name; c++)
        if (is_group(c) && !seen(commands, c)) {
            rec_buf_addf(out, "*' %.*s '*) ", (int)first_word(c->name), c->name);
            zsh_names(out, opts, commands, c);
        }
    rec_buf_adds(out, "*) ");
    zsh_names(out, opts, commands, NULL);
    rec_buf_adds(out, "esac\n");
}

/* ---- fish ---- */

static void fish_options(struct rec_buf *out, const char *tool, const char *command, const struct rec_opt *opts)
{
    for (const struct rec_opt *opt = opts; opt && opt->name; opt++) {
        rec_buf_addf(out, "complete -c %s", tool);
        if (command)
            rec_buf_addf(out, " -n '__fish_%s_words \"* %s *\"'", tool, command);
        rec_buf_addf(out, " -l %s", opt->name);
        if (opt->letter)
            rec_buf_addf(out, " -s %c", opt->letter);
        if (opt->type == REC_OPT_CHOICE) {
            rec_buf_adds(out, " -x -a '");
            choices_with_blanks(out, opt->choices);
            rec_buf_addc(out, '\'');
        } else if (opt->type != REC_OPT_FLAG) {
            rec_buf_adds(out, opt->type == REC_OPT_FILE ? " -r -F" : " -x");
        }
        rec_buf_adds(out, " -d '");
        quoted(out, opt->help, false);
        rec_buf_adds(out, "'\n");
    }
}

static void fish_commands(struct rec_buf *out, const char *tool, const struct rec_opt_command *commands)
{
    rec_buf_addf(out, "function __fish_%s_words\n    string match -q -- $argv[1] \" \"(string join ' ' -- (string match -v -- '-*' "
                      "(commandline -opc)))\" \"\nend\n", tool);
    for (const struct rec_opt_command *c = commands; c->name; c++) {
        int n = (int)first_word(c->name);
        if (is_group(c)) {
            if (!seen(commands, c))
                rec_buf_addf(out, "complete -c %s -n __fish_use_subcommand -x -a %.*s\n", tool, n, c->name);
            rec_buf_addf(out, "complete -c %s -n '__fish_%s_words \"* %.*s \"' -x -a %s -d '", tool, tool, n, c->name, c->name + n + 1);
        } else {
            rec_buf_addf(out, "complete -c %s -n __fish_use_subcommand -x -a %s -d '", tool, c->name);
        }
        quoted(out, c->summary, false);
        rec_buf_adds(out, "'\n");
        fish_options(out, tool, c->name, c->opts);
    }
}

static void completion_fish(struct rec_buf *out, const char *tool, const struct rec_opt *opts, const struct rec_opt_command *commands)
{
    rec_buf_addf(out, "# fish completion for %s\n", tool);
    if (commands)
        fish_commands(out, tool, commands);
    fish_options(out, tool, NULL, opts);
}

int rec_opt_completion(struct rec_buf *out, const char *shell, const char *tool, const struct rec_opt *opts,
                       const struct rec_opt_command *commands, struct rec_err *err)
{
    if (!strcmp(shell, "bash"))
        completion_bash(out, tool, opts, commands);
    else if (!strcmp(shell, "zsh"))
        completion_zsh(out, tool, opts, commands);
    else if (!strcmp(shell, "fish"))
        completion_fish(out, tool, opts, commands);
    else
        return rec_err_set(err, "--completion: %.40s is not one of bash, zsh, fish", shell);
    return 0;
}
