/* SPDX-License-Identifier: MIT
 *
 * One zstd frame (RFC 8878) written to a callback and read from one, by libzstd.
 *
 * Memory does not grow with the stream: the writer keeps the window of its level, the reader refuses a frame that asks for a window
 * larger than REC_ZSTD_WINDOW. Compressing goes on in a thread of libzstd's while the caller fetches more. The frame carries a checksum of its content, so that damage is noticed also where no one authenticates.
 */
#include <rec/format.h>

#include <zstd.h>

enum { BLOCK = 128 * 1024, WINDOW_LOG = 23, JOB = 1 << 20 };
_Static_assert(REC_ZSTD_WINDOW == 1 << WINDOW_LOG, "the window that the header promises");

static int complain(struct rec_err *err, size_t status)
{
    return rec_err_set(err, "zstd: %s", ZSTD_getErrorName(status));
}

/* ---- writing ---- */

int rec_zstd_begin(struct rec_zstd_writer *w, int level, rec_zstd_sink *sink, void *context, struct rec_err *err)
{
    size_t status;

    *w = (struct rec_zstd_writer){.sink = sink, .context = context, .encoder = ZSTD_createCCtx()};
    w->block = rec_malloc(BLOCK, 1, "zstd", err);
    if (!w->block || !w->encoder) {
        rec_zstd_abort(w);
        return rec_err_memory(err, "zstd");
    }
    status = ZSTD_CCtx_setParameter(w->encoder, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(status))
        status = ZSTD_CCtx_setParameter(w->encoder, ZSTD_c_checksumFlag, 1);
    if (!ZSTD_isError(status) && level > 9)
        status = ZSTD_CCtx_setParameter(w->encoder, ZSTD_c_windowLog, WINDOW_LOG);
    if (ZSTD_isError(status)) {
        rec_zstd_abort(w);
        return complain(err, status);
    }
    /* A libzstd without threads refuses these, and compresses here. */
    (void)ZSTD_CCtx_setParameter(w->encoder, ZSTD_c_nbWorkers, 1);
    (void)ZSTD_CCtx_setParameter(w->encoder, ZSTD_c_jobSize, JOB);
    return 0;
}

/* One step of the encoder, and what it gave to the sink. @return what it still holds back, or -1. */
static int step(size_t *rest, struct rec_zstd_writer *w, ZSTD_inBuffer *from, ZSTD_EndDirective how, struct rec_err *err)
{
    ZSTD_outBuffer to = {w->block, BLOCK, 0};

    *rest = ZSTD_compressStream2(w->encoder, &to, from, how);
    if (ZSTD_isError(*rest))
        return complain(err, *rest);
    return to.pos ? w->sink(w->context, w->block, to.pos, err) : 0;
}

int rec_zstd_write(struct rec_zstd_writer *w, const void *bytes, size_t len, struct rec_err *err)
{
    ZSTD_inBuffer from = {bytes, len, 0};
    size_t rest;

    while (from.pos < from.size)
        if (step(&rest, w, &from, ZSTD_e_continue, err) < 0)
            return -1;
    return 0;
}

int rec_zstd_end(struct rec_zstd_writer *w, struct rec_err *err)
{
    ZSTD_inBuffer nothing = {0};
    size_t rest;
    int status;

    do
        status = step(&rest, w, &nothing, ZSTD_e_end, err);
    while (status == 0 && rest > 0);
    rec_zstd_abort(w);
    return status;
}

void rec_zstd_abort(struct rec_zstd_writer *w)
{
    ZSTD_freeCCtx(w->encoder);
    free(w->block);
    *w = (struct rec_zstd_writer){0};
}

/* ---- reading ---- */

int rec_zstd_open(struct rec_zstd_reader *r, rec_zstd_source *source, void *context, const char *name, struct rec_err *err)
{
    *r = (struct rec_zstd_reader){.name = name, .source = source, .context = context, .decoder = ZSTD_createDCtx()};
    r->block = rec_malloc(BLOCK, 1, name, err);
    if (r->block && r->decoder && !ZSTD_isError(ZSTD_DCtx_setParameter(r->decoder, ZSTD_d_windowLogMax, WINDOW_LOG)))
        return 0;
    rec_zstd_close(r);
    return rec_err_memory(err, name);
}

/* Compressed bytes at block[at .. fill), unless the source is at its end. */
static int refill(struct rec_zstd_reader *r, struct rec_err *err)
{
    if (r->at < r->fill || r->dry)
        return 0;
    r->at = r->fill = 0;
    if (r->source(r->context, r->block, BLOCK, &r->fill, err) < 0)
        return -1;
    r->dry = r->fill < BLOCK;
    return 0;
}

/* Behind the frame there must be nothing. */
static int finish(struct rec_zstd_reader *r, struct rec_err *err)
{
    if (refill(r, err) < 0)
        return -1;
    if (r->at < r->fill)
        return rec_err_set(err, "%s: trailing bytes after zstd data", r->name);
    r->finished = true;
    return 0;
}

int rec_zstd_read(struct rec_zstd_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    ZSTD_outBuffer to = {bytes, len, 0};

    while (to.pos < len && !r->finished) {
        if (refill(r, err) < 0)
            return -1;
        ZSTD_inBuffer from = {r->block + r->at, r->fill - r->at, 0};
        size_t before = to.pos, rest = ZSTD_decompressStream(r->decoder, &to, &from);
        if (ZSTD_isError(rest))
            return rec_err_set(err, "%s: damaged zstd data (%s)", r->name, ZSTD_getErrorName(rest));
        r->at += from.pos;
        if (rest == 0 && finish(r, err) < 0)
            return -1;
        if (rest != 0 && from.pos == 0 && to.pos == before && r->at == r->fill && r->dry)
            return rec_err_set(err, "%s: compressed data is cut short", r->name);
    }
    *got = to.pos;
    return 0;
}

void rec_zstd_close(struct rec_zstd_reader *r)
{
    ZSTD_freeDCtx(r->decoder);
    free(r->block);
    *r = (struct rec_zstd_reader){0};
}
