/* SPDX-License-Identifier: MIT
 *
 * For tests of files: what a writer makes, as bytes in memory; and files put together by hand, right or wrong.
 */
#ifndef REC_TEST_CONTAINER_H
#define REC_TEST_CONTAINER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/format.h>

struct bytes {
    unsigned char *data;
    size_t len;
};

/* What `write` puts into a file. */
static inline struct bytes written(int (*write)(const void *what, struct rec_out *out, struct rec_err *err), const void *what)
{
    char path[] = "/tmp/rec-test-container-XXXXXX";
    struct rec_err err = {0};
    struct rec_out out;
    struct rec_in in;
    struct bytes b;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(rec_out_open(&out, path, true, &err), 0);
    assert_int_equal(write(what, &out, &err), 0);
    assert_int_equal(rec_out_commit(&out, &err), 0);
    assert_int_equal(rec_in_open(&in, path, &err), 0);
    b.len = in.len;
    b.data = malloc(in.len ? in.len : 1);
    assert_non_null(b.data);
    if (in.len > 0)
        memcpy(b.data, in.data, in.len);
    rec_in_close(&in);
    remove(path);
    return b;
}

/* A file of this JSON, padded to a multiple of 8, and this data. */
static inline struct bytes crafted(const char *json, const void *data, size_t len)
{
    size_t text = strlen(json), padded = (text + 7) / 8 * 8;
    struct bytes b = {malloc(8 + padded + len), 8 + padded + len};
    uint64_t n = padded;
    assert_non_null(b.data);
    memcpy(b.data, &n, 8);
    memset(b.data + 8, ' ', padded);
    memcpy(b.data + 8, json, text);
    if (len > 0)
        memcpy(b.data + 8 + padded, data, len);
    return b;
}

/* Parses the first len bytes, in memory of exactly that size, so that a sanitizer sees a step beyond. */
static inline int parse(struct rec_safetensors *file, const unsigned char *data, size_t len, unsigned flags, struct rec_err *err)
{
    struct rec_in in = {.name = "test.rec", .len = len};
    unsigned char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    in.data = copy;
    *err = (struct rec_err){0};
    return rec_safetensors_parse(file, &in, flags, err);
}

/* One line that names the file. */
static inline void is_message(const struct rec_err *err)
{
    assert_true(strncmp(err->text, "test.rec: ", 10) == 0);
    assert_null(strchr(err->text, '\n'));
    assert_true(strlen(err->text) > 12);
}

/* The header's and the data's checksums cut out of the bytes, by names that mean nothing: what a foreign writer would leave. */
static inline void forget_checksums(struct bytes *b)
{
    for (size_t i = 8; i + 8 < b->len; i++)
        if (memcmp(b->data + i, "crc32c\":", 8) == 0)
            memcpy(b->data + i, "nothin", 6);
}

#endif
