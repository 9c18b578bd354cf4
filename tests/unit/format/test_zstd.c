/* SPDX-License-Identifier: MIT
 *
 * A zstd frame through callbacks: the same bytes back, zstd(1) reads it, and nothing damaged, cut or longer passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/format.h>

static struct rec_err err;

static int sink(void *context, const void *bytes, size_t len, struct rec_err *e)
{
    (void)e;
    rec_buf_add(context, bytes, len);
    return 0;
}

struct source {
    const char *data;
    size_t len, at;
};

static int source(void *context, void *bytes, size_t len, size_t *got, struct rec_err *e)
{
    struct source *s = context;

    (void)e;
    *got = len < s->len - s->at ? len : s->len - s->at;
    memcpy(bytes, s->data + s->at, *got);
    s->at += *got;
    return 0;
}

/* Text that compresses somewhat. */
static struct rec_buf sample(size_t len)
{
    struct rec_buf b = {0};
    struct rec_rng rng;

    rec_rng_seed(&rng, 1, 0);
    while (b.len < len)
        rec_buf_addf(&b, "%u,%u,3.5\n", (unsigned)rec_rng_below(&rng, 1000), (unsigned)rec_rng_below(&rng, 100000));
    assert_false(b.failed);
    b.len = len;
    return b;
}

static struct rec_buf pack(const struct rec_buf *plain, size_t piece, int level)
{
    struct rec_zstd_writer w;
    struct rec_buf packed = {0};

    assert_int_equal(rec_zstd_begin(&w, level, sink, &packed, &err), 0);
    for (size_t at = 0; at < plain->len; at += piece)
        assert_int_equal(rec_zstd_write(&w, plain->data + at, piece < plain->len - at ? piece : plain->len - at, &err), 0);
    assert_int_equal(rec_zstd_end(&w, &err), 0);
    rec_zstd_abort(&w);
    return packed;
}

/* All of it, or -1. */
static int unpack(struct rec_buf *plain, const char *data, size_t len, size_t piece)
{
    struct source s = {data, len, 0};
    struct rec_zstd_reader r;
    char block[65536];
    size_t got;
    int status;

    err = (struct rec_err){0};
    assert_int_equal(rec_zstd_open(&r, source, &s, "a.zst", &err), 0);
    do {
        status = rec_zstd_read(&r, block, piece, &got, &err);
        if (status == 0)
            rec_buf_add(plain, block, got);
    } while (status == 0 && got == piece);
    rec_zstd_close(&r);
    if (status < 0)
        assert_true(strncmp(err.text, "a.zst: ", 7) == 0);
    return status;
}

static void gives_back_what_it_took(void **state)
{
    static const size_t lengths[] = {0, 1, 1000, 131072, 3000000};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(lengths); i++)
        for (int level = 1; level < 20; level += 9) {
            struct rec_buf plain = sample(lengths[i]), back = {0}, packed = pack(&plain, 70001, level);
            assert_int_equal(unpack(&back, packed.data, packed.len, 10007), 0);
            assert_int_equal(back.len, plain.len);
            assert_memory_equal(back.data ? back.data : "", plain.data ? plain.data : "", plain.len);
            rec_buf_clear(&plain);
            rec_buf_clear(&back);
            rec_buf_clear(&packed);
        }
}

static void is_read_by_zstd(void **state)
{
    struct rec_buf plain = sample(1000000), packed = pack(&plain, 12345, 3);
    FILE *pipe = popen("zstd -tq", "w");

    (void)state;
    assert_non_null(pipe);
    assert_int_equal(fwrite(packed.data, 1, packed.len, pipe), packed.len);
    assert_int_equal(pclose(pipe), 0);
    rec_buf_clear(&plain);
    rec_buf_clear(&packed);
}

static void refuses_what_is_damaged_or_cut(void **state)
{
    struct rec_buf plain = sample(5000), packed = pack(&plain, 5000, 3), back = {0};

    (void)state;
    for (size_t n = 0; n < packed.len; n++) {
        rec_buf_reset(&back);
        assert_int_equal(unpack(&back, packed.data, n, 1000), -1);
    }
    for (size_t i = 0; i < packed.len; i += 7) {
        rec_buf_reset(&back);
        packed.data[i] ^= 0x10;
        /* Reserved and unused bits of the header may be passed over, but never with other content. */
        if (unpack(&back, packed.data, packed.len, 1000) == 0)
            assert_true(back.len == plain.len && !memcmp(back.data, plain.data, plain.len));
        packed.data[i] ^= 0x10;
    }
    rec_buf_addc(&packed, '\0');
    rec_buf_reset(&back);
    assert_int_equal(unpack(&back, packed.data, packed.len, 1000), -1);
    assert_string_equal(err.text, "a.zst: trailing bytes after zstd data");
    rec_buf_clear(&plain);
    rec_buf_clear(&packed);
    rec_buf_clear(&back);
}

/* A frame header that asks for a window of 128 MiB (RFC 8878, 3.1.1.1.2: exponent 17), then one raw block of a byte. */
static void refuses_large_windows(void **state)
{
    static const char large[] = "\x28\xb5\x2f\xfd\x00\x88\x09\x00\x00x", small[] = "\x28\xb5\x2f\xfd\x00\x68\x09\x00\x00x";
    struct rec_buf back = {0};

    (void)state;
    assert_int_equal(unpack(&back, small, sizeof small - 1, 1000), 0);
    assert_int_equal(back.len, 1);
    assert_int_equal(unpack(&back, large, sizeof large - 1, 1000), -1);
    rec_buf_clear(&back);
}

static int broken_sink(void *context, const void *bytes, size_t len, struct rec_err *e)
{
    (void)context, (void)bytes, (void)len;
    return rec_err_set(e, "the sink: full");
}

static int broken_source(void *context, void *bytes, size_t len, size_t *got, struct rec_err *e)
{
    (void)context, (void)bytes, (void)len, (void)got;
    return rec_err_set(e, "the source: lost");
}

static void passes_errors_on(void **state)
{
    struct rec_zstd_writer w;
    struct rec_zstd_reader r;
    char c;
    size_t got;

    (void)state;
    assert_int_equal(rec_zstd_begin(&w, 3, broken_sink, NULL, &err), 0);
    assert_int_equal(rec_zstd_write(&w, "x", 1, &err), 0);
    assert_int_equal(rec_zstd_end(&w, &err), -1);
    assert_string_equal(err.text, "the sink: full");
    assert_int_equal(rec_zstd_open(&r, broken_source, NULL, "a", &err), 0);
    assert_int_equal(rec_zstd_read(&r, &c, 1, &got, &err), -1);
    assert_string_equal(err.text, "the source: lost");
    rec_zstd_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_it_took),
        cmocka_unit_test(is_read_by_zstd),
        cmocka_unit_test(refuses_what_is_damaged_or_cut),
        cmocka_unit_test(refuses_large_windows),
        cmocka_unit_test(passes_errors_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
