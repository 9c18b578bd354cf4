/* SPDX-License-Identifier: MIT
 *
 * Users and movies of the data set: their ids (text) to the numbers of their rows.
 *
 * A row keeps its number for ever. Many ids at once go to PostgreSQL as one COPY into a temporary table, from which the missing ones are
 * made, in the order of ids (so that two loads wait for each other and do not lock each other out), and all numbers come back in one result.
 * Numbers are drawn only for what is missing: ON CONFLICT alone would draw one for every id of every load, of which there are 2^31.
 */
#include <rec/store.h>

#include <rec/format.h>

static const char *const words[] = {"user", "movie"};

static int check(struct rec_store *store, enum rec_names_of of, const char *id, size_t len, struct rec_err *err)
{
    if (len == 0)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "%s: its id is empty", words[of]);
    if (len > REC_NAMES_LONGEST)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "%s %.32s...: its id is longer than %d bytes", words[of], id,
                              REC_NAMES_LONGEST);
    if (!rec_json_utf8(id, len) || memchr(id, 0, len) != NULL)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "%s %.*s: its id is not UTF-8", words[of], (int)(len < 32 ? len : 32), id);
    return 0;
}

/* ---- one ----------------------------------------------------------------------------------------- */

static int look_up(int64_t *row, struct rec_sql *db, enum rec_names_of of, const char *id, size_t len, struct rec_err *err)
{
    return of == REC_NAMES_USERS
        ? rec_sql_get_int(row, db, "SELECT id FROM users WHERE name = $1", REC_SQL(rec_sql_bytes(id, len)), err)
        : rec_sql_get_int(row, db, "SELECT id FROM movies WHERE name = $1", REC_SQL(rec_sql_bytes(id, len)), err);
}

/* 1, 0: somebody else just made it, -1. */
static int make(int64_t *row, struct rec_sql *db, enum rec_names_of of, const char *id, size_t len, struct rec_err *err)
{
    return of == REC_NAMES_USERS
        ? rec_sql_get_int(row, db, "INSERT INTO users (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id",
                          REC_SQL(rec_sql_bytes(id, len)), err)
        : rec_sql_get_int(row, db, "INSERT INTO movies (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id",
                          REC_SQL(rec_sql_bytes(id, len)), err);
}

int rec_names_find(int64_t *row, struct rec_store *store, enum rec_names_of of, const char *id, struct rec_err *err)
{
    size_t len = strlen(id);
    *row = 0;
    /* What cannot be stored is not there; PostgreSQL would refuse the question. */
    if (check(store, of, id, len, NULL) < 0)
        return 0;
    return look_up(row, store->db, of, id, len, err);
}

int rec_names_intern(int64_t *row, struct rec_store *store, enum rec_names_of of, const char *id, struct rec_err *err)
{
    size_t len = strlen(id);
    if (check(store, of, id, len, err) < 0)
        return -1;
    int status = look_up(row, store->db, of, id, len, err);
    if (status == 0)
        status = make(row, store->db, of, id, len, err);
    if (status == 0)
        status = look_up(row, store->db, of, id, len, err);
    if (status == 0)
        return rec_sql_refuse(store->db, REC_SQL_BUSY, err, "%s %s: was made and erased by others meanwhile: try again", words[of], id);
    return status < 0 ? -1 : 0;
}

/* ---- many, SQLite -------------------------------------------------------------------------------- */

/* SQLite has one writer: what is not found will not be made by another. */
static int intern_each(int32_t *row, struct rec_store *store, enum rec_names_of of, const struct rec_ids *ids, uint64_t *made,
                       struct rec_err *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        int64_t found = 0;
        int status = look_up(&found, store->db, of, id, len, err);
        if (status == 0) {
            status = make(&found, store->db, of, id, len, err);
            *made += status > 0;
        }
        if (status < 0)
            return -1;
        row[i] = (int32_t)found;
    }
    return 0;
}

/* ---- many, PostgreSQL ---------------------------------------------------------------------------- */

struct source {
    const struct rec_ids *ids;
    size_t next;
};

static int next_id(void *context, struct rec_sql_value *row, struct rec_err *err)
{
    struct source *s = context;
    size_t len;
    (void)err;
    if (s->next == s->ids->n)
        return 0;
    const char *id = rec_ids_get(s->ids, s->next, &len);
    row[0] = rec_sql_int((int64_t)s->next++);
    row[1] = rec_sql_bytes(id, len);
    return 1;
}

static int put_row(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    int32_t *out = context;
    (void)err;
    out[row[0].integer] = (int32_t)row[1].integer;
    return 0;
}

static int make_missing(uint64_t *made, struct rec_sql *db, enum rec_names_of of, struct rec_err *err)
{
    int64_t n = 0;
    int status = of == REC_NAMES_USERS
        ? rec_sql_exec(db, &n, "INSERT INTO users (name) SELECT t.name FROM rec_names t WHERE NOT EXISTS "
                       "(SELECT 1 FROM users u WHERE u.name = t.name) ORDER BY t.place ON CONFLICT (name) DO NOTHING", REC_SQL_NONE, err)
        : rec_sql_exec(db, &n, "INSERT INTO movies (name) SELECT t.name FROM rec_names t WHERE NOT EXISTS "
                       "(SELECT 1 FROM movies m WHERE m.name = t.name) ORDER BY t.place ON CONFLICT (name) DO NOTHING", REC_SQL_NONE, err);
    *made = (uint64_t)n;
    return status;
}

static int intern_copied(int32_t *row, struct rec_store *store, enum rec_names_of of, const struct rec_ids *ids, uint64_t *made,
                         struct rec_err *err)
{
    static const struct rec_copy_column in[] = {{"place", REC_COPY_INT32}, {"name", REC_COPY_TEXT}};
    static const struct rec_copy_column out[] = {{"place", REC_COPY_INT32}, {"id", REC_COPY_INT32}};
    struct source source = {ids, 0};
    uint64_t rows;
    if (rec_sql_script(store->db, "CREATE TEMPORARY TABLE rec_names (place integer NOT NULL, name text COLLATE \"C\" NOT NULL) ON COMMIT DROP",
                       err) < 0 ||
        rec_copy_in(store->db, "rec_names", in, 2, next_id, &source, NULL, err) < 0 ||
        rec_sql_script(store->db, "ANALYZE rec_names", err) < 0 || make_missing(made, store->db, of, err) < 0)
        return -1;
    if (rec_copy_out(store->db, of == REC_NAMES_USERS ? "SELECT t.place, u.id FROM rec_names t JOIN users u USING (name)"
                                                      : "SELECT t.place, m.id FROM rec_names t JOIN movies m USING (name)",
                     out, 2, put_row, row, &rows, err) < 0)
        return -1;
    if (rows != ids->n)
        return rec_sql_refuse(store->db, REC_SQL_BUSY, err, "%s: some %ss were erased by others meanwhile: try again",
                              rec_sql_name(store->db), words[of]);
    return rec_sql_script(store->db, "DROP TABLE rec_names", err);
}

int rec_names_intern_all(int32_t *row, struct rec_store *store, enum rec_names_of of, const struct rec_ids *ids, uint64_t *made,
                         struct rec_err *err)
{
    uint64_t n = 0;
    int status = 0;
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        if (check(store, of, id, len, err) < 0)
            return -1;
    }
    if (ids->n > 0)
        status = strcmp(rec_sql_dialect(store->db), "sqlite") == 0 ? intern_each(row, store, of, ids, &n, err)
                                                                   : intern_copied(row, store, of, ids, &n, err);
    if (made != NULL)
        *made = n;
    return status;
}

/* ---- all ----------------------------------------------------------------------------------------- */

struct table {
    struct rec_buf bytes;
    int64_t *offset;
    int32_t *row;
    size_t n, cap;
};

static int add_name(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    struct table *t = context;
    if (t->n == t->cap) {
        size_t cap = t->cap > 0 ? 2 * t->cap : 1024;
        if (rec_realloc(&t->offset, cap + 1, sizeof *t->offset, "ids", err) < 0 || rec_realloc(&t->row, cap, sizeof *t->row, "ids", err) < 0)
            return -1;
        t->cap = cap;
    }
    rec_buf_add(&t->bytes, row[0].text, row[0].len);
    if (t->bytes.failed)
        return rec_err_memory(err, "ids");
    t->row[t->n++] = (int32_t)row[1].integer;
    t->offset[t->n] = (int64_t)t->bytes.len;
    return 0;
}

int rec_names_all(struct rec_ids *ids, int32_t **row, struct rec_store *store, enum rec_names_of of, struct rec_err *err)
{
    static const struct rec_copy_column columns[] = {{"name", REC_COPY_TEXT}, {"id", REC_COPY_INT32}};
    struct table t = {.cap = 1024};
    int status = -1;
    *ids = (struct rec_ids){0};
    *row = NULL;
    t.offset = rec_malloc(t.cap + 1, sizeof *t.offset, "ids", err);
    t.row = rec_malloc(t.cap, sizeof *t.row, "ids", err);
    if (t.offset == NULL || t.row == NULL)
        goto out;
    t.offset[0] = 0;
    if (rec_copy_out(store->db, of == REC_NAMES_USERS ? "SELECT name, id FROM users ORDER BY name" : "SELECT name, id FROM movies ORDER BY name",
                     columns, 2, add_name, &t, NULL, err) < 0)
        goto out;
    *ids = (struct rec_ids){t.bytes.data, t.offset, t.n, {t.bytes.data, t.offset}};
    *row = t.row;
    t = (struct table){0};
    status = 0;
out:
    rec_buf_clear(&t.bytes);
    free(t.offset);
    free(t.row);
    return status;
}
