/* SPDX-License-Identifier: MIT
 *
 * Catalogues: what is taken from text, that a file reads back as it was, and that damaged ones are refused.
 */
#include "../text_file.h"

static struct rec_err err;

static int build(struct rec_catalogue *c, const char *text, const char *encoding)
{
    struct rec_ingest_options o = {.wish = {.header = -1}, .threads = 1};
    struct rec_ingest_report report;
    struct text_file file = text_file(text, strlen(text));
    struct rec_gzip in;
    int status;

    assert_int_equal(rec_gzip_open(&in, file.path, &err), 0);
    close(file.fd);
    status = rec_catalogue_csv(c, &in, &o, encoding, "|", &report, &err);
    rec_gzip_close(&in);
    return status;
}

/* "title/year/genre+genre" of an item. */
static void check(const struct rec_catalogue *c, const char *id, const char *want)
{
    struct rec_buf got = {0};
    int32_t i = rec_ids_find(&c->items, id, strlen(id));
    size_t len;

    assert_true(i >= 0);
    const char *title = rec_catalogue_title(c, (size_t)i, &len);
    rec_buf_addf(&got, "%.*s/%d/", (int)len, title, c->year[i]);
    for (int64_t p = c->genre_ptr[i]; p < c->genre_ptr[i + 1]; p++) {
        const char *genre = rec_ids_get(&c->genres, (size_t)c->genre[p], &len);
        rec_buf_addf(&got, "%s%.*s", p > c->genre_ptr[i] ? "+" : "", (int)len, genre);
    }
    assert_string_equal(got.data, want);
    rec_buf_clear(&got);
}

static const char sample[] =
    "movieId,title,genres\n"
    "10,\"Matrix, The (1999)\",Sci-Fi|Action|Action\n"
    "2,\"Caf\xc3\xa9 \"\"X\"\" (1998) \", Drama | \n"
    "1,Fawlty Towers (1975-1979),(no genres listed)\n"
    "9,Open (2009\xe2\x80\x93 ),Comedy\n"
    "3,No year (the film),\n"
    "4,(1999) first,\n"
    "5,Odd (0999),\n"
    "6,,Comedy\n";

static void titles_years_genres(void **state)
{
    struct rec_catalogue c;
    (void)state;

    assert_int_equal(build(&c, sample, "auto"), 0);
    assert_int_equal(c.n, 8);
    check(&c, "10", "Matrix, The (1999)/1999/Action+Sci-Fi");
    check(&c, "2", "Caf\xc3\xa9 \"X\" (1998) /1998/Drama");
    check(&c, "1", "Fawlty Towers (1975-1979)/1975/");
    check(&c, "9", "Open (2009\xe2\x80\x93 )/2009/Comedy");
    check(&c, "3", "No year (the film)/0/");
    check(&c, "4", "(1999) first/0/");
    check(&c, "5", "Odd (0999)/0/");
    check(&c, "6", "/0/Comedy");
    rec_catalogue_clear(&c);
    assert_int_equal(build(&c, "id;name;year\n1;A (1990);1991-05-06\n2;B;\n3;C (1993);0\n", "auto"), 0);
    check(&c, "1", "A (1990)/1991/");
    check(&c, "2", "B/0/");
    check(&c, "3", "C (1993)/1993/");
    rec_catalogue_clear(&c);
}

static void uitem(void **state)
{
    struct rec_catalogue c;
    (void)state;

    assert_int_equal(build(&c,
                           "1|Caf\xe9 \"Noir\" (1995)|1-Jan-1996||http://x|0|1|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
                           "2|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
                           "3|Undated|08-Feb-1996|||0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|1\n", "auto"), 0);
    check(&c, "1", "Caf\xc3\xa9 \"Noir\" (1995)/1995/Action+Comedy");
    check(&c, "2", "unknown/0/");
    check(&c, "3", "Undated/1996/Western");
    rec_catalogue_clear(&c);
}

static void refused(void **state)
{
    static const struct {
        const char *text, *cause;
    } bad[] = {
        {"movieId,title\n1,caf\xe9\n", ":2:2: title: byte 4 (0xe9) is not UTF-8"}, {"movieId,title\n1,a\n1,b\n", ":3:1: movieId: \"1\" is there already"},
        {"movieId,title\n,a\n", ":2:1: movieId: is empty"}, {"movieId,title\n1,\"a\nb\"\n", ":2:2: title: holds a control"},
        {"movieId,title\n1,a,b\n", ":2:3: row has 3 fields, not 2"}, {"movieId,title,year\n1,a,199\n", ":2:3: year: \"199\" is no year"},
        {"movieId,title\n1,\xc2\x85\n", ":2:2: title: holds a control"}, {"movieId,title\n", "holds no items"}, {"", "holds no items"},
    };
    struct rec_catalogue c;
    (void)state;

    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        assert_int_equal(build(&c, bad[i].text, "auto"), -1);
        if (!strstr(err.text, bad[i].cause))
            fail_msg("%s, not %s", err.text, bad[i].cause);
    }
    assert_int_equal(build(&c, "movieId,title\n1,caf\xe9\n", "latin-1"), 0);
    check(&c, "1", "caf\xc3\xa9/0/");
    rec_catalogue_clear(&c);
}

static int read_back(struct rec_catalogue *c, const char *data, size_t len)
{
    struct text_file file = text_file(data, len);
    int status = rec_catalogue_read(c, file.path, &err);

    close(file.fd);
    return status;
}

static void written_and_read(void **state)
{
    struct rec_catalogue c, again;
    struct rec_out out;
    char path[] = "/tmp/test_catalogue.XXXXXX";
    int fd = mkstemp(path);
    struct rec_in in;
    (void)state;

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(build(&c, sample, "auto"), 0);
    assert_int_equal(rec_out_open(&out, path, true, &err), 0);
    assert_int_equal(rec_catalogue_write(&c, "rec-ingest 0.1.0\n", &out, &err), 0);
    assert_int_equal(rec_out_commit(&out, &err), 0);
    rec_catalogue_clear(&c);
    assert_int_equal(rec_in_open(&in, path, &err), 0);
    unlink(path);
    assert_int_equal(read_back(&again, (const char *)in.data, in.len), 0);
    check(&again, "10", "Matrix, The (1999)/1999/Action+Sci-Fi");
    assert_string_equal(again.history, "rec-ingest 0.1.0\n");
    rec_catalogue_clear(&again);
    for (size_t cut = 0; cut < in.len; cut += 7)
        assert_int_equal(read_back(&again, (const char *)in.data, cut), -1);
    char *copy = malloc(in.len);
    assert_non_null(copy);
    for (size_t at = 0; at < in.len; at += 3) {
        memcpy(copy, in.data, in.len);
        copy[at] ^= 4;
        assert_int_equal(read_back(&again, copy, in.len), -1);
    }
    free(copy);
    rec_in_close(&in);
}

/* Arrays that do not fit together, in files whose checksums hold. */
static void hostile(void **state)
{
    int64_t offset[] = {0, 5, 3, 6}, ptr[] = {0, 1, 1, 2};
    int32_t year[] = {1990, 0, 2000}, genre[] = {0, 0};
    char bytes[] = "abcdef";
    struct rec_catalogue c = {.n = 3, .title = bytes, .title_offset = offset, .year = year, .genre_ptr = ptr, .genre = genre,
                              .items = {"123", (int64_t[]){0, 1, 2, 3}, 3, {0}}, .genres = {"g", (int64_t[]){0, 1}, 1, {0}}};
    (void)state;

    for (int fault = 0; fault <= 6; fault++) {
        struct rec_catalogue again;
        struct rec_out out;
        struct rec_in in;
        char path[] = "/tmp/test_catalogue.XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        offset[1] = fault == 0 ? 5 : 2;
        year[0] = fault == 1 ? -1 : 1990;
        genre[1] = fault == 2 ? 1 : 0;
        bytes[0] = fault == 3 ? '\n' : 'a';
        bytes[1] = (char)(fault == 4 ? 0xff : 'b');
        ptr[1] = fault == 5 ? 2 : 1;
        assert_int_equal(rec_out_open(&out, path, true, &err), 0);
        assert_int_equal(rec_catalogue_write(&c, NULL, &out, &err), 0);
        assert_int_equal(rec_out_commit(&out, &err), 0);
        assert_int_equal(rec_in_open(&in, path, &err), 0);
        unlink(path);
        assert_int_equal(read_back(&again, (const char *)in.data, in.len), fault == 6 ? 0 : -1);
        if (fault == 6)
            rec_catalogue_clear(&again);
        rec_in_close(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(titles_years_genres),
        cmocka_unit_test(uitem),
        cmocka_unit_test(refused),
        cmocka_unit_test(written_and_read),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
