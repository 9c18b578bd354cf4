/* SPDX-License-Identifier: MIT
 *
 * Statements of the PostgreSQL driver: parameters, preparing, rows.
 *
 * Parameters go as text of a type that the server infers from where they stand, so that a whole number fits integers of any size and a
 * number any kind of real; blobs go as they are. Results come in binary and are told by the types' numbers.
 *
 * A long-lived connection prepares each statement once; a one_shot one never does.
 */
#include "postgres_priv.h"

#include <endian.h>
#include <math.h>

/* ---- parameters ---------------------------------------------------------------------------------- */

static int make_room(struct rec_sql *db, const struct rec_sql_value *params, size_t n, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    size_t bytes = 1;

    if (n > 65535)
        return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "%zu parameters are too many", n);
    if (n > pg->params) {
        if (rec_realloc(&pg->value, n, sizeof *pg->value, db->name, err) < 0 ||
            rec_realloc(&pg->length, n, sizeof *pg->length, db->name, err) < 0 ||
            rec_realloc(&pg->format, n, sizeof *pg->format, db->name, err) < 0)
            return rec_postgres_fault_memory(db, NULL);
        pg->params = n;
    }
    for (size_t i = 0; i < n; i++)
        if (rec_size_add(&bytes, bytes, params[i].type == REC_SQL_TEXT ? params[i].len + 1 : REC_NUM_MAX + 1) < 0)
            return rec_postgres_fault_memory(db, err);
    rec_buf_reset(&pg->text);
    return rec_buf_reserve(&pg->text, bytes) < 0 ? rec_postgres_fault_memory(db, err) : 0;
}

/* The text of one, with a NUL at its end. */
static size_t print_param(char *out, const struct rec_sql_value *v)
{
    size_t n = 0;

    if (v->type == REC_SQL_INT)
        n = rec_num_print_int64(out, v->integer);
    else if (v->type == REC_SQL_REAL)
        n = rec_num_print_double(out, v->real);
    else if (v->type == REC_SQL_TEXT && v->len > 0)
        memcpy(out, v->text, n = v->len);
    out[n] = '\0';
    return n + 1;
}

static int put_params(struct rec_sql *db, const struct rec_sql_value *params, size_t n, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);

    if (make_room(db, params, n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const struct rec_sql_value *v = &params[i];
        char *at = pg->text.data + pg->text.len;
        if (v->type == REC_SQL_TEXT && v->len > 0 && memchr(v->text, '\0', v->len))
            return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "a text holds a NUL byte, which PostgreSQL cannot store");
        if (v->type == REC_SQL_REAL && !isfinite(v->real))
            return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "a number is not finite");
        if (v->type == REC_SQL_BLOB && v->len > INT32_MAX)
            return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "a value of %zu bytes is too large", v->len);
        pg->format[i] = v->type == REC_SQL_BLOB;
        pg->length[i] = v->type == REC_SQL_BLOB ? (int)v->len : 0;
        if (v->type == REC_SQL_BLOB)
            pg->value[i] = v->len > 0 ? v->blob : "";
        else
            pg->value[i] = v->type == REC_SQL_NULL ? NULL : at;
        if (pg->value[i] == at)
            pg->text.len += print_param(at, v);
    }
    return 0;
}

/* ---- statements ---------------------------------------------------------------------------------- */

static size_t place_of(const struct rec_postgres *pg, const char *sql)
{
    size_t i = (size_t)(((uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (pg->slots - 1);

    while (pg->slot[i].sql && pg->slot[i].sql != sql)
        i = (i + 1) & (pg->slots - 1);
    return i;
}

static int grow_slots(struct rec_sql *db, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db), old = *pg;

    if (pg->statements * 2 < pg->slots)
        return 0;
    pg->slots = old.slots ? old.slots * 2 : 64;
    pg->slot = rec_calloc(pg->slots, sizeof *pg->slot, db->name, err);
    if (!pg->slot) {
        *pg = old;
        return rec_postgres_fault_memory(db, NULL);
    }
    for (size_t i = 0; i < old.slots; i++)
        if (old.slot[i].sql)
            pg->slot[place_of(pg, old.slot[i].sql)] = old.slot[i];
    free(old.slot);
    return 0;
}

/* Prepares it unless it is. @return its place, or NULL. */
static struct rec_postgres_statement *prepare(struct rec_sql *db, const char *sql, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    struct rec_postgres_statement *s;
    PGresult *result;
    char name[16];

    if (grow_slots(db, err) < 0)
        return NULL;
    s = &pg->slot[place_of(pg, sql)];
    if (s->sql && s->number)
        return s;
    snprintf(name, sizeof name, "rec%u", pg->last_number + 1);
    result = rec_postgres_checked(db, PQprepare(pg->conn, name, sql, 0, NULL), PGRES_COMMAND_OK, err);
    if (!result)
        return NULL;
    PQclear(result);
    pg->statements += !s->sql;
    *s = (struct rec_postgres_statement){.sql = sql, .number = ++pg->last_number};
    return s;
}

/* A table has other columns than when the statement was prepared: a migration ran meanwhile. (The function is where the server raised it,
 * as its words may be in any language.) */
static bool is_stale(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE), *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

    return state && function && !strcmp(state, "0A000") && !strcmp(function, "RevalidateCachedQuery");
}

static PGresult *run_prepared(struct rec_sql *db, const char *sql, size_t n, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);

    for (;;) {
        struct rec_postgres_statement *s = prepare(db, sql, err);
        PGresult *result;
        char name[16];
        if (!s)
            return NULL;
        snprintf(name, sizeof name, "rec%u", s->number);
        result = PQexecPrepared(pg->conn, name, (int)n, pg->value, pg->length, pg->format, 1);
        if (!is_stale(result))
            return rec_postgres_checked(db, result, PGRES_COMMAND_OK, err);
        s->number = 0;
        if (db->in_transaction)
            return rec_postgres_checked(db, result, PGRES_COMMAND_OK, err);
        PQclear(result);
    }
}

/* The settings and the statement in one transaction and one journey: a pipeline up to its end is an implicit transaction. */
static PGresult *run_alone(struct rec_sql *db, const char *sql, size_t n, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    PGresult *result = NULL, *next;
    char wait[64];
    int sent, between = 0;

    snprintf(wait, sizeof wait, "SET LOCAL lock_timeout = %d", rec_postgres_wait(db->busy_timeout));
    sent = PQenterPipelineMode(pg->conn) && PQsendQueryParams(pg->conn, wait, 0, NULL, NULL, NULL, NULL, 0) &&
           (!db->read_only || PQsendQueryParams(pg->conn, "SET TRANSACTION READ ONLY", 0, NULL, NULL, NULL, NULL, 0)) &&
           PQsendQueryParams(pg->conn, sql, (int)n, NULL, pg->value, pg->length, pg->format, 1) && PQpipelineSync(pg->conn);
    /* Results of each are followed by a NULL; what counts is the first error, or else the last result before the end. */
    while (sent && between < 2) {
        next = PQgetResult(pg->conn);
        between = next ? 0 : between + 1;
        if (PQresultStatus(next) == PGRES_PIPELINE_SYNC) {
            PQclear(next);
            break;
        }
        if (next && (!result || PQresultStatus(result) != PGRES_FATAL_ERROR)) {
            PQclear(result);
            result = next;
        } else {
            PQclear(next);
        }
    }
    if (!PQexitPipelineMode(pg->conn) && PQstatus(pg->conn) == CONNECTION_OK)
        pg->broken = true;
    return rec_postgres_checked(db, result, PGRES_COMMAND_OK, err);
}

static PGresult *run_statement(struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);

    if (rec_postgres_ready(db, err) < 0 || put_params(db, params, n, err) < 0)
        return NULL;
    if (!db->one_shot)
        return run_prepared(db, sql, n, err);
    if (!db->in_transaction)
        return run_alone(db, sql, n, err);
    return rec_postgres_checked(db, PQexecParams(pg->conn, sql, (int)n, NULL, pg->value, pg->length, pg->format, 1), PGRES_COMMAND_OK, err);
}

int rec_postgres_exec(struct rec_sql *db, int64_t *changed, const char *sql, const struct rec_sql_value *params, size_t n, struct rec_err *err)
{
    PGresult *result = run_statement(db, sql, params, n, err);
    const char *count;

    if (!result)
        return -1;
    count = PQcmdTuples(result);
    if (changed && (!strncmp(PQcmdStatus(result), "SELECT", 6) || rec_num_int64(changed, count, strlen(count)) < 0))
        *changed = 0;
    PQclear(result);
    return 0;
}

/* ---- rows ---------------------------------------------------------------------------------------- */

/* Numbers of types, as server/catalog/pg_type_d.h has them; they never change. */
enum {
    BOOL = 16, BYTEA = 17, CHAR = 18, NAME = 19, INT8 = 20, INT2 = 21, INT4 = 23, TEXT = 25, OID = 26, JSON = 114, FLOAT4 = 700,
    FLOAT8 = 701, UNKNOWN = 705, BPCHAR = 1042, VARCHAR = 1043, NUMERIC = 1700, VOID = 2278
};

struct rows {
    PGresult *result;
    int n_rows;
    struct rec_sql_value value[];
};

static bool is_readable(Oid type)
{
    static const Oid known[] = {BOOL, BYTEA, CHAR, NAME, INT8, INT2, INT4, TEXT, OID, JSON, FLOAT4, FLOAT8, UNKNOWN, BPCHAR, VARCHAR, VOID};

    for (size_t i = 0; i < REC_LENGTH(known); i++)
        if (known[i] == type)
            return true;
    return false;
}

int rec_postgres_query(struct rec_sql_rows *rows, struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n,
                       struct rec_err *err)
{
    PGresult *result = run_statement(db, sql, params, n, err);
    size_t columns = (size_t)PQnfields(result);
    struct rows *state = NULL;

    if (!result)
        return -1;
    for (size_t i = 0; i < columns; i++) {
        Oid type = PQftype(result, (int)i);
        if (!is_readable(type)) {
            rec_postgres_fault_set(db, REC_SQL_OTHER, err, "column %s: its type (%s%u) is not read here; CAST it to bigint, float8 or text",
                                   PQfname(result, (int)i), type == NUMERIC ? "numeric, " : "number ", type);
            goto failed;
        }
    }
    state = rec_calloc(1, sizeof *state + columns * sizeof state->value[0], db->name, err);
    if (!state) {
        rec_postgres_fault_memory(db, NULL);
        goto failed;
    }
    state->result = result;
    state->n_rows = PQntuples(result);
    *rows = (struct rec_sql_rows){.value = state->value, .n = columns, .state = state};
    return 0;
failed:
    PQclear(result);
    return -1;
}

static double real_of(const char *bytes, Oid type)
{
    uint32_t word;
    uint64_t wide;
    float single;
    double real;

    if (type == FLOAT4) {
        memcpy(&word, bytes, sizeof word);
        word = be32toh(word);
        memcpy(&single, &word, sizeof single);
        return (double)single;
    }
    memcpy(&wide, bytes, sizeof wide);
    wide = be64toh(wide);
    memcpy(&real, &wide, sizeof real);
    return real;
}

/* Two's complement of 1, 2, 4 or 8 bytes, the highest first. */
static int64_t integer_of(const char *bytes, size_t len, Oid type)
{
    uint64_t x = type != OID && type != BOOL && ((unsigned char)bytes[0] & 0x80) ? UINT64_MAX : 0;

    for (size_t i = 0; i < len; i++)
        x = x << 8 | (unsigned char)bytes[i];
    return (int64_t)x;
}

static struct rec_sql_value decode(const PGresult *result, int row, int column)
{
    const char *bytes = PQgetvalue(result, row, column);
    size_t len = (size_t)PQgetlength(result, row, column);
    Oid type = PQftype(result, column);

    if (PQgetisnull(result, row, column))
        return rec_sql_null();
    switch (type) {
    case BOOL: case INT2: case INT4: case INT8: case OID:
        return rec_sql_int(integer_of(bytes, len, type));
    case FLOAT4: case FLOAT8:
        return rec_sql_real(real_of(bytes, type));
    case BYTEA:
        return rec_sql_blob(bytes, len);
    default:
        return rec_sql_bytes(bytes, len); /* libpq puts a NUL behind every value */
    }
}

int rec_postgres_next(struct rec_sql_rows *rows, struct rec_err *err)
{
    struct rows *state = rows->state;

    (void)err;
    if (!state || rows->at >= (size_t)state->n_rows)
        return 0;
    for (size_t i = 0; i < rows->n; i++)
        state->value[i] = decode(state->result, (int)rows->at, (int)i);
    rows->at++;
    return 1;
}

void rec_postgres_done(struct rec_sql_rows *rows)
{
    struct rows *state = rows->state;

    if (state)
        PQclear(state->result);
    free(state);
}
