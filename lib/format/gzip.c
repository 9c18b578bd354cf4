/* SPDX-License-Identifier: MIT
 *
 * A byte stream that may be gzip (RFC 1952) or zstd (RFC 8878), by zlib and libzstd.
 *
 * A regular file is mapped; when it is plain the caller may use the mapping as it is. Everything else comes by blocks, so memory
 * does not grow with the input. Both formats carry checksums and lengths, so what is cut short or damaged is always noticed:
 * the end of the input inside a member or frame is an error, and so are bytes behind it that begin no new one (zeros behind
 * gzip data excepted, which tapes leave and gzip(1) passes over).
 */
#include <rec/format.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { BLOCK = 256 * 1024 };

struct decoder {
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool inside; /* a member or frame has begun and not ended */
};

/* ---- bytes of the input as it is stored ---- */

static int read_some(struct rec_gzip *in, void *out, size_t len, size_t *got, struct rec_err *err)
{
    ssize_t n;

    do
        n = read(in->fd, out, len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return rec_err_errno(err, "%s", in->name);
    *got = (size_t)n;
    return 0;
}

/* At least one byte at block[at .. fill), unless the input is at its end. */
static int refill(struct rec_gzip *in, struct rec_err *err)
{
    if (in->at < in->fill || in->map)
        return 0;
    in->at = in->fill = 0;
    return read_some(in, in->block, BLOCK, &in->fill, err);
}

static const unsigned char *ahead(const struct rec_gzip *in, size_t *len)
{
    *len = in->fill - in->at;
    return (in->map ? in->map : in->block) + in->at;
}

/* ---- the three kinds ---- */

static int read_plain(struct rec_gzip *in, unsigned char *out, size_t len, size_t *got, struct rec_err *err)
{
    size_t n;
    const unsigned char *p = ahead(in, &n);

    if (n) {
        n = n < len ? n : len;
        memcpy(out, p, n);
        in->at += n;
    } else if (!in->map && read_some(in, out, len, &n, err) < 0) {
        return -1;
    }
    in->finished = n == 0;
    *got = n;
    return 0;
}

/* Between members: another one may follow, or padding of zeros, or the end. */
static int next_member(struct rec_gzip *in, struct rec_err *err)
{
    struct decoder *d = in->decoder;
    size_t n;
    const unsigned char *p = ahead(in, &n);

    for (; n && *p == 0; p++, n--)
        in->at++;
    if (n == 0)
        return 0;
    if (*p != 0x1f)
        return rec_err_set(err, "%s: trailing bytes after gzip data", in->name);
    d->inside = true;
    return inflateReset(&d->gzip) == Z_OK ? 0 : rec_err_memory(err, in->name);
}

static int read_gzip(struct rec_gzip *in, unsigned char *out, size_t len, size_t *got, struct rec_err *err)
{
    struct decoder *d = in->decoder;
    z_stream *z = &d->gzip;
    size_t n;
    int status;

    if (!d->inside)
        return next_member(in, err);
    z->next_in = (unsigned char *)(uintptr_t)ahead(in, &n);
    n = z->avail_in = n < UINT32_MAX ? (unsigned)n : UINT32_MAX;
    z->next_out = out;
    len = z->avail_out = len < UINT32_MAX ? (unsigned)len : UINT32_MAX;
    status = inflate(z, Z_NO_FLUSH);
    in->at += n - z->avail_in;
    *got = len - z->avail_out;
    if (status == Z_STREAM_END)
        d->inside = false;
    else if (status == Z_MEM_ERROR)
        return rec_err_memory(err, in->name);
    else if (status != Z_OK && status != Z_BUF_ERROR)
        return rec_err_set(err, "%s: damaged gzip data (%s)", in->name, z->msg ? z->msg : "no detail");
    return 0;
}

static int read_zstd(struct rec_gzip *in, unsigned char *out, size_t len, size_t *got, struct rec_err *err)
{
    struct decoder *d = in->decoder;
    ZSTD_inBuffer from = {0};
    ZSTD_outBuffer to = {out, len, 0};
    size_t status;

    from.src = ahead(in, &from.size);
    status = ZSTD_decompressStream(d->zstd, &to, &from);
    if (ZSTD_isError(status))
        return rec_err_set(err, "%s: damaged zstd data (%s)", in->name, ZSTD_getErrorName(status));
    in->at += from.pos;
    *got = to.pos;
    d->inside = status != 0;
    return 0;
}

/* One step of decoding: fills some of out, or finds the end. */
static int decode(struct rec_gzip *in, unsigned char *out, size_t len, size_t *got, struct rec_err *err)
{
    struct decoder *d = in->decoder;
    size_t n;

    if (in->kind == REC_GZIP_PLAIN)
        return read_plain(in, out, len, got, err);
    if (refill(in, err) < 0)
        return -1;
    ahead(in, &n);
    if (n == 0 && !d->inside) {
        in->finished = true;
        return 0;
    }
    /* Without input the decoder may still hold back output, so it is asked all the same. */
    if ((in->kind == REC_GZIP_GZIP ? read_gzip : read_zstd)(in, out, len, got, err) < 0)
        return -1;
    if (n == 0 && *got == 0 && d->inside)
        return rec_err_set(err, "%s: compressed data is cut short", in->name);
    return 0;
}

int rec_gzip_read(struct rec_gzip *in, void *out, size_t len, size_t *got, struct rec_err *err)
{
    *got = 0;
    while (*got < len && !in->finished) {
        size_t n = 0;
        if (decode(in, (unsigned char *)out + *got, len - *got, &n, err) < 0)
            return -1;
        in->crc32c = rec_crc32c(in->crc32c, (unsigned char *)out + *got, n);
        *got += n;
        in->delivered += n;
    }
    return 0;
}

/* ---- opening and closing ---- */

static enum rec_gzip_kind kind_of(const unsigned char *p, size_t len)
{
    if (len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
        return REC_GZIP_GZIP;
    if (len >= 4 && !memcmp(p, "\x28\xb5\x2f\xfd", 4))
        return REC_GZIP_ZSTD;
    return REC_GZIP_PLAIN;
}

static int start_decoder(struct rec_gzip *in, struct rec_err *err)
{
    struct decoder *d = rec_calloc(1, sizeof *d, in->name, err);

    if (!d)
        return -1;
    in->decoder = d;
    d->inside = true;
    if (in->kind == REC_GZIP_GZIP && inflateInit2(&d->gzip, 15 + 16) != Z_OK)
        return rec_err_memory(err, in->name);
    if (in->kind == REC_GZIP_ZSTD && !(d->zstd = ZSTD_createDStream()))
        return rec_err_memory(err, in->name);
    return 0;
}

static int map_file(struct rec_gzip *in, size_t size, struct rec_err *err)
{
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, in->fd, 0);

    if (p == MAP_FAILED)
        return rec_err_errno(err, "%s", in->name);
    (void)madvise(p, size, MADV_SEQUENTIAL);
    in->map = p;
    in->map_len = in->fill = size;
    return 0;
}

/* At least `want` bytes of what has not been read yet, which may take several reads of a pipe. */
static int read_ahead(struct rec_gzip *in, size_t want, struct rec_err *err)
{
    while (!in->map && in->fill - in->at < want) {
        size_t n = 0;
        if (in->fill == BLOCK)
            return rec_err_set(err, "%s: more than a block to be looked at", in->name);
        if (read_some(in, in->block + in->fill, BLOCK - in->fill, &n, err) < 0)
            return -1;
        if (n == 0)
            break;
        in->fill += n;
    }
    return 0;
}

static int read_start(struct rec_gzip *in, struct rec_err *err)
{
    in->block = rec_malloc(BLOCK, 1, in->name, err);
    return in->block ? read_ahead(in, 4, err) : -1;
}

int rec_gzip_peek(struct rec_gzip *in, const unsigned char **bytes, size_t *len, size_t want, struct rec_err *err)
{
    if (read_ahead(in, want, err) < 0)
        return -1;
    *bytes = ahead(in, len);
    return 0;
}

/* Blocks until the end, each as large as all before. */
static int read_rest(struct rec_in *out, struct rec_gzip *in, struct rec_err *err)
{
    unsigned char *data = NULL;
    size_t len = 0, cap = 0, got = 0;

    do {
        if (len == cap && (rec_size_mul(&cap, cap, 2) < 0 || rec_realloc(&data, cap += BLOCK, 1, in->name, err) < 0))
            goto fail;
        if (rec_gzip_read(in, data + len, cap - len, &got, err) < 0)
            goto fail;
        len += got;
    } while (len == cap);
    *out = (struct rec_in){.name = in->name, .data = data, .len = len, .cap = cap};
    return 0;
fail:
    free(data);
    return -1;
}

int rec_gzip_whole(struct rec_in *out, struct rec_gzip *in, struct rec_err *err)
{
    int rc = 0;

    *out = (struct rec_in){.name = in->name};
    if (in->data && in->delivered == 0) {
        *out = (struct rec_in){.name = in->name, .data = in->map, .len = in->map_len, .mapped = true};
        in->map = NULL;
    } else {
        rc = read_rest(out, in, err);
    }
    rec_gzip_close(in);
    return rc;
}

static int start(struct rec_gzip *in, struct rec_err *err)
{
    struct stat st;

    if (fstat(in->fd, &st) < 0)
        return rec_err_errno(err, "%s", in->name);
    if (S_ISDIR(st.st_mode))
        return rec_err_set(err, "%s: is a directory", in->name);
    bool whole = S_ISREG(st.st_mode) && st.st_size > 0 && lseek(in->fd, 0, SEEK_CUR) == 0;
    if ((whole ? map_file(in, (size_t)st.st_size, err) : read_start(in, err)) < 0)
        return -1;
    in->kind = kind_of(in->map ? in->map : in->block, in->fill);
    if (in->kind != REC_GZIP_PLAIN)
        return start_decoder(in, err);
    in->data = in->map;
    in->len = in->map_len;
    return 0;
}

int rec_gzip_open(struct rec_gzip *in, const char *path, struct rec_err *err)
{
    bool stdio = !path || !strcmp(path, "-");

    *in = (struct rec_gzip){.name = stdio ? "standard input" : path, .fd = STDIN_FILENO};
    if (stdio && isatty(STDIN_FILENO))
        return rec_err_set(err, "standard input: is a terminal; name a file, or use < or a pipe");
    if (!stdio) {
        in->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (in->fd < 0)
            return rec_err_errno(err, "%s", path);
        in->owns_fd = true;
    }
    if (start(in, err) < 0) {
        rec_gzip_close(in);
        return -1;
    }
    return 0;
}

void rec_gzip_close(struct rec_gzip *in)
{
    struct decoder *d = in->decoder;

    if (d && in->kind == REC_GZIP_GZIP)
        inflateEnd(&d->gzip);
    if (d)
        ZSTD_freeDStream(d->zstd);
    free(d);
    if (in->map)
        munmap((void *)(uintptr_t)in->map, in->map_len);
    free(in->block);
    if (in->owns_fd)
        close(in->fd);
    *in = (struct rec_gzip){.fd = -1};
}
