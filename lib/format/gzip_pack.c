/* SPDX-License-Identifier: MIT
 *
 * A whole text as one gzip member (RFC 1952), by zlib.
 */
#include <rec/format.h>

#include <zlib.h>

/* The window and the tables that a text of that length fills: zlib's own are 256 KiB, which to map and clear takes several times as long as to pack a
 * kilobyte. A match may lie as far back as the window less 262 bytes; a table holds 2^(level + 6) symbols, one byte or more each. */
static void choose_sizes(int *window_bits, int *memory_level, size_t len)
{
    *window_bits = 9;
    while (*window_bits < 15 && ((size_t)1 << *window_bits) < len + 262)
        ++*window_bits;
    *memory_level = 4;
    while (*memory_level < 8 && ((size_t)1 << (*memory_level + 6)) < len)
        ++*memory_level;
}

int rec_gzip_pack(struct rec_buf *out, const void *bytes, size_t len)
{
    z_stream z = {0};
    size_t bound, before = out->len;
    int window_bits, memory_level, status;

    choose_sizes(&window_bits, &memory_level, len);
    /* Level 5: half of the time of the default for some per cent more bytes. 16: gzip's frame and not zlib's. */
    if (len > UINT32_MAX || deflateInit2(&z, 5, Z_DEFLATED, window_bits + 16, memory_level, Z_DEFAULT_STRATEGY) != Z_OK)
        return -1;
    bound = deflateBound(&z, len);
    if (rec_buf_reserve(out, bound) < 0) {
        deflateEnd(&z);
        return -1;
    }
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)out->data + before;
    z.avail_out = (uInt)bound;
    status = deflate(&z, Z_FINISH);
    out->len = before + z.total_out;
    out->data[out->len] = 0;
    deflateEnd(&z);
    return status == Z_STREAM_END ? 0 : -1;
}
