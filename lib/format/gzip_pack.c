/* SPDX-License-Identifier: MIT
 *
 * A whole text as one gzip member (RFC 1952), by zlib.
 */
#include <rec/format.h>

#include <zlib.h>

int rec_gzip_pack(struct rec_buf *out, const void *bytes, size_t len)
{
    z_stream z = {0};
    size_t bound, before = out->len;
    int status;

    /* Level 5: half of the time of the default for some per cent more bytes. 16: gzip's frame and not zlib's. */
    if (len > UINT32_MAX || deflateInit2(&z, 5, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
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
