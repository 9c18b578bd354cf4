/* SPDX-License-Identifier: MIT
 *
 * rec-registry list and show.
 */
#include "rec-registry.h"

#include <math.h>

static const char *metrics, *format = "table", *show_format = "table";

struct rec_opt registry_list_opts[] = {
    {0, "metrics", "NAME,...", REC_OPT_TEXT, &metrics, .help = "these; else ndcg@10, recall@10, precision@10, rmse and mae as far as there are any"},
    TOOL_FORMAT(&format),
    {0},
};
struct rec_opt registry_show_opts[] = {
    {0, "format", "FORMAT", REC_OPT_CHOICE, &show_format, .choices = "table|json", .help = "how it is printed"},
    {0},
};

/* ---- aliases ---- */

struct alias_search {
    const char *digest;
    struct rec_buf *out;
    const char *between;
};

static int add_alias(void *context, const char *alias, const char *digest, struct rec_err *err)
{
    struct alias_search *s = context;

    (void)err;
    if (!strcmp(digest, s->digest))
        rec_buf_addf(s->out, "%s%s", s->out->len ? s->between : "", alias);
    return 0;
}

/* The aliases of a version, a blank between them. */
static int aliases_of(struct rec_buf *out, const struct rec_registry *registry, const char *digest, struct rec_err *err)
{
    struct alias_search search = {digest, out, " "};

    rec_buf_reset(out);
    rec_buf_adds(out, "");
    return rec_registry_aliases(registry, add_alias, &search, err);
}

/* ---- list ---- */

enum { METRICS_MAX = 20, NAMES_MAX = 1024 };

static bool any_has(const struct rec_version *list, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(rec_version_metric(&list[i], key)))
            return true;
    return false;
}

/* The names of the metrics' columns. @param room  where they are kept */
static size_t choose_metrics(const char *chosen[METRICS_MAX], char room[NAMES_MAX], const struct rec_version *list, size_t n)
{
    static const char usual[] = "ndcg@10,recall@10,precision@10,rmse,mae";
    char *rest = room, *name;
    size_t m = 0;

    snprintf(room, NAMES_MAX, "%s", metrics ? metrics : usual);
    while (m < METRICS_MAX && (name = strsep(&rest, ",")) != NULL)
        if (*name && (metrics || any_has(list, n, name)))
            chosen[m++] = name;
    return m;
}

static void add_row(struct tool_table *t, const struct rec_version *v, const char *aliases, const char *const *chosen, size_t m)
{
    char digest[REC_SHA256_TEXT];

    snprintf(digest, sizeof digest, "%.*s", strcmp(format, "table") ? 64 : 12, v->digest);
    tool_table_number(t, v->number);
    tool_table_text(t, digest);
    tool_table_number(t, v->created);
    tool_table_text(t, v->damage ? "DAMAGED" : v->model);
    for (size_t j = 0; j < m; j++)
        tool_table_real(t, rec_version_metric(v, chosen[j]));
    tool_table_text(t, aliases);
    tool_table_text(t, v->key);
    tool_table_text(t, v->note ? v->note : "");
}

static int print_list(const struct rec_registry *registry, const struct rec_version *list, size_t n, struct rec_err *err)
{
    struct tool_column columns[METRICS_MAX + 8] = {{"version", TOOL_NUMBER}, {"digest", TOOL_TEXT}, {"created", TOOL_TIME}, {"model", TOOL_TEXT}};
    const char *chosen[METRICS_MAX];
    char room[NAMES_MAX];
    size_t m = choose_metrics(chosen, room, list, n), c = 4;
    struct tool_table table = {.column = columns, .format = format};
    struct rec_buf aliases = {0};
    int status = 0;

    for (size_t j = 0; j < m; j++)
        columns[c++] = (struct tool_column){chosen[j], TOOL_REAL};
    columns[c++] = (struct tool_column){"aliases", TOOL_TEXT};
    columns[c++] = (struct tool_column){"key", TOOL_TEXT};
    columns[c++] = (struct tool_column){"note", TOOL_TEXT};
    table.n = c;
    for (size_t i = 0; i < n && status == 0; i++) {
        status = aliases_of(&aliases, registry, list[i].digest, err);
        if (status == 0)
            add_row(&table, &list[i], aliases.data ? aliases.data : "", chosen, m);
    }
    rec_buf_clear(&aliases);
    if (status == 0)
        return tool_table_print(&table, err);
    rec_buf_clear(&table.text);
    return -1;
}

int registry_list(struct tool *tool, struct rec_err *err)
{
    struct rec_registry registry;
    struct rec_version *list = NULL;
    size_t n = 0;
    int status = -1;

    if (registry_open(&registry, REC_REGISTRY_READ, err) < 0)
        return -1;
    if (rec_version_list(&list, &n, &registry, err) == 0 && print_list(&registry, list, n, err) == 0)
        status = 0;
    for (size_t i = 0; i < n && status >= 0; i++)
        if (list[i].damage) {
            struct rec_err why = {0};
            rec_err_set(&why, "%s", list[i].damage);
            status = tool_fail(tool, &why);
        }
    rec_version_list_clear(list, n);
    rec_registry_close(&registry);
    return status;
}

/* ---- show ---- */

static int copy_member(void *context, const char *key, const struct rec_json_value *value)
{
    rec_json_copy(context, key, value);
    return 0;
}

/* version.json, and what is not in it: aliases and key. */
static int show_json(const struct rec_version *v, const char *aliases, struct rec_err *err)
{
    struct rec_buf text = {0}, out = {0};
    struct rec_json json = {.out = &out};
    struct rec_json_value *root = NULL;

    if (rec_version_print(&text, v, err) < 0 || !(root = rec_json_read("version.json", text.data, text.len, err))) {
        rec_buf_clear(&text);
        return -1;
    }
    rec_json_object(&json, NULL);
    rec_json_members(root, copy_member, &json);
    rec_json_array(&json, "aliases");
    for (size_t n; *aliases; aliases += n + (aliases[n] == ' ')) {
        n = strcspn(aliases, " ");
        rec_json_text(&json, NULL, aliases, n);
    }
    rec_json_end(&json);
    if (*v->key)
        rec_json_text(&json, "key", v->key, strlen(v->key));
    else
        rec_json_null(&json, "key");
    rec_json_end(&json);
    rec_json_free(root);
    rec_buf_clear(&text);
    return tool_print(&out, err);
}

static void add_line(struct tool_table *t, const char *name, const char *text)
{
    tool_table_text(t, name);
    tool_table_text(t, text ? text : "");
}

static void add_values(struct tool_table *t, const char *kind, const struct rec_registry_value *value, size_t n)
{
    char name[200];

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s %s", kind, value[i].key);
        add_line(t, name, value[i].text);
    }
}

/* "test r.rec" and its SHA-256, "history": the lineage as lines. */
static void add_lineage(struct tool_table *t, const struct rec_version *v)
{
    struct rec_json_value *root = rec_json_read("lineage", v->lineage, strlen(v->lineage), NULL);
    const struct rec_json_value *data = rec_json_get(root, "data"), *history = rec_json_get(root, "history"), *test = rec_json_get(root, "test");
    char name[300];

    for (size_t i = 0; i < rec_json_length(data); i++) {
        const char *file = rec_json_string(rec_json_get(rec_json_at(data, i), "name"));
        snprintf(name, sizeof name, "data %s", file ? file : "");
        add_line(t, name, rec_json_string(rec_json_get(rec_json_at(data, i), "sha256")));
    }
    if (test) {
        const char *file = rec_json_string(rec_json_get(test, "name"));
        snprintf(name, sizeof name, "test %s", file ? file : "");
        add_line(t, name, rec_json_string(rec_json_get(test, "sha256")));
    }
    for (size_t i = 0; i < rec_json_length(history); i++)
        add_line(t, "history", rec_json_string(rec_json_at(history, i)));
    add_line(t, "tools", rec_json_string(rec_json_get(root, "tools")));
    rec_json_free(root);
}

static int show_table(const struct rec_version *v, const char *aliases, struct rec_err *err)
{
    static const struct tool_column columns[] = {{"field", TOOL_TEXT}, {"value", TOOL_TEXT}};
    struct tool_table table = {.column = columns, .n = 2, .format = "table"};
    char text[REC_NUM_MAX], name[300];

    snprintf(text, sizeof text, "%lld", (long long)v->number);
    add_line(&table, "version", text);
    add_line(&table, "digest", v->digest);
    add_line(&table, "created", rec_date_print_time(text, v->created));
    add_line(&table, "model", v->model);
    add_line(&table, "aliases", aliases);
    add_line(&table, "key", *v->key ? v->key : "none: not signed");
    if (v->note)
        add_line(&table, "note", v->note);
    add_values(&table, "metric", v->metric, v->n_metrics);
    add_values(&table, "param", v->param, v->n_params);
    add_values(&table, "tag", v->tag, v->n_tags);
    add_lineage(&table, v);
    for (size_t i = 0; i < v->n_files; i++) {
        snprintf(name, sizeof name, "file %s", v->file[i].name);
        add_line(&table, name, v->file[i].sha256);
    }
    return tool_table_print(&table, err);
}

int registry_show(struct tool *tool, struct rec_err *err)
{
    struct rec_registry registry;
    struct rec_version version = {0};
    struct rec_buf aliases = {0};
    int status = -1;

    if (registry_open(&registry, REC_REGISTRY_READ, err) < 0)
        return -1;
    if (rec_version_read(&version, &registry, tool_operand(tool, 0), err) == 0 && aliases_of(&aliases, &registry, version.digest, err) == 0)
        status = (strcmp(show_format, "json") ? show_table : show_json)(&version, aliases.data ? aliases.data : "", err);
    rec_buf_clear(&aliases);
    rec_version_clear(&version);
    rec_registry_close(&registry);
    return status;
}
