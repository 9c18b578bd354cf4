/* SPDX-License-Identifier: MIT
 *
 * For tests of loading and unloading: text into the store, and out of it.
 */
#ifndef REC_TEST_TEXTS_H
#define REC_TEST_TEXTS_H

#include "both.h"

#include "../text_file.h"

static const struct rec_ingest_options texts_options = {.wish.header = -1, .threads = 1};

static inline struct rec_ratings texts_ratings(const char *csv)
{
    struct text_file file = text_file(csv, strlen(csv));
    struct rec_ingest_report report;
    struct rec_ratings r;
    struct rec_gzip in;
    struct rec_err err = {0};
    if (rec_gzip_open(&in, file.path, &err) < 0 || rec_ingest(&r, &in, &texts_options, &report, &err) < 0)
        fail_msg("%s", err.text);
    close(file.fd);
    return r;
}

static inline struct rec_catalogue texts_movies(const char *csv)
{
    struct text_file file = text_file(csv, strlen(csv));
    struct rec_ingest_report report;
    struct rec_catalogue c;
    struct rec_gzip in;
    struct rec_err err = {0};
    if (rec_gzip_open(&in, file.path, &err) < 0 || rec_catalogue_csv(&c, &in, &texts_options, "auto", "|", &report, &err) < 0)
        fail_msg("%s", err.text);
    close(file.fd);
    return c;
}

/* Loads it; what came of it. */
static inline struct rec_load_report texts_load(struct both *b, const char *csv, int64_t now)
{
    struct rec_ratings r = texts_ratings(csv);
    struct rec_load_report report;
    both_ok(b, rec_load_ratings(&b->store, &r, &(struct rec_load_options){.source = "test", .digest = 0xfedcba98, .now = now}, &report, &b->err));
    rec_ratings_clear(&r);
    assert_int_equal(report.rows, report.added + report.changed + report.same + report.older + report.forgotten);
    return report;
}

static inline struct rec_load_report texts_load_movies(struct both *b, const char *csv)
{
    struct rec_catalogue c = texts_movies(csv);
    struct rec_load_report report;
    both_ok(b, rec_load_movies(&b->store, &c, &(struct rec_load_options){.now = 1000}, &report, &b->err));
    rec_catalogue_clear(&c);
    assert_int_equal(report.rows, report.added + report.changed + report.same);
    return report;
}

enum texts_what { TEXTS_RATINGS, TEXTS_MOVIES, TEXTS_FEEDBACK };

/* What comes out; to be freed. */
static inline char *texts_unload(struct both *b, enum texts_what what, const struct rec_unload_options *o)
{
    char path[64], *text;
    struct rec_out out;
    struct rec_in in;
    uint64_t rows = 0, lines = 0;
    int status;
    snprintf(path, sizeof path, "%s/out.csv", b->dir);
    both_ok(b, rec_out_open(&out, path, false, &b->err));
    status = what == TEXTS_RATINGS ? rec_unload_ratings(&b->store, o, &out, &rows, NULL, &b->err)
             : what == TEXTS_MOVIES ? rec_unload_movies(&b->store, o, &out, &rows, &b->err)
             : rec_unload_feedback(&b->store, o, &out, &rows, NULL, &b->err);
    both_ok(b, status);
    both_ok(b, rec_out_commit(&out, &b->err));
    both_ok(b, rec_in_open(&in, path, &b->err));
    text = strndup((const char *)in.data, in.len);
    rec_in_close(&in);
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    assert_int_equal(rows + !o->no_header, lines);
    return text;
}

/* The lines of a text in the byte order, but for the first. */
static inline int texts_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}
static inline char *texts_sorted(char *text)
{
    char *line[4096], *rest = text, *out = calloc(1, strlen(text) + 1);
    size_t n = 0;
    while (n < 4096 && *rest) {
        line[n++] = rest;
        rest += strcspn(rest, "\n");
        *rest++ = 0;
    }
    qsort(line + 1, n ? n - 1 : 0, sizeof *line, texts_compare);
    for (size_t i = 0, at = 0; i < n; i++) {
        size_t len = strlen(line[i]);
        memcpy(out + at, line[i], len);
        out[at + len] = '\n';
        at += len + 1;
    }
    free(text);
    return out;
}

#endif
