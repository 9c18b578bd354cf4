/* SPDX-License-Identifier: MIT
 *
 * rec-registry compare; and the figures of two versions' users, which a decision needs as well.
 */
#include "rec-registry.h"

#include <math.h>

/* ---- the figures of two versions' users ---- */

static const struct rec_registry_file *users_of(const struct rec_version *v)
{
    for (size_t i = 0; i < v->n_files; i++)
        if (!strcmp(v->file[i].name, "users.csv"))
            return &v->file[i];
    return NULL;
}

/* What a decision rests on is held to its digest. */
static int open_users(struct rec_users *users, struct rec_buf *path, const struct rec_registry *registry, const struct rec_version *v,
                      struct rec_err *err)
{
    const struct rec_registry_file *file = users_of(v);
    char sha256[REC_SHA256_TEXT];

    if (!file)
        return 0;
    if (rec_version_path(path, registry, v, "users.csv", err) < 0 || rec_sha256_file(sha256, path->data, err) < 0)
        return -1;
    if (strcmp(sha256, file->sha256))
        return rec_err_set(err, "%s: is not the file that was added: its SHA-256 is another one", path->data);
    return rec_users_read(users, path->data, err);
}

int registry_pair_open(struct registry_pair *pair, const struct rec_registry *registry, const struct rec_version *a, const struct rec_version *b,
                       const char *b_users, struct rec_err *err)
{
    *pair = (struct registry_pair){.version = {a, b}};
    for (int i = 0; i < 2; i++)
        if (i == 1 && b_users ? rec_users_read(&pair->users[i], b_users, err) < 0
                              : open_users(&pair->users[i], &pair->path[i], registry, pair->version[i], err) < 0) {
            registry_pair_close(pair);
            return -1;
        }
    return 0;
}

void registry_pair_close(struct registry_pair *pair)
{
    for (int i = 0; i < 2; i++) {
        rec_users_clear(&pair->users[i]);
        rec_buf_clear(&pair->path[i]);
    }
}

bool registry_pair_has(const struct registry_pair *pair, const char *key)
{
    return rec_users_column(&pair->users[0], key) >= 0 && rec_users_column(&pair->users[1], key) >= 0;
}

static struct rec_json_value *lineage(const struct rec_version *v)
{
    return rec_json_read("lineage", v->lineage, strlen(v->lineage), NULL);
}

bool registry_pair_differs(const struct registry_pair *pair)
{
    struct rec_json_value *a = lineage(pair->version[0]), *b = lineage(pair->version[1]);
    const char *of_a = rec_json_string(rec_json_get(rec_json_get(a, "test"), "sha256")),
               *of_b = rec_json_string(rec_json_get(rec_json_get(b, "test"), "sha256"));
    bool differs = of_a && of_b && strcmp(of_a, of_b) != 0;

    rec_json_free(a);
    rec_json_free(b);
    return differs;
}

/* ---- compare ---- */

static const char *metrics, *format = "table";
static double confidence = 0.95;

struct rec_opt registry_compare_opts[] = {
    {0, "metrics", "NAME,...", REC_OPT_TEXT, &metrics, .help = "these; else all that both have"},
    {0, "confidence", "SHARE", REC_OPT_REAL, &confidence, .min = 0.5, .max = 0.9999, .help = "of the interval of the difference"},
    TOOL_FORMAT(&format),
    {0},
};

static bool is_asked(const char *key)
{
    size_t n = strlen(key);

    for (const char *at = metrics; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == n && !memcmp(at, key, n))
            return true;
    return !metrics;
}

/* Nothing to say where users were not the same, or there are no figures of theirs. */
static int add_test(struct tool_table *t, const struct registry_pair *pair, const char *key, double means, bool comparable, struct rec_err *err)
{
    struct rec_paired paired = {.mean = means, .either = NAN};
    struct rec_err why;
    double *d = NULL, tail = (1 - confidence) / 2;
    size_t n = 0;
    int status = comparable && registry_pair_has(pair, key) ? rec_users_pair(&d, &n, &pair->users[1], &pair->users[0], key, 1, 0, &why) : 1;

    if (status < 0) {
        *err = why;
        return -1;
    }
    if (status == 0)
        rec_paired_test(&paired, d, n);
    free(d);
    tool_table_real(t, paired.mean);
    tool_table_real(t, status == 0 ? rec_paired_low(&paired, tail) : (double)NAN);
    tool_table_real(t, status == 0 ? rec_paired_high(&paired, tail) : (double)NAN);
    tool_table_real(t, paired.either);
    tool_table_number(t, (int64_t)n);
    return 0;
}

static int compare(struct tool *tool, const struct registry_pair *pair, struct rec_err *err)
{
    static const struct tool_column columns[] = {{"metric", TOOL_TEXT}, {"a", TOOL_REAL}, {"b", TOOL_REAL}, {"difference", TOOL_REAL},
                                                 {"low", TOOL_REAL}, {"high", TOOL_REAL}, {"p", TOOL_REAL}, {"users", TOOL_NUMBER}};
    struct tool_table table = {.column = columns, .n = REC_LENGTH(columns), .format = format};
    const struct rec_version *a = pair->version[0], *b = pair->version[1];
    bool comparable = !registry_pair_differs(pair);

    if (!comparable)
        tool_note(tool, "versions %lld and %lld were measured on other test ratings: evaluate both on the same", (long long)a->number, (long long)b->number);
    else if (!pair->users[0].n || !pair->users[1].n)
        tool_note(tool, "no figures of users (--users of rec-registry add): whether the difference is chance cannot be said");
    for (size_t i = 0; i < a->n_metrics; i++) {
        const char *key = a->metric[i].key;
        double of_a = a->metric[i].number, of_b = rec_version_metric(b, key);
        if (!is_asked(key) || isnan(of_b))
            continue;
        tool_table_text(&table, key);
        tool_table_real(&table, of_a);
        tool_table_real(&table, of_b);
        if (add_test(&table, pair, key, of_b - of_a, comparable, err) < 0) {
            rec_buf_clear(&table.text);
            return -1;
        }
    }
    return tool_table_print(&table, err);
}

int registry_compare(struct tool *tool, struct rec_err *err)
{
    struct rec_registry registry;
    struct rec_version a = {0}, b = {0};
    struct registry_pair pair = {0};
    int status = -1;

    if (registry_open(&registry, REC_REGISTRY_READ, err) < 0)
        return -1;
    if (rec_version_read(&a, &registry, tool_operand(tool, 0), err) == 0 && rec_version_read(&b, &registry, tool_operand(tool, 1), err) == 0 &&
        registry_pair_open(&pair, &registry, &a, &b, NULL, err) == 0) {
        status = compare(tool, &pair, err);
        registry_pair_close(&pair);
    }
    rec_version_clear(&a);
    rec_version_clear(&b);
    rec_registry_close(&registry);
    return status;
}
