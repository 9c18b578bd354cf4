/* SPDX-License-Identifier: MIT
 *
 * Compressed input: whole, in several members and frames, cut at every byte, with a byte changed, with something behind it. Packing.
 */
#include "../text_file.h"

#include <zlib.h>
#include <zstd.h>

static struct rec_err err;

static void make_text(struct rec_buf *out, size_t len)
{
    struct rec_rng rng;

    rec_rng_seed(&rng, 5, 0);
    while (out->len < len)
        rec_buf_addf(out, "%d,%d\n", (int)rec_rng_below(&rng, 1000), (int)rec_rng_below(&rng, 50));
}

static void add_gzip(struct rec_buf *out, const char *text, size_t len)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(rec_buf_reserve(out, deflateBound(&z, len) + 64), 0);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)len;
    z.next_out = (unsigned char *)out->data + out->len;
    z.avail_out = (unsigned)(out->cap - out->len);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd(&z);
}

static void add_zstd(struct rec_buf *out, const char *text, size_t len)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();

    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    assert_int_equal(rec_buf_reserve(out, ZSTD_compressBound(len)), 0);
    out->len += ZSTD_compress2(context, out->data + out->len, ZSTD_compressBound(len), text, len);
    ZSTD_freeCCtx(context);
}

/* The text by reads of `step` bytes; -1 when it is refused. */
static int read_all(struct rec_buf *out, const char *data, size_t len, size_t step)
{
    struct text_file file = text_file(data, len);
    struct rec_gzip in;
    char block[70000];
    size_t got = step;
    int status;

    rec_buf_reset(out);
    status = rec_gzip_open(&in, file.path, &err);
    close(file.fd);
    while (status == 0 && got == step) {
        status = rec_gzip_read(&in, block, step, &got, &err);
        if (status == 0)
            rec_buf_add(out, block, got);
    }
    if (status == 0)
        assert_int_equal(in.crc32c, rec_crc32c(0, out->data, out->len));
    rec_gzip_close(&in);
    return status;
}

static void check_kind(void (*add)(struct rec_buf *, const char *, size_t))
{
    struct rec_buf text = {0}, packed = {0}, got = {0};

    make_text(&text, 200000);
    add(&packed, text.data, 90000);
    size_t one = packed.len;
    add(&packed, text.data + 90000, text.len - 90000);
    for (size_t step = 1; step <= 70000; step = step * 37 + 1) {
        assert_int_equal(read_all(&got, packed.data, packed.len, step), 0);
        assert_int_equal(got.len, text.len);
        assert_memory_equal(got.data, text.data, text.len);
    }
    /* Cut: refused everywhere but between the two. */
    for (size_t cut = 4; cut < packed.len; cut += cut > 60 && cut + 60 < one ? 997 : 1) {
        if (cut > one + 60 && cut + 60 < packed.len)
            cut += 997;
        if (cut >= packed.len)
            break;
        assert_int_equal(read_all(&got, packed.data, cut, 65536), cut == one ? 0 : -1);
        if (cut != one)
            assert_non_null(strstr(err.text, "cut short"));
    }
    /* A byte changed anywhere is noticed, but in a header that says nothing about the data. */
    for (size_t at = 20; at < packed.len; at += 499) {
        if (at + 20 > one && at < one + 20)
            continue;
        packed.data[at] ^= 0x10;
        assert_int_equal(read_all(&got, packed.data, packed.len, 65536), -1);
        packed.data[at] ^= 0x10;
    }
    rec_buf_adds(&packed, "more");
    assert_int_equal(read_all(&got, packed.data, packed.len, 65536), -1);
    rec_buf_clear(&text);
    rec_buf_clear(&packed);
    rec_buf_clear(&got);
}

static void gzip(void **state)
{
    (void)state;
    check_kind(add_gzip);
}

static void zstd(void **state)
{
    (void)state;
    check_kind(add_zstd);
}

static void plain(void **state)
{
    struct rec_buf got = {0};
    struct text_file file = text_file("abcdef", 6);
    struct rec_gzip in;
    (void)state;

    assert_int_equal(read_all(&got, "abcdef", 6, 4), 0);
    assert_int_equal(got.len, 6);
    assert_int_equal(read_all(&got, "", 0, 4), 0);
    assert_int_equal(got.len, 0);
    assert_int_equal(rec_gzip_open(&in, file.path, &err), 0);
    assert_int_equal(in.len, 6);
    assert_memory_equal(in.data, "abcdef", 6);
    rec_gzip_close(&in);
    rec_gzip_close(&in);
    close(file.fd);
    assert_int_equal(rec_gzip_open(&in, "/", &err), -1);
    assert_int_equal(rec_gzip_open(&in, "/nowhere", &err), -1);
    rec_buf_clear(&got);
}

/* A pipe that gives its bytes in two halves, and a file: both are looked at, then taken whole. */
static void whole(void **state)
{
    struct rec_buf text = {0}, packed = {0};
    struct rec_gzip in;
    struct rec_in all;
    const unsigned char *ahead;
    char path[32];
    size_t len;
    int ends[2];
    (void)state;

    make_text(&text, 300000);
    add_gzip(&packed, text.data, text.len);
    for (int kind = 0; kind < 3; kind++) {
        const struct rec_buf *stored = kind == 2 ? &packed : &text;
        struct text_file file = text_file(stored->data, stored->len);

        assert_int_equal(rec_gzip_open(&in, file.path, &err), 0);
        close(file.fd);
        assert_int_equal(rec_gzip_peek(&in, &ahead, &len, 100, &err), 0);
        assert_true(len >= 100);
        assert_memory_equal(ahead, stored->data, 100);
        if (kind == 1) { // not from its beginning
            assert_int_equal(rec_gzip_read(&in, path, 5, &len, &err), 0);
            assert_memory_equal(path, text.data, 5);
        }
        assert_int_equal(rec_gzip_whole(&all, &in, &err), 0);
        assert_int_equal(all.len, text.len - (kind == 1 ? 5 : 0));
        assert_memory_equal(all.data, text.data + (kind == 1 ? 5 : 0), all.len);
        assert_int_equal(all.mapped, kind == 0);
        rec_in_close(&all);
    }
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "abcdef", 6), 6);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(rec_gzip_open(&in, path, &err), 0);
    assert_int_equal(write(ends[1], "ghijkl", 6), 6);
    close(ends[1]);
    close(ends[0]);
    assert_int_equal(rec_gzip_peek(&in, &ahead, &len, 9, &err), 0);
    assert_int_equal(len, 12);
    assert_int_equal(rec_gzip_peek(&in, &ahead, &len, 100, &err), 0);
    assert_int_equal(len, 12);
    assert_int_equal(rec_gzip_whole(&all, &in, &err), 0);
    assert_int_equal(all.len, 12);
    assert_memory_equal(all.data, "abcdefghijkl", 12);
    rec_in_close(&all);
    rec_buf_clear(&text);
    rec_buf_clear(&packed);
}

/* What is packed comes back, of every length near which the packer changes its sizes: alike letters, words, and noise. */
static void packs(void **state)
{
    enum { LONGEST = 70000 };
    static char text[LONGEST], back[LONGEST + 1];
    static const size_t near[] = {1, 250, 506, 1018, 1024, 2042, 2048, 4096, 7930, 8192, 16122, 16384, 32506, 32768, 65536, LONGEST - 2};
    uint32_t random = 1;
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < LONGEST; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = kind == 0 ? 'a' : kind == 1 ? "{\"movie_id\":0123456789,}"[((random >> 28) + i) % 24] : (char)(random >> 24);
        }
        for (size_t n = 0; n < REC_LENGTH(near); n++)
            for (size_t len = near[n] - 1; len <= near[n] + 2; len++) {
                struct rec_buf out = {0};
                z_stream z = {0};
                rec_buf_adds(&out, "before");
                assert_int_equal(rec_gzip_pack(&out, text, len), 0);
                assert_memory_equal(out.data, "before", 6);
                assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
                z.next_in = (Bytef *)out.data + 6;
                z.avail_in = (uInt)(out.len - 6);
                z.next_out = (Bytef *)back;
                z.avail_out = sizeof back;
                assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
                assert_int_equal(z.total_out, len);
                assert_int_equal(z.avail_in, 0);
                assert_memory_equal(back, text, len);
                inflateEnd(&z);
                rec_buf_clear(&out);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(gzip),
        cmocka_unit_test(zstd),
        cmocka_unit_test(whole),
        cmocka_unit_test(packs),
    };
    return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
