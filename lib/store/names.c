/* SPDX-License-Identifier: MIT
 *
 * Users and movies of the data set: their ids (text) to the numbers of their rows.
 *
 * A row keeps its number for ever. Of many ids at once, those that are there are found by one pass over all names, as both are sorted, or,
 * where there are many more names than ids, by looking them up. What is missing goes to PostgreSQL as one COPY into a temporary table, from
 * which rows are made in the order of ids, so that two loads wait for each other and do not lock each other out. Numbers are drawn only
 * for what is missing: ON CONFLICT alone would draw one for every id of every load, and there are 2^31. 200,000 new ids take 0.2 s on
 * SQLite and about 1 s on PostgreSQL; a tenth of that when they are there.
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

/* ---- many: those that are there ------------------------------------------------------------------ */

struct many {
    const struct rec_ids *ids;
    int32_t *row;                 /* 0: is not there, as far as is known */
    size_t next;
    int64_t last;                 /* the greatest number there is */
};

static size_t count_missing(const struct many *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->ids->n; i++)
        n += m->row[i] == 0;
    return n;
}

/* All names there are, merged with the ids: both are sorted. */
static int find_by_merging(struct many *m, struct rec_store *store, enum rec_names_of of, struct rec_err *err)
{
    struct rec_ids all;
    int32_t *row;
    if (rec_names_all(&all, &row, store, of, err) < 0)
        return -1;
    rec_ids_join(m->row, m->ids, &all);
    for (size_t i = 0; i < m->ids->n; i++)
        m->row[i] = m->row[i] >= 0 ? row[m->row[i]] : 0;
    free(row);
    rec_ids_clear(&all);
    return 0;
}

static int find_each(struct many *m, struct rec_store *store, enum rec_names_of of, struct rec_err *err)
{
    for (size_t i = 0; i < m->ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(m->ids, i, &len);
        int64_t found = 0;
        if (look_up(&found, store->db, of, id, len, err) < 0)
            return -1;
        m->row[i] = (int32_t)found;
    }
    return 0;
}

/* ---- many, SQLite -------------------------------------------------------------------------------- */

static int number_next(void *context, struct rec_sql_value *row, struct rec_err *err)
{
    struct many *m = context;
    size_t len;
    while (m->next < m->ids->n && m->row[m->next] != 0)
        m->next++;
    if (m->next == m->ids->n)
        return 0;
    if (m->last >= INT32_MAX)
        return rec_err_set(err, "ids: there are more than 2^31");
    const char *id = rec_ids_get(m->ids, m->next, &len);
    m->row[m->next++] = (int32_t)++m->last;
    row[0] = rec_sql_int(m->last);
    row[1] = rec_sql_bytes(id, len);
    return 1;
}

/* SQLite has one writer: what is not found will not be made by another, and numbers can be given here, as SQLite gives them. */
static int make_numbered(uint64_t *made, struct many *m, struct rec_store *store, enum rec_names_of of, struct rec_err *err)
{
    static const struct rec_copy_column columns[] = {{"id", REC_COPY_INT32}, {"name", REC_COPY_TEXT}};
    return rec_copy_in(store->db, of == REC_NAMES_USERS ? "users" : "movies", columns, 2, number_next, m, made, err);
}

/* ---- many, PostgreSQL ---------------------------------------------------------------------------- */

static int next_missing(void *context, struct rec_sql_value *row, struct rec_err *err)
{
    struct many *m = context;
    size_t len;
    (void)err;
    while (m->next < m->ids->n && m->row[m->next] != 0)
        m->next++;
    if (m->next == m->ids->n)
        return 0;
    const char *id = rec_ids_get(m->ids, m->next, &len);
    row[0] = rec_sql_int((int64_t)m->next++);
    row[1] = rec_sql_bytes(id, len);
    return 1;
}

static int put_row(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    struct many *m = context;
    (void)err;
    m->row[row[0].integer] = (int32_t)row[1].integer;
    return 0;
}

static int copy_missing(struct many *m, struct rec_sql *db, struct rec_err *err)
{
    static const struct rec_copy_column columns[] = {{"place", REC_COPY_INT32}, {"name", REC_COPY_TEXT}};
    if (rec_sql_script(db, "CREATE TEMPORARY TABLE rec_names (place integer NOT NULL, name text COLLATE \"C\" NOT NULL) ON COMMIT DROP", err) < 0)
        return -1;
    return rec_copy_in(db, "rec_names", columns, 2, next_missing, m, NULL, err) < 0 ? -1 : rec_sql_script(db, "ANALYZE rec_names", err);
}

static int find_copied(struct many *m, struct rec_sql *db, enum rec_names_of of, struct rec_err *err)
{
    static const struct rec_copy_column columns[] = {{"place", REC_COPY_INT32}, {"id", REC_COPY_INT32}};
    return rec_copy_out(db, of == REC_NAMES_USERS ? "SELECT t.place, u.id FROM rec_names t JOIN users u USING (name)"
                                                  : "SELECT t.place, m.id FROM rec_names t JOIN movies m USING (name)",
                        columns, 2, put_row, m, NULL, err);
}

static int make_copied(uint64_t *made, struct rec_sql *db, enum rec_names_of of, struct rec_err *err)
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

/* @param looked  those that were there have been found, but for what others make meanwhile */
static int intern_copied(uint64_t *made, struct many *m, struct rec_store *store, enum rec_names_of of, bool looked, struct rec_err *err)
{
    struct rec_sql *db = store->db;
    if (copy_missing(m, db, err) < 0 || (!looked && find_copied(m, db, of, err) < 0))
        return -1;
    if (count_missing(m) > 0 && (make_copied(made, db, of, err) < 0 || find_copied(m, db, of, err) < 0))
        return -1;
    if (count_missing(m) > 0)
        return rec_sql_refuse(db, REC_SQL_BUSY, err, "%s: some %ss were erased by others meanwhile: try again", rec_sql_name(db), words[of]);
    return rec_sql_script(db, "DROP TABLE rec_names", err);
}

/* ---- many ---------------------------------------------------------------------------------------- */

static int intern_many(uint64_t *made, struct many *m, struct rec_store *store, enum rec_names_of of, struct rec_err *err)
{
    bool sqlite = strcmp(rec_sql_dialect(store->db), "sqlite") == 0;
    if (rec_sql_get_int(&m->last, store->db, of == REC_NAMES_USERS ? "SELECT max(id) FROM users" : "SELECT max(id) FROM movies",
                        REC_SQL_NONE, err) < 0)
        return -1;
    /* There are at most as many names as the greatest number says. To read them all costs less than to look a few of them up. */
    bool merge = m->last / 8 <= (int64_t)m->ids->n;
    if (merge && find_by_merging(m, store, of, err) < 0)
        return -1;
    if (!merge && sqlite && find_each(m, store, of, err) < 0)
        return -1;
    if (count_missing(m) == 0)
        return 0;
    return sqlite ? make_numbered(made, m, store, of, err) : intern_copied(made, m, store, of, merge, err);
}

int rec_names_intern_all(int32_t *row, struct rec_store *store, enum rec_names_of of, const struct rec_ids *ids, uint64_t *made,
                         struct rec_err *err)
{
    struct many many = {.ids = ids, .row = row};
    uint64_t n = 0;
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        if (check(store, of, id, len, err) < 0)
            return -1;
        row[i] = 0;
    }
    int status = ids->n > 0 ? intern_many(&n, &many, store, of, err) : 0;
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
