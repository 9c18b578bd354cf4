/* SPDX-License-Identifier: MIT
 *
 * The manifest of an archive, as JSON and back: what is in it, and the digest of each member.
 */
#include <rec/backup.h>

#include "backup_priv.h"

struct rec_manifest_member *rec_manifest_add(struct rec_manifest *m, const char *name)
{
    char *copy = strdup(name);

    if (copy && m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 64;
        if (rec_realloc(&m->member, cap, sizeof *m->member, name, NULL) == 0)
            m->cap = cap;
    }
    if (!copy || m->n == m->cap) {
        free(copy);
        return NULL;
    }
    m->member[m->n] = (struct rec_manifest_member){.name = copy};
    return &m->member[m->n++];
}

void rec_manifest_clear(struct rec_manifest *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->member[i].name);
    free(m->member);
    rec_buf_clear(&m->skipped);
    *m = (struct rec_manifest){0};
}

/* ---- writing ---- */

static void put_text(struct rec_json *j, const char *key, const char *text)
{
    rec_json_text(j, key, text, strlen(text));
}

static void put_members(struct rec_json *j, const struct rec_manifest *m)
{
    rec_json_array(j, "members");
    for (size_t i = 0; i < m->n; i++) {
        char digest[2 * REC_HASH_BYTES + 1];
        rec_secret_hex(digest, m->member[i].digest, REC_HASH_BYTES);
        rec_json_object(j, NULL);
        put_text(j, "name", m->member[i].name);
        rec_json_int(j, "bytes", (int64_t)m->member[i].bytes);
        if (!strncmp(m->member[i].name, BACKUP_DATABASE, strlen(BACKUP_DATABASE)))
            rec_json_int(j, "rows", (int64_t)m->member[i].rows);
        put_text(j, "blake2b", digest);
        rec_json_end(j);
    }
    rec_json_end(j);
}

static void put_skipped(struct rec_json *j, const struct rec_manifest *m)
{
    rec_json_array(j, "skipped");
    for (size_t at = 0; at < m->skipped.len;) {
        const char *name = m->skipped.data + at, *why = name + strlen(name) + 1;
        rec_json_object(j, NULL);
        put_text(j, "name", name);
        put_text(j, "why", why);
        rec_json_end(j);
        at += strlen(name) + strlen(why) + 2;
    }
    rec_json_end(j);
}

void rec_manifest_print(struct rec_buf *out, const struct rec_manifest *m)
{
    struct rec_json j = {.out = out};
    char created[REC_NUM_MAX];

    rec_date_print_time(created, m->created);
    rec_json_object(&j, NULL);
    put_text(&j, "format", "rec.backup/1");
    put_text(&j, "store", m->store);
    rec_json_int(&j, "schema", m->schema);
    put_text(&j, "dialect", m->dialect);
    put_text(&j, "program", m->program);
    put_text(&j, "created", created);
    put_members(&j, m);
    put_skipped(&j, m);
    rec_json_end(&j);
}

/* ---- reading ---- */

/* A text of at most cap - 1 bytes. */
static int get_text(char *out, size_t cap, const struct rec_json_value *root, const char *key)
{
    const char *text = rec_json_string(rec_json_get(root, key));

    if (!text || strlen(text) >= cap)
        return -1;
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static int get_head(struct rec_manifest *m, const struct rec_json_value *root)
{
    char text[32];
    int64_t schema;

    if (get_text(text, sizeof text, root, "format") < 0 || strcmp(text, "rec.backup/1") != 0 ||
        get_text(m->store, sizeof m->store, root, "store") < 0 || strlen(m->store) != REC_STORE_ID ||
        get_text(m->dialect, sizeof m->dialect, root, "dialect") < 0 || get_text(m->program, sizeof m->program, root, "program") < 0 ||
        get_text(text, sizeof text, root, "created") < 0 || rec_date_parse(&m->created, text, "", NULL) < 0)
        return -1;
    if (rec_json_integer(&schema, rec_json_get(root, "schema")) < 0 || schema < 1 || schema > UINT32_MAX)
        return -1;
    m->schema = (uint32_t)schema;
    return 0;
}

static int get_member(struct rec_manifest *m, const struct rec_json_value *json)
{
    const char *name = rec_json_string(rec_json_get(json, "name")), *digest = rec_json_string(rec_json_get(json, "blake2b"));
    const struct rec_json_value *rows = rec_json_get(json, "rows");
    struct rec_manifest_member *member;
    int64_t bytes, n = 0;

    if (!name || !digest || rec_json_integer(&bytes, rec_json_get(json, "bytes")) < 0 || bytes < 0 ||
        (rows && (rec_json_integer(&n, rows) < 0 || n < 0)))
        return -1;
    member = rec_manifest_add(m, name);
    if (!member)
        return -1;
    member->bytes = (uint64_t)bytes;
    member->rows = (uint64_t)n;
    return rec_secret_unhex(member->digest, REC_HASH_BYTES, digest, strlen(digest));
}

static int get_all(struct rec_manifest *m, const struct rec_json_value *root)
{
    const struct rec_json_value *members = rec_json_get(root, "members"), *skipped = rec_json_get(root, "skipped");

    if (get_head(m, root) < 0 || !members)
        return -1;
    for (size_t i = 0; i < rec_json_length(members); i++)
        if (get_member(m, rec_json_at(members, i)) < 0)
            return -1;
    for (size_t i = 0; i < rec_json_length(skipped); i++) {
        const char *name = rec_json_string(rec_json_get(rec_json_at(skipped, i), "name"));
        const char *why = rec_json_string(rec_json_get(rec_json_at(skipped, i), "why"));
        if (!name || !why)
            return -1;
        rec_buf_add(&m->skipped, name, strlen(name) + 1);
        rec_buf_add(&m->skipped, why, strlen(why) + 1);
    }
    return m->skipped.failed ? -1 : 0;
}

int rec_manifest_parse(struct rec_manifest *m, const char *name, const char *text, size_t len, struct rec_err *err)
{
    struct rec_json_value *root = rec_json_read(name, text, len, err);
    int status;

    if (!root)
        return rec_err_prefix(err, "manifest.json");
    status = get_all(m, root);
    rec_json_free(root);
    return status < 0 ? rec_err_set(err, "%s: damaged (its manifest is none of rec's)", name) : 0;
}

int rec_manifest_compare(const struct rec_manifest *said, const struct rec_manifest *found, const char *name, struct rec_err *err)
{
    for (size_t i = 0; i < said->n || i < found->n; i++) {
        const struct rec_manifest_member *a = &said->member[i], *b = &found->member[i];
        if (i >= found->n || i >= said->n || strcmp(a->name, b->name) != 0)
            return rec_err_set(err, "%s: damaged (%s: %s)", name, i < said->n ? a->name : b->name,
                               i < said->n ? "missing, or not in its place" : "not in the manifest");
        if (a->bytes != b->bytes || !rec_secret_equal(a->digest, b->digest, REC_HASH_BYTES))
            return rec_err_set(err, "%s: damaged (%s: another size or digest than the manifest says)", name, a->name);
    }
    return 0;
}
