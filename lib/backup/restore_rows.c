/* SPDX-License-Identifier: MIT
 *
 * The tables of an archive into an empty schema. A table's parts follow each other; the archive is read while the database takes the rows, so
 * that one part is in memory at a time. People who were forgotten since are recognized as they come by and left out with all that
 * refers to them: parents come before children, and what refers to them is called user_id and account_id throughout the schema.
 */
#include "backup_priv.h"

enum { MANY = 10000, TELL = 1 << 16 };

/* ---- where the archive stands ---- */

/* "database/ratings.0001.csv" -> "ratings", 1. */
static int parse_name(char table[64], unsigned *part, const char *name)
{
    const char *p = name + strlen(BACKUP_DATABASE), *dot;
    int64_t n;

    if (strncmp(name, BACKUP_DATABASE, strlen(BACKUP_DATABASE)) != 0)
        return -1;
    dot = strchr(p, '.');
    if (!dot || dot == p || dot - p >= 64 || strlen(dot) < 9 || strcmp(dot + strlen(dot) - 4, ".csv") != 0 ||
        rec_num_int64(&n, dot + 1, strlen(dot) - 5) < 0 || n < 1 || n > INT32_MAX)
        return -1;
    memcpy(table, p, (size_t)(dot - p));
    table[dot - p] = '\0';
    *part = (unsigned)n;
    return 0;
}

static int advance(struct rec_restore_rows *l, struct rec_err *err)
{
    l->more = rec_archive_next(l->archive, &l->member, err);
    return l->more < 0 ? -1 : 0;
}

/* Whether the next part of the table is there. */
static bool part_follows(const struct rec_restore_rows *l)
{
    char table[64];
    unsigned part;

    return l->more == 1 && parse_name(table, &part, l->member.name) == 0 && !strcmp(table, l->table->name) && part == l->part + 1;
}

static int open_part(struct rec_restore_rows *l, struct rec_err *err)
{
    size_t len = (size_t)l->member.size, got;

    if (l->member.size > 2 * (uint64_t)BACKUP_PART_LONGEST)
        return rec_err_set(err, "%s: %s is too large", l->archive->name, l->member.name);
    rec_buf_reset(&l->text);
    if (rec_buf_reserve(&l->text, len + 1) < 0)
        return rec_err_memory(err, l->archive->name);
    if (rec_archive_read(l->archive, l->text.data, len, &got, err) < 0 ||
        rec_table_open(&l->reader, l->member.name, l->table, l->text.data, got, err) < 0)
        return -1;
    l->open = true;
    l->part++;
    l->part_rows = 0;
    l->place = l->archive->found.n - 1;
    return 0;
}

/* The part has been read to its end. */
static int close_part(struct rec_restore_rows *l, struct rec_err *err)
{
    uint64_t said = l->place < l->manifest->n ? l->manifest->member[l->place].rows : 0;

    rec_table_close(&l->reader);
    l->open = false;
    if (l->part_rows != said)
        return rec_err_set(err, "%s: %s has %llu rows, not %llu as the manifest says", l->archive->name, l->member.name,
                           (unsigned long long)l->part_rows, (unsigned long long)said);
    return advance(l, err);
}

/* ---- people who were forgotten ---- */

static ptrdiff_t column(const struct rec_copy_table *table, const char *name)
{
    for (size_t i = 0; i < table->n; i++)
        if (!strcmp(table->columns[i].name, name))
            return (ptrdiff_t)i;
    return -1;
}

/* The id of a user, or of an account, which is that of a user too: forgetting a person puts both into the ledger. */
static int is_forgotten(struct rec_restore_rows *l, ptrdiff_t column_of_id, struct rec_err *err)
{
    const struct rec_sql_value *id = column_of_id >= 0 ? &l->reader.row[column_of_id] : NULL;
    struct rec_store store;

    if (!id || id->type != REC_SQL_TEXT)
        return 0;
    rec_store_wrap(&store, l->db, l->keys);
    return rec_restore_keep_was(l->keep, &store, id->text, id->len, err);
}

/* A user: 1 when left out, with the number of the row kept for the tables that refer to it. */
static int leave_out_user(struct rec_restore_rows *l, struct rec_err *err)
{
    int status = is_forgotten(l, l->name, err);

    if (status <= 0)
        return status;
    l->left_out++;
    if (rec_hashmap_intern(&l->users, (const char *)&l->reader.row[l->id].integer, sizeof(int64_t)) == REC_HASHMAP_NONE)
        return rec_err_memory(err, "forgotten");
    return 1;
}

/* 1: the row is to be left out. */
static int is_left_out(struct rec_restore_rows *l, struct rec_err *err)
{
    struct rec_sql_value *user = l->user_id >= 0 ? &l->reader.row[l->user_id] : NULL;
    bool of_forgotten;

    if (l->keep->ledger.n == 0)
        return 0;
    if (!strcmp(l->table->name, "users") && l->name >= 0 && l->id >= 0)
        return leave_out_user(l, err);
    of_forgotten = l->users.n > 0 && user && user->type == REC_SQL_INT &&
                   rec_hashmap_find(&l->users, (const char *)&user->integer, sizeof(int64_t)) != REC_HASHMAP_NONE;
    if (strcmp(l->table->name, "accounts") != 0)
        return of_forgotten ? 1 : is_forgotten(l, l->account_id, err);
    /* An account that was untied before its user was forgotten is another person's. */
    if (of_forgotten)
        *user = rec_sql_null();
    return is_forgotten(l, l->id, err);
}

/* ---- rows ---- */

static int next_row(void *context, struct rec_sql_value *row, struct rec_err *err)
{
    struct rec_restore_rows *l = context;

    for (;;) {
        int status;
        if (!l->open) {
            if (!part_follows(l))
                return 0;
            if (open_part(l, err) < 0)
                return -1;
        }
        status = rec_table_next(&l->reader, err);
        if (status == 0)
            status = close_part(l, err) < 0 ? -1 : 0;
        if (status < 0)
            return -1;
        if (status == 0)
            continue;
        l->part_rows++;
        if (++l->rows % TELL == 0 && l->options->progress)
            l->options->progress(l->options->context, l->table->name, l->rows, 0);
        status = is_left_out(l, err);
        if (status < 0)
            return -1;
        if (status > 0)
            continue;
        memcpy(row, l->reader.row, l->table->n * sizeof *row);
        return 1;
    }
}

static uint64_t rows_of(const struct rec_manifest *m, const char *table)
{
    uint64_t rows = 0;
    char name[64];
    unsigned part;

    for (size_t i = 0; i < m->n; i++)
        if (parse_name(name, &part, m->member[i].name) == 0 && !strcmp(name, table))
            rows += m->member[i].rows;
    return rows;
}

/* Tables that may be large, and that no other refers to: their indexes are made at once, after the rows. */
static bool in_bulk(const struct rec_restore_rows *l)
{
    return (!strcmp(l->table->name, "ratings") || !strcmp(l->table->name, "feedback")) && rows_of(l->manifest, l->table->name) >= MANY;
}

static int load_table(struct rec_restore_rows *l, struct rec_err *err)
{
    bool bulk = in_bulk(l);
    struct rec_copy_bulk b;
    int status;

    l->part = 0;
    l->rows = 0;
    l->id = column(l->table, "id");
    l->name = column(l->table, "name");
    l->user_id = column(l->table, "user_id");
    l->account_id = column(l->table, "account_id");
    if (bulk && rec_copy_bulk_begin(&b, l->db, l->table->name, err) < 0)
        return -1;
    status = rec_copy_in(l->db, l->table->name, l->table->columns, l->table->n, next_row, l, NULL, err);
    if (!bulk)
        return status;
    if (status == 0)
        return rec_copy_bulk_end(&b, err);
    (void)rec_copy_bulk_end(&b, NULL);
    return -1;
}

/* A migration may have put rows of its own into its tables. */
static int delete_seeds(struct rec_restore_rows *l, struct rec_err *err)
{
    struct rec_buf text = {0};
    int status;

    for (size_t i = l->schema.n; i-- > 0;)
        rec_buf_addf(&text, "DELETE FROM \"%s\";\n", l->schema.tables[i].name);
    status = text.failed ? rec_err_memory(err, "schema") : l->schema.n ? rec_sql_script(l->db, text.data, err) : 0;
    rec_buf_clear(&text);
    return status;
}

/* The next rows get numbers above those that were restored. SQLite sees to that by itself. */
static int set_sequences(struct rec_restore_rows *l, struct rec_err *err)
{
    struct rec_buf text = {0};
    int status = 0;

    for (size_t i = 0; i < l->schema.n; i++) {
        const struct rec_copy_table *t = &l->schema.tables[i];
        ptrdiff_t id = column(t, "id");
        if (id >= 0 && t->columns[id].type != REC_COPY_TEXT)
            rec_buf_addf(&text, "    PERFORM setval(pg_get_serial_sequence('%s', 'id'), (SELECT max(id) FROM \"%s\"));\n", t->name, t->name);
    }
    if (text.len && !strcmp(rec_sql_dialect(l->db), "postgresql")) {
        struct rec_buf block = {0};
        rec_buf_addf(&block, "DO $$ BEGIN\n%sEND $$", text.data);
        status = block.failed || text.failed ? rec_err_memory(err, "schema") : rec_sql_script(l->db, block.data, err);
        rec_buf_clear(&block);
    }
    rec_buf_clear(&text);
    return status;
}

static int load_all(struct rec_restore_rows *l, bool *loaded, struct rec_err *err)
{
    char table[64];
    unsigned part;

    if (advance(l, err) < 0)
        return -1;
    while (l->more == 1 && parse_name(table, &part, l->member.name) == 0) {
        size_t i = 0;
        while (i < l->schema.n && strcmp(l->schema.tables[i].name, table) != 0)
            i++;
        if (i == l->schema.n || loaded[i] || part != 1)
            return rec_err_set(err, "%s: %s has no place in schema %lu", l->archive->name, l->member.name, (unsigned long)l->manifest->schema);
        loaded[i] = true;
        l->table = &l->schema.tables[i];
        if (load_table(l, err) < 0)
            return -1;
    }
    return 0;
}

/* Tables of others that share the database are not the archive's business. */
static void drop_others(struct rec_restore_rows *l, const struct rec_copy_schema *before)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->schema.n; i++) {
        struct rec_copy_table *t = &l->schema.tables[i];
        bool other = false;
        for (size_t j = 0; j < before->n; j++)
            other |= !strcmp(t->name, before->tables[j].name);
        if (!other) {
            struct rec_copy_table keep = *t;
            *t = l->schema.tables[kept];
            l->schema.tables[kept++] = keep;
        }
    }
    for (size_t i = kept; i < l->schema.n; i++) {
        for (size_t j = 0; j < l->schema.tables[i].n; j++)
            free((void *)(uintptr_t)l->schema.tables[i].columns[j].name);
        free(l->schema.tables[i].columns);
    }
    l->schema.n = kept;
}

int rec_restore_rows(struct rec_restore_rows *l, const struct rec_copy_schema *others, struct rec_err *err)
{
    bool *loaded = NULL;
    int status = -1;

    if (rec_copy_schema(&l->schema, l->db, err) < 0)
        return -1;
    drop_others(l, others);
    loaded = rec_calloc(l->schema.n, sizeof *loaded, "schema", err);
    if (!loaded || delete_seeds(l, err) < 0 || load_all(l, loaded, err) < 0 || set_sequences(l, err) < 0)
        goto out;
    status = 0;
    for (size_t i = 0; status == 0 && i < l->schema.n; i++)
        if (!loaded[i])
            status = rec_err_set(err, "%s: has no table %s", l->archive->name, l->schema.tables[i].name);
out:
    free(loaded);
    return status;
}

void rec_restore_rows_clear(struct rec_restore_rows *l)
{
    if (l->open)
        rec_table_close(&l->reader);
    rec_buf_clear(&l->text);
    rec_copy_schema_clear(&l->schema);
    rec_hashmap_clear(&l->users);
}
