/* SPDX-License-Identifier: MIT
 *
 * Many rows out, by COPY in its binary format, which postgres_copy_in.c tells of. Rows are read where libpq put them.
 */
#include "postgres_priv.h"

#include <endian.h>

const char rec_postgres_copy_signature[REC_POSTGRES_SIGNATURE] = "PGCOPY\n\377\r\n"; /* and a NUL */

size_t rec_postgres_copy_width(enum rec_copy_type type)
{
    static const size_t widths[] = {
        [REC_COPY_INT16] = 2, [REC_COPY_INT32] = 4, [REC_COPY_INT64] = 8, [REC_COPY_REAL32] = 4, [REC_COPY_REAL64] = 8,
    };

    return type < REC_LENGTH(widths) ? widths[type] : 0;
}

const char *rec_postgres_copy_word(enum rec_copy_type type)
{
    static const char *const words[] = {
        [REC_COPY_INT16] = "smallint", [REC_COPY_INT32] = "integer", [REC_COPY_INT64] = "bigint", [REC_COPY_REAL32] = "real",
        [REC_COPY_REAL64] = "double precision", [REC_COPY_TEXT] = "text", [REC_COPY_BLOB] = "bytea",
    };

    return words[type];
}

void rec_postgres_copy_abandon(struct rec_postgres *pg, const char *why)
{
    PGresult *result;

    (void)PQputCopyEnd(pg->conn, why);
    while ((result = PQgetResult(pg->conn)) != NULL) {
        ExecStatusType status = PQresultStatus(result);
        char *row = NULL;
        PQclear(result);
        while (status == PGRES_COPY_OUT && PQgetCopyData(pg->conn, &row, 0) > 0)
            PQfreemem(row);
        if (PQstatus(pg->conn) != CONNECTION_OK)
            break;
    }
}

int rec_postgres_copy_ended(struct rec_sql *db, uint64_t *rows, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    PGresult *result = PQgetResult(pg->conn), *more;
    int status = 0;
    int64_t count;

    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        status = rec_postgres_fault(db, result, err);
    else if (rec_num_int64(&count, PQcmdTuples(result), strlen(PQcmdTuples(result))) == 0)
        *rows = (uint64_t)count;
    PQclear(result);
    do {
        more = PQgetResult(pg->conn);
        PQclear(more);
    } while (more && PQstatus(pg->conn) == CONNECTION_OK);
    return status;
}

struct out {
    struct rec_sql *db;
    const struct rec_copy_column *columns;
    size_t n;
    struct rec_sql_value *row;
    bool begun;                   /* the header was read */
};

static uint16_t get16(const char *at)
{
    uint16_t x;
    memcpy(&x, at, sizeof x);
    return be16toh(x);
}

static uint32_t get32(const char *at)
{
    uint32_t x;
    memcpy(&x, at, sizeof x);
    return be32toh(x);
}

static uint64_t get64(const char *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return be64toh(x);
}

static struct rec_sql_value get_value(enum rec_copy_type type, const char *at, size_t len)
{
    uint32_t word;
    uint64_t wide;
    float single;
    double real;

    switch (type) {
    case REC_COPY_INT16:
        return rec_sql_int((int16_t)get16(at));
    case REC_COPY_INT32:
        return rec_sql_int((int32_t)get32(at));
    case REC_COPY_INT64:
        return rec_sql_int((int64_t)get64(at));
    case REC_COPY_REAL32:
        word = get32(at);
        memcpy(&single, &word, sizeof single);
        return rec_sql_real((double)single);
    case REC_COPY_REAL64:
        wide = get64(at);
        memcpy(&real, &wide, sizeof real);
        return rec_sql_real(real);
    case REC_COPY_TEXT:
        return rec_sql_bytes(at, len);
    default:
        return rec_sql_blob(at, len);
    }
}

static int misread(const struct out *out, size_t column, struct rec_err *err)
{
    if (column < out->n)
        return rec_postgres_fault_set(out->db, REC_SQL_OTHER, err, "column %s: is not of type %s", out->columns[column].name,
                                      rec_postgres_copy_word(out->columns[column].type));
    return rec_postgres_fault_set(out->db, REC_SQL_OTHER, err, "a query has not the columns that were expected, or the stream is damaged");
}

/* Reads the row at `at`. A text's NUL is written over the length of the field behind it, which was read by then. Returns the end of the
 * row, NULL when it is not what it should be. */
static char *get_row(struct out *out, char *at, const char *end, struct rec_err *err)
{
    size_t i, len;
    char *text_end = NULL;

    for (i = 0; i < out->n; i++) {
        enum rec_copy_type type = out->columns[i].type;
        if (end - at < 4)
            goto failed;
        len = get32(at);
        at += 4;
        if (text_end)
            *text_end = '\0';
        text_end = NULL;
        out->row[i] = rec_sql_null();
        if (len == UINT32_MAX)
            continue;
        if (len > (size_t)(end - at) || (type < REC_COPY_TEXT && len != rec_postgres_copy_width(type)))
            goto failed;
        out->row[i] = get_value(type, at, len);
        at += len;
        text_end = type == REC_COPY_TEXT ? at : NULL;
    }
    return at;
failed:
    misread(out, i, err);
    return NULL;
}

/* What libpq hands out at once: a row, the first time with the header before it. libpq has put a NUL behind it. */
static int take(struct out *out, char *at, size_t len, rec_copy_sink *sink, void *context, uint64_t *rows, struct rec_err *err)
{
    char *end = at + len;

    if (!out->begun) {
        if (len < REC_POSTGRES_HEADER || memcmp(at, rec_postgres_copy_signature, REC_POSTGRES_SIGNATURE) != 0)
            return misread(out, out->n, err);
        len = get32(at + REC_POSTGRES_SIGNATURE + 4);
        if (len > (size_t)(end - at) - REC_POSTGRES_HEADER)
            return misread(out, out->n, err);
        at += REC_POSTGRES_HEADER + len;
        out->begun = true;
    }
    while (end - at >= 2) {
        uint16_t fields = get16(at);
        char behind;
        int status;
        at += 2;
        if (fields == UINT16_MAX)
            break;
        if (fields != out->n)
            return misread(out, out->n, err);
        at = get_row(out, at, end, err);
        if (!at)
            return -1;
        behind = *at;
        *at = '\0';
        status = sink(context, out->row, err);
        *at = behind;
        if (status < 0)
            return -1;
        ++*rows;
    }
    return 0;
}

static void cancel(const struct rec_postgres *pg)
{
    PGcancel *handle = PQgetCancel(pg->conn);
    char said[256];

    if (handle)
        (void)PQcancel(handle, said, sizeof said);
    PQfreeCancel(handle);
}

static int receive(struct out *out, rec_copy_sink *sink, void *context, uint64_t *rows, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(out->db);
    uint64_t counted = 0;
    char *data = NULL;
    int len;

    out->db->fault = REC_SQL_FINE;
    while ((len = PQgetCopyData(pg->conn, &data, 0)) > 0) {
        int status = take(out, data, (size_t)len, sink, context, rows, err);
        PQfreemem(data);
        if (status == 0)
            continue;
        if (out->db->fault == REC_SQL_FINE)
            out->db->fault = REC_SQL_OTHER;
        cancel(pg);
        while (PQgetCopyData(pg->conn, &data, 0) > 0)
            PQfreemem(data);
        rec_postgres_copy_abandon(pg, NULL);
        return -1;
    }
    return rec_postgres_copy_ended(out->db, &counted, err);
}

int rec_postgres_copy_out(struct rec_sql *db, const char *query, const struct rec_copy_column *columns, size_t n, rec_copy_sink *sink,
                          void *context, uint64_t *rows, struct rec_err *err)
{
    struct out out = {.db = db, .columns = columns, .n = n};
    struct rec_buf sql = {0};
    PGresult *result = NULL;
    int status = -1;

    out.row = rec_calloc(n, sizeof *out.row, db->name, err);
    rec_buf_addf(&sql, "COPY (%s) TO STDOUT (FORMAT binary)", query);
    if (!out.row || sql.failed) {
        rec_postgres_fault_memory(db, err);
        goto out;
    }
    if (rec_postgres_ready(db, err) < 0)
        goto out;
    result = rec_postgres_run(db, sql.data, PGRES_COPY_OUT, err);
    if (result)
        status = receive(&out, sink, context, rows, err);
out:
    PQclear(result);
    rec_buf_clear(&sql);
    free(out.row);
    return status;
}
