/* SPDX-License-Identifier: MIT
 *
 * What is inside a backup, whatever its bytes: the tar, the rows of a table, the manifest, the first line. What is taken is written and read
 * again, and must be the same. The first byte of the input chooses.
 */
#include <rec/backup.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t len, at;
};

static int source(void *context, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    struct input *in = context;

    (void)err;
    *got = len < in->len - in->at ? len : in->len - in->at;
    if (*got)
        memcpy(bytes, in->data + in->at, *got);
    in->at += *got;
    return 0;
}

static int sink(void *context, const void *bytes, size_t len, struct rec_err *err)
{
    (void)err;
    rec_buf_add(context, bytes, len);
    return 0;
}

/* Copies members; 0 when it is a whole tar. */
static int copy_tar(struct rec_buf *out, const uint8_t *data, size_t size)
{
    struct input in = {data, size, 0};
    struct rec_tar_reader r = {.source = source, .context = &in, .name = "a"};
    struct rec_tar_writer w = {.sink = sink, .context = out};
    struct rec_tar_member m;
    struct rec_err err;
    int status;

    while ((status = rec_tar_next(&r, &m, &err)) > 0) {
        char block[700];
        size_t got = sizeof block;
        assert(m.name[0] != '/' && strstr(m.name, "//") == NULL);
        if (rec_tar_add(&w, &m, &err) < 0) {
            status = -1;
            break;
        }
        while (got == sizeof block && (status = rec_tar_read(&r, block, sizeof block, &got, &err)) == 0)
            assert(rec_tar_write(&w, block, got, &err) == 0);
        if (status < 0)
            break;
    }
    rec_tar_close(&r);
    if (status == 0)
        assert(rec_tar_end(&w, &err) == 0);
    return status;
}

static void try_tar(const uint8_t *data, size_t size)
{
    struct rec_buf first = {0}, second = {0};

    if (copy_tar(&first, data, size) == 0) {
        assert(copy_tar(&second, (const uint8_t *)first.data, first.len) == 0);
        assert(first.len == second.len && !memcmp(first.data, second.data, first.len));
    }
    rec_buf_clear(&first);
    rec_buf_clear(&second);
}

static struct rec_copy_column columns[] = {{"a", REC_COPY_INT16}, {"b", REC_COPY_INT64}, {"c", REC_COPY_REAL32}, {"d", REC_COPY_REAL64},
                                           {"e", REC_COPY_TEXT}, {"f", REC_COPY_BLOB}};
static const struct rec_copy_table table = {.name = "t", .n = REC_LENGTH(columns), .columns = columns};

static int copy_table(struct rec_buf *out, const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    struct rec_table_reader r;
    struct rec_err err;
    int status;

    assert(copy);
    if (size)
        memcpy(copy, text, size);
    rec_table_header(out, &table);
    status = rec_table_open(&r, "t", &table, copy, size, &err);
    while (status >= 0 && (status = rec_table_next(&r, &err)) > 0)
        assert(rec_table_add(out, &table, r.row, &err) == 0);
    rec_table_close(&r);
    free(copy);
    return status;
}

static void try_table(const uint8_t *data, size_t size)
{
    struct rec_buf first = {0}, second = {0};

    if (copy_table(&first, (const char *)data, size) == 0) {
        assert(copy_table(&second, first.data, first.len) == 0);
        assert(first.len == second.len && !memcmp(first.data, second.data, first.len));
    }
    rec_buf_clear(&first);
    rec_buf_clear(&second);
}

static void try_manifest(const uint8_t *data, size_t size)
{
    struct rec_manifest m = {.n = 0}, again = {.n = 0};
    struct rec_buf text = {0};
    struct rec_err err;

    if (rec_manifest_parse(&m, "a", (const char *)data, size, &err) == 0) {
        rec_manifest_print(&text, &m);
        assert(rec_manifest_parse(&again, "a", text.data, text.len, &err) == 0);
        assert(rec_manifest_compare(&m, &again, "a", &err) == 0);
        assert(m.created == again.created && m.schema == again.schema && m.skipped.len == again.skipped.len);
    }
    rec_buf_clear(&text);
    rec_manifest_clear(&m);
    rec_manifest_clear(&again);
}

static void try_head(const uint8_t *data, size_t size)
{
    struct rec_archive_head head, again;
    struct rec_err err;

    if (rec_archive_parse(&head, "a", (const char *)data, size, &err) == 0) {
        assert(head.len <= size && !memcmp(head.line, data, head.len));
        assert(rec_archive_parse(&again, "a", head.line, head.len, &err) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(const uint8_t *, size_t) = {try_tar, try_table, try_manifest, try_head};

    if (size > 0)
        tries[data[0] % 4](data + 1, size - 1);
    return 0;
}
