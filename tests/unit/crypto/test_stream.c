/* SPDX-License-Identifier: MIT
 *
 * Sealed streams: of any length, written and read in any pieces; bytes flipped, streams cut, blocks swapped, dropped and doubled.
 */
#include "bytes.h"

enum { BLOCK = 65536, SEALED = BLOCK + 17, HEADER = 24 };

static struct rec_err err;

static const unsigned char key[REC_KEY_BYTES] = {9, 8, 7};
static const char about[] = "rec.backup/1 abc 1 2026\n";

/* A sink that fails at the call `left`. */
struct sink {
    struct rec_buf bytes;
    int left;
};

static int take(void *context, const void *bytes, size_t len, struct rec_err *e)
{
    struct sink *s = context;
    if (s->left-- == 0)
        return rec_err_set(e, "disk: full");
    rec_buf_add(&s->bytes, bytes, len);
    return 0;
}

struct source {
    const unsigned char *data;
    size_t len, at;
    bool broken;
};

static int give(void *context, void *bytes, size_t len, size_t *got, struct rec_err *e)
{
    struct source *s = context;
    if (s->broken)
        return rec_err_set(e, "disk: broken");
    *got = s->len - s->at < len ? s->len - s->at : len;
    if (*got > 0)
        memcpy(bytes, s->data + s->at, *got);
    s->at += *got;
    return 0;
}

/* n bytes that are the same each time, and do not repeat with blocks. */
static unsigned char *plain_of(size_t n)
{
    unsigned char *p = malloc(n + 1);
    struct rec_rng rng;
    assert_non_null(p);
    rec_rng_seed(&rng, 1, 0);
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)rec_rng_next(&rng);
    return p;
}

static struct rec_buf sealed_of(const unsigned char *plain, size_t n, size_t piece)
{
    struct sink sink = {.left = -1};
    struct rec_stream_writer w;
    assert_int_equal(rec_stream_begin(&w, take, &sink, about, sizeof about, key, &err), 0);
    for (size_t at = 0; at < n; at += piece)
        assert_int_equal(rec_stream_write(&w, plain + at, n - at < piece ? n - at : piece, &err), 0);
    assert_int_equal(rec_stream_write(&w, NULL, 0, &err), 0);
    assert_int_equal(rec_stream_end(&w, &err), 0);
    assert_int_equal(rec_stream_end(&w, &err), -1);
    assert_int_equal(rec_stream_write(&w, "x", 1, &err), -1);
    rec_stream_abort(&w);
    assert_false(sink.bytes.failed);
    return sink.bytes;
}

/* Reads in pieces. What comes out is the beginning of `plain` all the way. @return how many bytes, -1 when it was refused. */
static ptrdiff_t read_back(const void *sealed, size_t len, const unsigned char *plain, size_t n, size_t piece, const unsigned char *with,
                           const void *place, size_t place_len)
{
    struct source source = {.data = sealed, .len = len};
    struct rec_stream_reader r;
    unsigned char *out = malloc(piece);
    size_t total = 0, got = 0;
    int status;
    assert_non_null(out);
    err = (struct rec_err){0};
    status = rec_stream_open(&r, give, &source, "a.recbackup", place, place_len, with, &err);
    while (status == 0 && (status = rec_stream_read(&r, out, piece, &got, &err)) == 0) {
        assert_true(total + got <= n);
        assert_memory_equal(out, plain + total, got);
        total += got;
        if (got < piece)
            break;
    }
    if (status < 0) {
        is_message(&err);
        assert_memory_equal(err.text, "a.recbackup: ", 13);
        if (r.source) /* was opened: a failure is for good */
            assert_int_equal(rec_stream_read(&r, out, piece, &got, NULL), -1);
    }
    rec_stream_close(&r);
    rec_stream_close(&r);
    free(out);
    return status < 0 ? -1 : (ptrdiff_t)total;
}

static ptrdiff_t opens(const void *sealed, size_t len, const unsigned char *plain, size_t n)
{
    return read_back(sealed, len, plain, n, 50000, key, about, sizeof about);
}

static void of_any_length_in_any_pieces(void **state)
{
    static const size_t lengths[] = {0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 2 * BLOCK + 1, 5 * BLOCK + 77};
    static const size_t pieces[] = {1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK};
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(lengths); i++) {
        size_t n = lengths[i], blocks = n ? (n + BLOCK - 1) / BLOCK : 1;
        unsigned char *plain = plain_of(n);
        for (size_t k = 0; k < REC_LENGTH(pieces); k++) {
            struct rec_buf sealed = sealed_of(plain, n, pieces[k]);
            assert_int_equal(sealed.len, HEADER + n + 17 * blocks);
            for (size_t j = 0; j < REC_LENGTH(pieces); j++)
                assert_int_equal(read_back(sealed.data, sealed.len, plain, n, pieces[j], key, about, sizeof about), n);
            rec_buf_clear(&sealed);
        }
        free(plain);
    }
}

static void every_byte_of_a_short_one(void **state)
{
    unsigned char *plain = plain_of(300);
    struct rec_buf sealed = sealed_of(plain, 300, 300);
    (void)state;
    for (size_t i = 0; i < 8 * sealed.len; i++) {
        sealed.data[i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(opens(sealed.data, sealed.len, plain, 300), -1);
        sealed.data[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t n = 0; n < sealed.len; n++)
        assert_int_equal(opens(sealed.data, n, plain, 300), -1);
    assert_int_equal(opens(sealed.data, sealed.len, plain, 300), 300);
    for (size_t n = 1; n < 40; n++) {
        rec_buf_addc(&sealed, (char)n);
        assert_int_equal(opens(sealed.data, sealed.len, plain, 300), -1);
    }
    rec_buf_clear(&sealed);
    free(plain);
}

/* The places worth a test in a stream of several blocks: all near the bounds of blocks, some between. */
static size_t next_place(size_t i, size_t len)
{
    size_t in_block = i < HEADER ? 0 : (i - HEADER) % SEALED;
    return i + (in_block < 20 || in_block > SEALED - 40 || i + 40 > len ? 1 : 997);
}

static void bytes_and_cuts_of_a_long_one(void **state)
{
    const size_t n = 3 * BLOCK + 100;
    unsigned char *plain = plain_of(n);
    struct rec_buf sealed = sealed_of(plain, n, n);
    (void)state;
    for (size_t i = 0; i < sealed.len; i = next_place(i, sealed.len)) {
        sealed.data[i] ^= (char)(1 << i % 8);
        assert_int_equal(opens(sealed.data, sealed.len, plain, n), -1);
        sealed.data[i] ^= (char)(1 << i % 8);
        assert_int_equal(opens(sealed.data, i, plain, n), -1);
    }
    assert_int_equal(opens(sealed.data, HEADER + SEALED, plain, n), -1);
    assert_string_equal(err.text, "a.recbackup: cut off at byte 65577");
    assert_int_equal(opens(sealed.data, HEADER + SEALED + 200, plain, n), -1);
    assert_string_equal(err.text, "a.recbackup: damaged or cut off at byte 65577");
    sealed.data[HEADER + SEALED + 5] ^= 1;
    assert_int_equal(opens(sealed.data, sealed.len, plain, n), -1);
    assert_string_equal(err.text, "a.recbackup: damaged at byte 65577");
    rec_buf_clear(&sealed);
    free(plain);
}

/* A stream put together of blocks of another, numbered from 0; the last is block 4. */
static ptrdiff_t rearranged(const struct rec_buf *sealed, const int *block, size_t blocks, const unsigned char *plain, size_t n)
{
    struct rec_buf out = {0};
    ptrdiff_t result;
    rec_buf_add(&out, sealed->data, HEADER);
    for (size_t i = 0; i < blocks; i++)
        rec_buf_add(&out, sealed->data + HEADER + block[i] * SEALED, block[i] == 4 ? sealed->len - HEADER - 4 * SEALED : SEALED);
    result = opens(out.data, out.len, plain, n);
    rec_buf_clear(&out);
    return result;
}

static void blocks_swapped_dropped_doubled(void **state)
{
    static const struct {
        int block[6];
        size_t n;
    } orders[] = {{{1, 0, 2, 3, 4}, 5}, {{0, 2, 1, 3, 4}, 5}, {{0, 1, 3, 2, 4}, 5}, {{4, 1, 2, 3, 0}, 5}, {{1, 2, 3, 4}, 4}, {{0, 2, 3, 4}, 4},
                  {{0, 1, 2, 4}, 4}, {{0, 1, 2, 3}, 4}, {{0, 0, 1, 2, 3, 4}, 6}, {{0, 1, 1, 2, 3, 4}, 6}, {{0, 1, 2, 3, 3, 4}, 6},
                  {{0, 1, 2, 3, 4, 4}, 6}, {{4}, 1}, {{0}, 1}, {{0, 1, 2, 3, 4, 0}, 6}};
    const size_t n = 4 * BLOCK + 500;
    unsigned char *plain = plain_of(n);
    struct rec_buf sealed = sealed_of(plain, n, n);
    (void)state;
    assert_int_equal(rearranged(&sealed, (int[]){0, 1, 2, 3, 4}, 5, plain, n), n);
    for (size_t i = 0; i < REC_LENGTH(orders); i++)
        assert_int_equal(rearranged(&sealed, orders[i].block, orders[i].n, plain, n), -1);
    rec_buf_clear(&sealed);
    free(plain);
}

/* A full last block, and nothing may follow it: not another whole stream either. */
static void nothing_behind_the_end(void **state)
{
    unsigned char *plain = plain_of(2 * BLOCK);
    struct rec_buf sealed = sealed_of(plain, BLOCK, BLOCK), twice = {0};
    (void)state;
    rec_buf_add(&twice, sealed.data, sealed.len);
    rec_buf_addc(&twice, 0);
    assert_int_equal(opens(twice.data, twice.len, plain, BLOCK), -1);
    assert_string_equal(err.text, "a.recbackup: bytes behind the end at byte 65577");
    rec_buf_reset(&twice);
    rec_buf_add(&twice, sealed.data, sealed.len);
    rec_buf_add(&twice, sealed.data, sealed.len);
    assert_int_equal(opens(twice.data, twice.len, plain, 2 * BLOCK), -1);
    rec_buf_clear(&twice);
    rec_buf_clear(&sealed);
    free(plain);
}

static void another_key_place_or_header(void **state)
{
    unsigned char *plain = plain_of(BLOCK + 5), other[REC_KEY_BYTES];
    struct rec_buf a = sealed_of(plain, BLOCK + 5, BLOCK), b = sealed_of(plain, BLOCK + 5, BLOCK);
    (void)state;
    assert_memory_not_equal(a.data, b.data, HEADER);
    assert_memory_not_equal(a.data + HEADER, b.data + HEADER, 32);
    memcpy(other, key, sizeof key);
    other[31] ^= 1;
    assert_int_equal(read_back(a.data, a.len, plain, BLOCK + 5, 100, other, about, sizeof about), -1);
    assert_string_equal(err.text, "a.recbackup: damaged at byte 24, or sealed with another key");
    assert_int_equal(read_back(a.data, a.len, plain, BLOCK + 5, 100, key, about, sizeof about - 1), -1);
    assert_int_equal(read_back(a.data, a.len, plain, BLOCK + 5, 100, key, NULL, 0), -1);
    memcpy(a.data, b.data, HEADER);
    assert_int_equal(opens(a.data, a.len, plain, BLOCK + 5), -1);
    memcpy(b.data + HEADER + SEALED, a.data + HEADER + SEALED, 22);
    assert_int_equal(opens(b.data, b.len, plain, BLOCK + 5), -1);
    rec_buf_clear(&a);
    rec_buf_clear(&b);
    free(plain);
}

static void sinks_and_sources_that_fail(void **state)
{
    const size_t n = 3 * BLOCK;
    unsigned char *plain = plain_of(n), out[10];
    struct rec_stream_reader r;
    struct source source = {.broken = true};
    size_t got;
    (void)state;
    for (int left = 0; left < 4; left++) {
        struct sink sink = {.left = left};
        struct rec_stream_writer w;
        err = (struct rec_err){0};
        if (rec_stream_begin(&w, take, &sink, NULL, 0, key, &err) == 0 && rec_stream_write(&w, plain, n, &err) == 0)
            assert_int_equal(rec_stream_end(&w, &err), -1);
        assert_string_equal(err.text, "disk: full");
        assert_int_equal(rec_stream_write(&w, "x", 1, &err), -1);
        assert_int_equal(rec_stream_end(&w, &err), -1);
        rec_stream_abort(&w);
        rec_buf_clear(&sink.bytes);
    }
    assert_int_equal(rec_stream_open(&r, give, &source, "x", NULL, 0, key, &err), -1);
    assert_string_equal(err.text, "disk: broken");
    rec_stream_close(&r);

    struct rec_buf sealed = sealed_of(plain, n, n);
    source = (struct source){.data = (unsigned char *)sealed.data, .len = sealed.len};
    assert_int_equal(rec_stream_open(&r, give, &source, "x", about, sizeof about, key, &err), 0);
    assert_int_equal(rec_stream_read(&r, out, sizeof out, &got, &err), 0);
    assert_int_equal(got, sizeof out);
    source.broken = true;
    memset(plain, 0, n);
    assert_int_equal(rec_stream_read(&r, plain, n, &got, &err), -1);
    assert_string_equal(err.text, "disk: broken");
    source.broken = false;
    assert_int_equal(rec_stream_read(&r, plain, n, &got, &err), -1);
    rec_stream_close(&r);
    rec_buf_clear(&sealed);
    free(plain);
}

/* Without rec_stream_end a stream counts as cut, at any length. */
static void an_end_is_needed(void **state)
{
    unsigned char *plain = plain_of(2 * BLOCK + 1);
    (void)state;
    for (size_t n = 0; n <= 2 * BLOCK + 1; n += BLOCK / 2) {
        struct sink sink = {.left = -1};
        struct rec_stream_writer w;
        assert_int_equal(rec_stream_begin(&w, take, &sink, about, sizeof about, key, &err), 0);
        assert_int_equal(rec_stream_write(&w, plain, n, &err), 0);
        rec_stream_abort(&w);
        assert_int_equal(opens(sink.bytes.data, sink.bytes.len, plain, n), -1);
        rec_buf_clear(&sink.bytes);
    }
    free(plain);
}

/* Made by PyNaCl: one is taken; a block with a tag that we do not use is refused. */
static void a_stream_of_pynacl(void **state)
{
    struct bytes good = hex("ab3dc927868fecb6985f49c1d6673e89862874da6d72c016"
                            "837dbbee3e3fee9dbca9ba589d049934e1b3f9fb77fc51c521c3a79f02bdf1997c");
    struct bytes odd = hex("2ba083f48e77e9435886a040654f3831bd63582c30897184"
                           "6061b855e30d24fbc1873da0181645e1d334fdd0fab49d7f6d1c2607600254f27c");
    (void)state;
    assert_int_equal(opens(good.data, good.len, (const unsigned char *)"sealed by PyNaCl", 16), 16);
    assert_int_equal(opens(odd.data, odd.len, (const unsigned char *)"sealed by PyNaCl", 16), -1);
    assert_string_equal(err.text, "a.recbackup: no block of rec's at byte 57");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_any_length_in_any_pieces),
        cmocka_unit_test(every_byte_of_a_short_one),
        cmocka_unit_test(bytes_and_cuts_of_a_long_one),
        cmocka_unit_test(blocks_swapped_dropped_doubled),
        cmocka_unit_test(nothing_behind_the_end),
        cmocka_unit_test(another_key_place_or_header),
        cmocka_unit_test(sinks_and_sources_that_fail),
        cmocka_unit_test(an_end_is_needed),
        cmocka_unit_test(a_stream_of_pynacl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
