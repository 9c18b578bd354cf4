/* SPDX-License-Identifier: MIT
 *
 * Many rows in, by COPY in its binary format (PostgreSQL's manual, COPY, "Binary Format").
 *
 * A stream is "PGCOPY\n\377\r\n\0", flags and the length of an extension (both 0); then rows, each the number of fields and, for each field,
 * its length (-1: NULL) and its bytes, numbers with the highest byte first; then -1 for the number of fields. Rows are written into a
 * block, which is sent when it is full.
 */
#include "postgres_priv.h"

#include <endian.h>
#include <math.h>

enum { BLOCK = 128 * 1024 };

struct in {
    struct rec_sql *db;
    const char *table;
    const struct rec_copy_column *columns;
    size_t n;
    struct rec_sql_value *row;
    int64_t *greatest;            /* [n]: of whole numbers */
    char *block;
    size_t fill, cap;
};

static char *put16(char *at, uint16_t x)
{
    x = htobe16(x);
    memcpy(at, &x, sizeof x);
    return at + sizeof x;
}

static char *put32(char *at, uint32_t x)
{
    x = htobe32(x);
    memcpy(at, &x, sizeof x);
    return at + sizeof x;
}

static char *put64(char *at, uint64_t x)
{
    x = htobe64(x);
    memcpy(at, &x, sizeof x);
    return at + sizeof x;
}

static int send_block(struct in *in, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(in->db);

    if (in->fill > 0 && PQputCopyData(pg->conn, in->block, (int)in->fill) != 1)
        return rec_postgres_fault(in->db, NULL, err);
    in->fill = 0;
    return 0;
}

/* Room for a row, which is sent off first when there is none. */
static int room_for(struct in *in, struct rec_err *err)
{
    size_t need = 2 + in->n * 12;

    for (size_t i = 0; i < in->n; i++)
        if ((in->row[i].type == REC_SQL_TEXT || in->row[i].type == REC_SQL_BLOB) &&
            (in->row[i].len > INT32_MAX / 2 || rec_size_add(&need, need, in->row[i].len) < 0 || need > INT32_MAX / 2))
            return rec_postgres_fault_set(in->db, REC_SQL_OTHER, err, "%s.%s: a value of %zu bytes is too large", in->table,
                                          in->columns[i].name, in->row[i].len);
    if (need <= in->cap - in->fill)
        return 0;
    if (send_block(in, err) < 0)
        return -1;
    if (need <= in->cap)
        return 0;
    if (rec_realloc(&in->block, need, 1, in->db->name, err) < 0)
        return rec_postgres_fault_memory(in->db, NULL);
    in->cap = need;
    return 0;
}

static int wrong_value(const struct in *in, size_t i, struct rec_err *err)
{
    return rec_postgres_fault_set(in->db, REC_SQL_OTHER, err, "%s.%s: a value does not fit its type, %s", in->table, in->columns[i].name,
                                  rec_postgres_copy_word(in->columns[i].type));
}

/* A field with its length, or NULL when it does not fit the type. */
static char *put_number(char *at, enum rec_copy_type type, const struct rec_sql_value *v)
{
    double real = v->type == REC_SQL_INT ? (double)v->integer : v->real;
    int64_t x = v->integer;
    uint32_t word;
    uint64_t wide;
    float single;

    at = put32(at, (uint32_t)rec_postgres_copy_width(type));
    if (v->type != REC_SQL_INT && (v->type != REC_SQL_REAL || type < REC_COPY_REAL32))
        return NULL;
    switch (type) {
    case REC_COPY_INT16:
        return x == (int16_t)x ? put16(at, (uint16_t)x) : NULL;
    case REC_COPY_INT32:
        return x == (int32_t)x ? put32(at, (uint32_t)x) : NULL;
    case REC_COPY_INT64:
        return put64(at, (uint64_t)x);
    case REC_COPY_REAL32:
        single = (float)real;
        memcpy(&word, &single, sizeof word);
        return isfinite(single) ? put32(at, word) : NULL;
    default:
        memcpy(&wide, &real, sizeof wide);
        return isfinite(real) ? put64(at, wide) : NULL;
    }
}

static int put_row(struct in *in, struct rec_err *err)
{
    char *at;

    if (room_for(in, err) < 0)
        return -1;
    at = put16(in->block + in->fill, (uint16_t)in->n);
    for (size_t i = 0; i < in->n; i++) {
        const struct rec_sql_value *v = &in->row[i];
        enum rec_copy_type type = in->columns[i].type;
        if (v->type == REC_SQL_NULL) {
            at = put32(at, UINT32_MAX);
        } else if (type < REC_COPY_TEXT) {
            if (v->type == REC_SQL_INT && v->integer > in->greatest[i])
                in->greatest[i] = v->integer;
            at = put_number(at, type, v);
            if (!at)
                return wrong_value(in, i, err);
        } else {
            if (v->type != (type == REC_COPY_TEXT ? REC_SQL_TEXT : REC_SQL_BLOB))
                return wrong_value(in, i, err);
            at = put32(at, (uint32_t)v->len);
            if (v->len > 0)
                memcpy(at, v->text, v->len);
            at += v->len;
        }
    }
    in->fill = (size_t)(at - in->block);
    return 0;
}

static int send_rows(struct in *in, rec_copy_source *source, void *context, uint64_t *rows, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(in->db);
    int status;

    memcpy(in->block, rec_postgres_copy_signature, REC_POSTGRES_SIGNATURE);
    memset(in->block + REC_POSTGRES_SIGNATURE, 0, REC_POSTGRES_HEADER - REC_POSTGRES_SIGNATURE);
    in->fill = REC_POSTGRES_HEADER;
    in->db->fault = REC_SQL_FINE;
    while ((status = source(context, in->row, err)) > 0)
        if (put_row(in, err) < 0) {
            status = -1;
            break;
        }
    if (status == 0 && in->cap - in->fill < 2)
        status = send_block(in, err);
    if (status == 0) {
        put16(in->block + in->fill, UINT16_MAX);
        in->fill += 2;
        status = send_block(in, err);
    }
    /* The first reason is the one to tell, and the transaction can only be rolled back. */
    if (status < 0) {
        if (in->db->fault == REC_SQL_FINE)
            in->db->fault = REC_SQL_OTHER;
        rec_postgres_copy_abandon(pg, "given up by the sender");
        return -1;
    }
    if (PQputCopyEnd(pg->conn, NULL) != 1)
        return rec_postgres_fault(in->db, NULL, err);
    return rec_postgres_copy_ended(in->db, rows, err);
}

static int begin_copy(struct in *in, struct rec_err *err)
{
    struct rec_buf sql = {0};
    PGresult *result = NULL;

    rec_buf_adds(&sql, "COPY ");
    rec_postgres_quote(&sql, in->table);
    for (size_t i = 0; i < in->n; i++) {
        rec_buf_adds(&sql, i == 0 ? " (" : ", ");
        rec_postgres_quote(&sql, in->columns[i].name);
    }
    rec_buf_adds(&sql, ") FROM STDIN (FORMAT binary)");
    if (sql.failed)
        rec_postgres_fault_memory(in->db, err);
    else
        result = rec_postgres_run(in->db, sql.data, PGRES_COPY_IN, err);
    rec_buf_clear(&sql);
    PQclear(result);
    return result ? 0 : -1;
}

/* Columns whose values the server makes itself when they are not given, and the sequences these come from. */
static PGresult *find_sequences(struct in *in, struct rec_err *err)
{
    static const char sql[] = "SELECT attname, pg_get_serial_sequence(quote_ident($1), attname) FROM pg_attribute "
                              "WHERE attrelid = to_regclass(quote_ident($1)) AND attidentity <> '' AND NOT attisdropped";
    PGresult *result = PQexecParams(rec_postgres_of(in->db)->conn, sql, 1, NULL, &in->table, NULL, NULL, 0);

    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    rec_postgres_fault(in->db, result, err);
    PQclear(result);
    return NULL;
}

static bool is_given(const struct in *in, const char *name, size_t *where)
{
    for (*where = 0; *where < in->n; ++*where)
        if (!strcmp(in->columns[*where].name, name))
            return true;
    return false;
}

/* Nobody else may draw a number while rows come with numbers of their own. */
static int lock_sequences(struct in *in, const PGresult *sequences, struct rec_err *err)
{
    struct rec_buf sql = {0};
    size_t where;
    int status = 0;

    for (int i = 0; i < PQntuples(sequences) && status == 0; i++) {
        if (!is_given(in, PQgetvalue(sequences, i, 0), &where))
            continue;
        rec_buf_adds(&sql, "LOCK TABLE ");
        rec_postgres_quote(&sql, in->table);
        rec_buf_adds(&sql, " IN SHARE ROW EXCLUSIVE MODE");
        status = sql.failed ? rec_postgres_fault_memory(in->db, err) : rec_postgres_command(in->db, sql.data, err);
        break;
    }
    rec_buf_clear(&sql);
    return status;
}

/* The next number drawn is beyond those that came. */
static int advance_sequences(struct in *in, const PGresult *sequences, struct rec_err *err)
{
    static const char sql[] = "SELECT setval($1::regclass, $2::bigint) WHERE coalesce(pg_sequence_last_value($1::regclass), 0) < $2::bigint";

    for (int i = 0; i < PQntuples(sequences); i++) {
        char number[REC_NUM_MAX + 1];
        const char *params[] = {PQgetvalue(sequences, i, 1), number};
        PGresult *result;
        size_t where;
        int status = 0;
        if (!is_given(in, PQgetvalue(sequences, i, 0), &where) || in->greatest[where] <= 0)
            continue;
        number[rec_num_print_int64(number, in->greatest[where])] = '\0';
        result = PQexecParams(rec_postgres_of(in->db)->conn, sql, 2, NULL, params, NULL, NULL, 0);
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            status = rec_postgres_fault(in->db, result, err);
        PQclear(result);
        if (status < 0)
            return -1;
    }
    return 0;
}

int rec_postgres_copy_in(struct rec_sql *db, const char *table, const struct rec_copy_column *columns, size_t n, rec_copy_source *source,
                         void *context, uint64_t *rows, struct rec_err *err)
{
    struct in in = {.db = db, .table = table, .columns = columns, .n = n, .cap = BLOCK};
    PGresult *sequences = NULL;
    int status = -1;

    in.row = rec_calloc(n, sizeof *in.row, db->name, err);
    in.greatest = in.row ? rec_calloc(n, sizeof *in.greatest, db->name, err) : NULL;
    in.block = in.greatest ? rec_malloc(BLOCK, 1, db->name, err) : NULL;
    if (!in.block)
        rec_postgres_fault_memory(db, NULL);
    if (!in.block || rec_postgres_ready(db, err) < 0)
        goto out;
    sequences = find_sequences(&in, err);
    if (!sequences || lock_sequences(&in, sequences, err) < 0 || begin_copy(&in, err) < 0)
        goto out;
    status = send_rows(&in, source, context, rows, err);
    if (status == 0)
        status = advance_sequences(&in, sequences, err);
out:
    PQclear(sequences);
    free(in.row);
    free(in.greatest);
    free(in.block);
    return status;
}
