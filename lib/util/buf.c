/* SPDX-License-Identifier: MIT
 *
 * A growing byte string, and allocation with checked sizes. A buffer remembers that an allocation failed, so that text can be
 * put together without a check at every step.
 */
#include <rec/util.h>

void rec_buf_clear(struct rec_buf *buf)
{
    free(buf->data);
    *buf = (struct rec_buf){0};
}

void rec_buf_reset(struct rec_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = 0;
}

int rec_buf_reserve(struct rec_buf *buf, size_t more)
{
    size_t need, cap;
    char *data;

    if (buf->failed || rec_size_add(&need, buf->len, more) < 0 || rec_size_add(&need, need, 1) < 0)
        goto failed;
    if (need <= buf->cap)
        return 0;
    cap = buf->cap + buf->cap / 2;
    if (cap < need)
        cap = need < 64 ? 64 : need;
    data = realloc(buf->data, cap);
    if (!data)
        goto failed;
    buf->data = data;
    buf->cap = cap;
    return 0;
failed:
    buf->failed = true;
    return -1;
}

void rec_buf_add(struct rec_buf *buf, const void *bytes, size_t len)
{
    if ((buf->failed || len >= buf->cap - buf->len) && rec_buf_reserve(buf, len) < 0)
        return;
    if (len)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = 0;
}

void rec_buf_adds(struct rec_buf *buf, const char *text)
{
    rec_buf_add(buf, text, strlen(text));
}

void rec_buf_addc(struct rec_buf *buf, char c)
{
    if ((buf->failed || buf->cap - buf->len < 2) && rec_buf_reserve(buf, 1) < 0)
        return;
    buf->data[buf->len++] = c;
    buf->data[buf->len] = 0;
}

/* What there is room for is written at once; else it is measured first. */
void rec_buf_addf(struct rec_buf *buf, const char *fmt, ...)
{
    va_list args, again;
    size_t room = buf->failed ? 0 : buf->cap - buf->len;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(room ? buf->data + buf->len : NULL, room, fmt, args);
    va_end(args);
    if (len < 0)
        buf->failed = true;
    else if ((size_t)len < room || rec_buf_reserve(buf, (size_t)len) == 0) {
        if ((size_t)len >= room)
            vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
    } else if (room) {
        buf->data[buf->len] = 0;
    }
    va_end(again);
}

int rec_size_mul(size_t *out, size_t a, size_t b)
{
    return __builtin_mul_overflow(a, b, out) ? -1 : 0;
}

int rec_size_add(size_t *out, size_t a, size_t b)
{
    return __builtin_add_overflow(a, b, out) ? -1 : 0;
}

void *rec_calloc(size_t n, size_t size, const char *object, struct rec_err *err)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        rec_err_memory(err, object);
    return p;
}

void *rec_malloc(size_t n, size_t size, const char *object, struct rec_err *err)
{
    size_t bytes;
    void *p = rec_size_mul(&bytes, n, size) < 0 ? NULL : malloc(bytes ? bytes : 1);

    if (!p)
        rec_err_memory(err, object);
    return p;
}

int rec_realloc(void *ptr, size_t n, size_t size, const char *object, struct rec_err *err)
{
    void *old, *p;
    size_t bytes;

    memcpy(&old, ptr, sizeof old);
    p = rec_size_mul(&bytes, n, size) < 0 ? NULL : realloc(old, bytes ? bytes : 1);
    if (!p)
        return rec_err_memory(err, object);
    memcpy(ptr, &p, sizeof p);
    return 0;
}
