/* SPDX-License-Identifier: MIT
 *
 * The container: what is written reads back; whatever is changed, cut or made up is refused with one line.
 */
#include "../container.h"

#include <float.h>
#include <math.h>
#include <sys/resource.h>

static int write_out(const void *what, struct rec_out *out, struct rec_err *err)
{
    return rec_safetensors_write(what, out, err);
}

static const double pi[2] = {3.25, -1};
static const float grid[6] = {1, 2, 3, 4, 5, 6};
static const int64_t longs[3] = {-1, 0, INT64_MAX};
static const uint8_t letters[5] = "abcd";

static struct bytes sample(void)
{
    struct rec_safetensors_out file = {0};
    struct bytes b;
    rec_safetensors_put(&file, "letters", REC_U8, 1, (uint64_t[]){5}, letters);
    rec_safetensors_put(&file, "grid", REC_F32, 2, (uint64_t[]){2, 3}, grid);
    rec_safetensors_put(&file, "pi", REC_F64, 1, (uint64_t[]){2}, pi);
    rec_safetensors_put(&file, "longs", REC_I64, 1, (uint64_t[]){3}, longs);
    rec_safetensors_put(&file, "none", REC_I32, 2, (uint64_t[]){0, 7}, NULL);
    rec_safetensors_put(&file, "scalar", REC_F32, 0, NULL, grid);
    rec_safetensors_put_meta(&file, "format", "rec.test/2");
    rec_safetensors_put_meta(&file, "history", "replaced");
    rec_safetensors_put_meta(&file, "history", "a \"quoted\" line\nand \\ \x01 another: \"header_crc32c\":\"00000000\"\n");
    rec_safetensors_put_meta(&file, "crc32c", "a caller cannot set this");
    b = written(write_out, &file);
    rec_safetensors_out_clear(&file);
    return b;
}

/* ---- what is right ------------------------------------------------------------------------------- */

static void reads_what_was_written(void **state)
{
    struct bytes b = sample();
    struct rec_safetensors f;
    struct rec_err err;
    uint64_t shape[2] = {9, 9};
    (void)state;
    assert_int_equal(parse(&f, b.data, b.len, 0, &err), 0);
    assert_true(f.checksummed);
    assert_int_equal((8 + f.header_bytes) % 64, 0);
    assert_int_equal(f.crc32c, rec_crc32c(0, b.data + 8 + f.header_bytes, b.len - 8 - f.header_bytes));
    assert_memory_equal(rec_safetensors_get(&f, "grid", REC_F32, 2, shape, &err), grid, sizeof grid);
    assert_true(shape[0] == 2 && shape[1] == 3);
    assert_memory_equal(rec_safetensors_get(&f, "longs", REC_I64, 1, shape, &err), longs, sizeof longs);
    assert_memory_equal(rec_safetensors_get(&f, "letters", REC_U8, 1, shape, &err), letters, sizeof letters);
    assert_non_null(rec_safetensors_get(&f, "none", REC_I32, 2, shape, &err));
    assert_true(shape[0] == 0 && shape[1] == 7);
    assert_true(*(const float *)rec_safetensors_get(&f, "scalar", REC_F32, 0, shape, &err) == 1);
    assert_string_equal(rec_safetensors_meta(&f, "history"),
                        "a \"quoted\" line\nand \\ \x01 another: \"header_crc32c\":\"00000000\"\n");
    assert_null(rec_safetensors_meta(&f, "histor"));
    rec_safetensors_close(&f);
    free(b.data);
}

static void orders_by_size_of_element_then_name(void **state)
{
    static const char *const order[] = {"longs", "pi", "grid", "none", "scalar", "letters"};
    struct bytes b = sample(), again = sample();
    struct rec_safetensors f;
    struct rec_err err;
    (void)state;
    assert_int_equal(b.len, again.len);
    assert_memory_equal(b.data, again.data, b.len);
    assert_int_equal(parse(&f, b.data, b.len, 0, &err), 0);
    /* none is empty and stands where scalar begins: of the two the shorter comes first. */
    for (size_t i = 0; i < f.n_tensors; i++)
        assert_string_equal(f.tensor[i].name, order[i]);
    rec_safetensors_close(&f);
    free(b.data);
    free(again.data);
}

static void says_what_is_missing_or_another(void **state)
{
    struct bytes b = sample();
    struct rec_safetensors f;
    struct rec_err err;
    uint64_t shape[2];
    (void)state;
    assert_int_equal(parse(&f, b.data, b.len, 0, &err), 0);
    assert_null(rec_safetensors_get(&f, "gird", REC_F32, 2, shape, &err));
    assert_string_equal(err.text, "test.rec: no tensor gird");
    assert_null(rec_safetensors_get(&f, "grid", REC_F64, 2, shape, &err));
    assert_string_equal(err.text, "test.rec: tensor grid is F32 of 2 dimensions, not F64 of 2");
    assert_null(rec_safetensors_get(&f, "grid", REC_F32, 1, shape, &err));
    assert_int_equal(rec_safetensors_expect(&f, "rec.test", 2, &err), 0);
    assert_int_equal(rec_safetensors_expect(&f, "rec.test", 3, &err), 0);
    assert_int_equal(rec_safetensors_expect(&f, "rec.test", 1, &err), -1);
    assert_string_equal(err.text, "test.rec: is rec.test/2, and this tool reads up to rec.test/1");
    assert_int_equal(rec_safetensors_expect(&f, "rec.tes", 2, &err), -1);
    assert_string_equal(err.text, "test.rec: is rec.test/2, not rec.tes");
    rec_safetensors_close(&f);
    free(b.data);
}

static void reads_foreign_files(void **state)
{
    float x[3] = {1, 2, 3};
    struct bytes b = crafted("{\"x\":{\"shape\":[3],\"data_offsets\":[0,12],\"dtype\":\"F32\"},"
                             "\"half\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[12,14]}}\n\t\r ", "abcdabcdabcdef", 14);
    struct rec_safetensors f;
    struct rec_err err;
    uint64_t shape[1];
    (void)state;
    memcpy(b.data + b.len - 14, x, sizeof x);
    assert_int_equal(parse(&f, b.data, b.len, 0, &err), 0);
    assert_false(f.checksummed);
    assert_memory_equal(rec_safetensors_get(&f, "x", REC_F32, 1, shape, &err), x, sizeof x);
    assert_int_equal(rec_safetensors_find(&f, "half")->dtype, REC_DTYPE_OTHER);
    assert_int_equal(rec_safetensors_expect(&f, "rec.ratings", 1, &err), -1);
    is_message(&err);
    rec_safetensors_close(&f);
    free(b.data);
}

static void unaligned_tensors_are_not_handed_out(void **state)
{
    struct bytes b = crafted("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                             "\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}", "12345", 5);
    struct rec_safetensors f;
    struct rec_err err;
    uint64_t shape[1];
    (void)state;
    assert_int_equal(parse(&f, b.data, b.len, 0, &err), 0);
    assert_null(rec_safetensors_get(&f, "x", REC_F32, 1, shape, &err));
    assert_string_equal(err.text, "test.rec: tensor x is not aligned for its type");
    rec_safetensors_close(&f);
    free(b.data);
}

static void finds_what_is_not_finite(void **state)
{
    static float v[1000];
    struct rec_safetensors f = {.name = "test.rec"};
    struct rec_err err;
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    (void)state;
    v[1] = FLT_MAX;
    v[2] = -FLT_MAX;
    v[3] = FLT_MIN / 4;
    assert_int_equal(rec_safetensors_finite(&f, "v", v, 1000, &err), 0);
    for (size_t i = 0; i < 1000; i += 37)
        for (size_t k = 0; k < REC_LENGTH(bad); k++) {
            char want[80];
            snprintf(want, sizeof want, "test.rec: tensor v: element %zu is not a finite number", i);
            v[i] = bad[k];
            assert_int_equal(rec_safetensors_finite(&f, "v", v, 1000, &err), -1);
            assert_string_equal(err.text, want);
            assert_int_equal(rec_safetensors_finite(&f, "v", v, i, &err), 0);
            f.verified = true; /* then nothing is looked at */
            assert_int_equal(rec_safetensors_finite(&f, "v", v, 1000, &err), 0);
            f.verified = false;
            v[i] = 0;
        }
}

/* ---- what is damaged ----------------------------------------------------------------------------- */

static void refuses(const unsigned char *data, size_t len, unsigned flags)
{
    struct rec_safetensors f;
    struct rec_err err;
    if (parse(&f, data, len, flags, &err) == 0) {
        rec_safetensors_close(&f);
        fail_msg("%zu bytes were accepted", len);
    }
    is_message(&err);
}

static void refuses_truncation_at_every_byte(void **state)
{
    struct bytes b = sample();
    (void)state;
    for (size_t len = 0; len < b.len; len++) {
        refuses(b.data, len, 0);
        refuses(b.data, len, REC_SAFETENSORS_NO_CRC);
    }
    forget_checksums(&b);
    for (size_t len = 0; len < b.len; len++)
        refuses(b.data, len, 0);
    free(b.data);
}

static void refuses_bytes_at_the_end(void **state)
{
    struct bytes b = sample();
    (void)state;
    b.data = realloc(b.data, b.len + 100);
    assert_non_null(b.data);
    memset(b.data + b.len, 0, 100);
    for (size_t more = 1; more <= 100; more++)
        refuses(b.data, b.len + more, 0);
    free(b.data);
}

static void refuses_every_flipped_bit(void **state)
{
    struct bytes b = sample();
    (void)state;
    for (size_t i = 0; i < b.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (unsigned char)(1 << bit);
            refuses(b.data, b.len, 0);
            b.data[i] ^= (unsigned char)(1 << bit);
        }
    free(b.data);
}

static void refuses_every_other_header_byte(void **state)
{
    static const char others[] = "\"\\{}[],: 0-9.eE\xff\x80\xc0\n\t";
    struct bytes b = sample();
    uint64_t n;
    (void)state;
    memcpy(&n, b.data, sizeof n);
    for (size_t i = 0; i < 8 + n; i++) {
        unsigned char was = b.data[i];
        for (size_t k = 0; k < sizeof others; k++) {    /* the NUL at its end too */
            b.data[i] = (unsigned char)others[k];
            if (b.data[i] != was)
                refuses(b.data, b.len, 0);
        }
        b.data[i] = was;
    }
    free(b.data);
}

/* Without checksums a changed byte may go unnoticed, but nothing may be read that is not there. */
static void survives_changes_that_no_checksum_tells(void **state)
{
    struct bytes b = sample();
    volatile unsigned sum = 0;
    (void)state;
    forget_checksums(&b);
    for (size_t i = 0; i < b.len; i++)
        for (int v = 0; v < 256; v += 7) {
            struct rec_safetensors f;
            struct rec_err err;
            unsigned char was = b.data[i];
            b.data[i] = (unsigned char)v;
            if (parse(&f, b.data, b.len, 0, &err) < 0)
                is_message(&err);
            else
                for (size_t t = 0; t < f.n_tensors; t++)
                    for (uint64_t k = 0; f.tensor[t].data != NULL && k < f.tensor[t].bytes; k++)
                        sum += ((const unsigned char *)f.tensor[t].data)[k];
            if (err.text[0] == '\0')
                rec_safetensors_close(&f);
            b.data[i] = was;
        }
    free(b.data);
}

/* ---- what is hostile ----------------------------------------------------------------------------- */

static void refuses_hostile_headers(void **state)
{
    static const char *const headers[][2] = {
        /* header, what the message holds; four bytes of data follow each */
        {"{}", "after the last tensor"},
        {"[]", "no '{' at byte 8"},
        {" {}", "no '{' at byte 8"},
        {"{\"a\":1}", "tensor a"},
        {"{\"a\":[]}", "tensor a"},
        {"{\"a\":{}}", "exactly dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", "exactly"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"x\":1}}", "exactly"},
        {"{\"a\":{\"dtype\":\"U9\",\"shape\":[4],\"data_offsets\":[0,4]}}", "unknown type U9"},
        {"{\"a\":{\"dtype\":\"u8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "unknown type u8"},
        {"{\"a\":{\"dtype\":8,\"shape\":[4],\"data_offsets\":[0,4]}}", "dtype is not a string"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]}}", "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[\"4\"],\"data_offsets\":[0,4]}}", "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4.0],\"data_offsets\":[0,4]}}", "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-4],\"data_offsets\":[0,4]}}", "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "at most 8"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,4]}}", "5 bytes by its shape, 4 by"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}}", "truncated at byte"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", "1 bytes after the last tensor"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[1,4]}}", "a hole before"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,0]}}", "end before they begin"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-4,0]}}", "not two offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0]}}", "not two offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,4]}}", "not two offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":{\"0\":0,\"1\":4}}}", "not two offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]}}", "overflows"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1152921504606846976],\"data_offsets\":[0,1152921504606846976]}}", "truncated"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808],\"data_offsets\":[0,4]}}", "header: byte"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1e999],\"data_offsets\":[0,4]}}", "header: byte"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967297,0],\"data_offsets\":[0,0]}}", "overflows"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]}}", "whole number of bytes"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
         "tensor b: overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
         "tensor b: overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
         "tensor b: a hole"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
         "duplicate"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "duplicate"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "duplicate"},
        {"{\"__metadata__\":{\"k\":1},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "metadata k is not a string"},
        {"{\"__metadata__\":[],\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "__metadata__ is not an object"},
        {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "header: byte"},
        {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "header: byte"},
        {"{\"\\ud800\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "header: byte"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},}", "header: byte"},
        {"{,\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "a text is missing"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4,],\"data_offsets\":[0,4]}}", "nothing behind a ','"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[04],\"data_offsets\":[0,4]}}", "shape holds"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-0,4]}}", "not two offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4e0],\"data_offsets\":[0,4]}}", "shape holds"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[null],\"data_offsets\":[0,4]}}", "shape holds"},
        {"{\"a\" {\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "':' is missing"},
        {"{\"a\":{\"dtype\":\"U8\" \"shape\":[4],\"data_offsets\":[0,4]}}", "',' or '}' is missing"},
        {"{\"\xc0\x80\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "no UTF-8"},
        {"{\"\xed\xa0\x80\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "no UTF-8"},
        {"{\"\xf4\x90\x80\x80\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "no UTF-8"},
        {"{\"\\udc00\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "surrogate"},
        {"{\"\\ud800\\u0041\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "surrogate"},
        {"{\"\\u00g0\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "hexadecimal digits"},
        {"{\"\\x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "escape"},
        {"{\"a\tb\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "control character"},
        {"{\"__metadata__\":{},\"__metadata__\":{},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "duplicate"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"shape\":[4],\"data_offsets\":[0,4]}}", "duplicate"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}{}", "header: byte"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[[[4]]],\"data_offsets\":[0,4]}}", "nested deeper"},
        {"{\"__metadata__\":{\"crc32c\":\"00000000\"},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
         "header_crc32c is missing"},
        {"{\"__metadata__\":{\"header_crc32c\":\"00000000\"},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
         "crc32c is missing"},
        {"{\"__metadata__\":{\"crc32c\":\"ABCDEF01\",\"header_crc32c\":\"00000000\"},\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
         "\"data_offsets\":[0,4]}}", "lower-case hexadecimal"},
        {"{\"__metadata__\":{\"crc32c\":\"00000000\",\"header\\u005fcrc32c\":\"00000000\"},\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
         "\"data_offsets\":[0,4]}}", "escapes"},
        {"{\"__metadata__\":{\"crc32c\":\"00000000\",\"header_crc32c\" : \"00000000\"},\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
         "\"data_offsets\":[0,4]}}", "damaged: the header's checksum"},
    };
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(headers); i++) {
        struct bytes b = crafted(headers[i][0], "1234", 4);
        struct rec_safetensors f;
        struct rec_err err;
        if (parse(&f, b.data, b.len, 0, &err) == 0)
            fail_msg("accepted: %s", headers[i][0]);
        is_message(&err);
        if (strstr(err.text, headers[i][1]) == NULL)
            fail_msg("%s\n gave: %s\n not: %s", headers[i][0], err.text, headers[i][1]);
        free(b.data);
    }
}

static void refuses_hostile_lengths(void **state)
{
    static const uint64_t lengths[] = {0, 1, 15, 17, 16777216, 16777217, 1u << 31, UINT64_C(1) << 32, UINT64_C(1) << 63,
                                       UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 8};
    unsigned char bytes[24] = {0};
    (void)state;
    memcpy(bytes + 8, "{}              ", 16);
    for (size_t i = 0; i < REC_LENGTH(lengths); i++) {
        memcpy(bytes, &lengths[i], 8);
        refuses(bytes, lengths[i] == 15 ? 22 : 24, 0);
    }
    for (size_t len = 0; len < 10; len++)
        refuses(bytes, len, 0);
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* A header of 16 MiB, each byte of which asks for as much as it can. */
static void big_headers_cost_little(void **state)
{
    static const char *const patterns[] = {"[],", "{},", "[[],[]],", "0,", "\"\",", "{\"a\":{}},", "[", "{\"a\":", "\"\\u0061", "1"};
    size_t n = 16 << 20;
    unsigned char *data = malloc(8 + n);
    long before = peak_kib();
    clock_t begin = clock();
    (void)state;
    assert_non_null(data);
    for (size_t p = 0; p < REC_LENGTH(patterns); p++) {
        struct rec_safetensors f;
        struct rec_err err;
        struct rec_in in = {.name = "test.rec"};
        uint64_t length = n;
        size_t step = strlen(patterns[p]);
        unsigned char *copy = malloc(8 + n);
        assert_non_null(copy);
        memcpy(copy, &length, 8);
        memcpy(copy + 8, "{\"a\":[", 6);
        for (size_t i = 14; i < 8 + n; i++)
            copy[i] = (unsigned char)patterns[p][(i - 14) % step];
        in.data = copy;
        in.len = 8 + n;
        assert_int_equal(rec_safetensors_parse(&f, &in, 0, &err), -1);
        is_message(&err);
    }
    free(data);
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 10);
#ifndef __SANITIZE_ADDRESS__
    assert_true(peak_kib() - before < 200 * 1024);
#else
    (void)before;
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(orders_by_size_of_element_then_name),
        cmocka_unit_test(says_what_is_missing_or_another),
        cmocka_unit_test(reads_foreign_files),
        cmocka_unit_test(unaligned_tensors_are_not_handed_out),
        cmocka_unit_test(finds_what_is_not_finite),
        cmocka_unit_test(refuses_truncation_at_every_byte),
        cmocka_unit_test(refuses_bytes_at_the_end),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_every_other_header_byte),
        cmocka_unit_test(survives_changes_that_no_checksum_tells),
        cmocka_unit_test(refuses_hostile_headers),
        cmocka_unit_test(refuses_hostile_lengths),
        cmocka_unit_test(big_headers_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
