/* SPDX-License-Identifier: MIT
 *
 * Features by hand for a few ratings; their file, written, read, cut and damaged; titles with odd characters.
 * tests/cmd/rec-features.bats compares larger ones with an independent calculation.
 */
#include "../container.h"
#include "small.h"

#include <math.h>

static struct rec_err err;
static const struct rec_features_options plain = {.titles = {.min_df = 1, .max_df = 1}, .max_genres = 10};

/* a, 10: two films, one of them unrated; titles as given. */
static struct rec_catalogue catalogue(const char *titles, const int64_t *title_offset)
{
    static const int64_t offset[] = {0, 1, 3}, genre_offset[] = {0, 1, 3}, genre_ptr[] = {0, 1, 3};
    static const int32_t year[] = {1995, 0}, genre[] = {1, 0, 1};

    return (struct rec_catalogue){.n = 2, .items = {"a10", offset, 2, {NULL}}, .title = titles,
                                  .title_offset = title_offset, .year = year,
                                  .genres = {"XYZ", genre_offset, 2, {NULL}}, .genre_ptr = genre_ptr, .genre = genre};
}

static double item(const struct rec_features *f, const char *id, const char *column)
{
    int32_t i = rec_ids_find(&f->items, id, strlen(id)), c = rec_ids_find(&f->item_columns, column, strlen(column));

    assert_true(i >= 0 && c >= 0);
    return (double)f->item_dense[(size_t)i * f->item_columns.n + (size_t)c];
}

static double user(const struct rec_features *f, const char *id, const char *column)
{
    int32_t u = rec_ids_find(&f->users, id, strlen(id)), c = rec_ids_find(&f->user_columns, column, strlen(column));

    assert_true(u >= 0 && c >= 0);
    return (double)f->user_dense[(size_t)u * f->user_columns.n + (size_t)c];
}

#define NEAR(a, b) assert_true(fabs((a) - (double)(b)) < 1e-5 * (1 + fabs((double)(b))))

static void by_hand(void **state)
{
    static const int64_t offset[] = {0, 0, 0};
    struct rec_catalogue c = catalogue("", offset);
    struct rec_ratings r = small_ratings();
    struct rec_features f;

    /* ids that are in order, as a catalogue's are */
    static const int64_t item_offset[] = {0, 2, 3};

    (void)state;
    c.items = (struct rec_ids){"10a", item_offset, 2, {NULL}};
    assert_int_equal(rec_features_build(&f, &r, &c, &plain, &err), 0);
    assert_int_equal(f.items.n, 5);
    NEAR(item(&f, "z", "count"), 2);
    NEAR(item(&f, "z", "mean"), 3.5);
    NEAR(item(&f, "z", "std"), 1.5);
    NEAR(item(&f, "z", "rank"), 1);
    NEAR(item(&f, "a", "rank"), 3);
    NEAR(item(&f, "10", "rank"), 4);
    NEAR(item(&f, "10", "mean"), 3);
    NEAR(item(&f, "10", "year"), 1995);
    NEAR(item(&f, "10", "decade"), 1990);
    NEAR(item(&f, "10", "age"), 105);
    NEAR(item(&f, "a", "year_known"), 0);
    NEAR(item(&f, "10", "genre=YZ"), 1);
    NEAR(item(&f, "10", "genre=X"), 0);
    NEAR(item(&f, "10", "days_since_last"), (4102444800 + 1) / 86400.0);
    NEAR(item(&f, "a", "days_since_last"), (4102444800 - 978300760) / 86400.0);
    NEAR(user(&f, "ann", "count"), 3);
    NEAR(user(&f, "ann", "share=X"), 1 / 3.0);
    NEAR(user(&f, "ann", "affinity=X"), (4 - 12.5 / 3) / 6);
    NEAR(user(&f, "ann", "days_active"), (978300760 + 1) / 86400.0);
    NEAR(user(&f, "bob", "count"), 0);
    NEAR(user(&f, "bob", "mean"), 3);
    NEAR(user(&f, "cat", "mean_log_count"), log(3));
    rec_features_clear(&f);
}

static bool has(const struct rec_titles *t, const char *term)
{
    return rec_ids_find(&t->terms, term, strlen(term)) >= 0;
}

static void words(void **state)
{
    static const char titles[] = "Don\xe2\x80\x99t Look-Now: \xc3\x89t\xc3\xa9 \xd0\x9c\xd0\x98\xd0\xa0 (1973)" "The 8\xc2\xbd (12345) a \xe3\x82\xb4";
    static const int64_t offset[] = {0, 37, sizeof titles - 1};
    static const int32_t place[] = {0, 2};
    struct rec_catalogue c = catalogue(titles, offset);
    struct rec_titles t;

    (void)state;
    assert_int_equal(rec_titles_build(&t, &c, place, 3, &plain.titles, &err), 0);
    assert_true(has(&t, "dont") && has(&t, "look") && has(&t, "now") && has(&t, "\xc3\xa9t\xc3\xa9"));
    assert_true(has(&t, "\xd0\xbc\xd0\xb8\xd1\x80") && has(&t, "the") && has(&t, "12345") && has(&t, "\xe3\x82\xb4"));
    assert_int_equal(t.terms.n, 8);
    assert_true(t.ptr[1] == 5 && t.ptr[2] == 5 && t.ptr[3] == 8);
    NEAR((double)t.weight[0], sqrt(0.2));
    rec_titles_clear(&t);
}

static int write_features(const void *what, struct rec_out *out, struct rec_err *e)
{
    return rec_features_file_write(what, "rec-test 1\n", out, e);
}

static int load(struct rec_features *f, const unsigned char *data, size_t len, unsigned flags)
{
    struct rec_safetensors file;

    if (parse(&file, data, len, flags, &err) < 0)
        return -1;
    return rec_features_file_load(f, &file, &err);
}

static void written_and_read(void **state)
{
    static const char titles[] = "Heat (1995)Heat wave";
    static const int64_t offset[] = {0, 11, 20}, item_offset[] = {0, 2, 3};
    struct rec_catalogue c = catalogue(titles, offset);
    struct rec_ratings r = small_ratings();
    struct rec_features f, again;
    struct bytes b;

    (void)state;
    c.items = (struct rec_ids){"10a", item_offset, 2, {NULL}};
    assert_int_equal(rec_features_build(&f, &r, &c, &plain, &err), 0);
    b = written(write_features, &f);
    assert_int_equal(load(&again, b.data, b.len, 0), 0);
    assert_memory_equal(again.item_dense, f.item_dense, f.items.n * f.item_columns.n * sizeof(float));
    assert_memory_equal(again.user_dense, f.user_dense, f.users.n * f.user_columns.n * sizeof(float));
    assert_int_equal(again.terms.n, 2);
    NEAR(item(&again, "z", "std"), 1.5);
    assert_string_equal(again.history, "rec-test 1\n");
    rec_features_clear(&again);
    for (size_t cut = 0; cut < b.len; cut += 5) {
        assert_int_equal(load(&again, b.data, cut, 0), -1);
        is_message(&err);
    }
    for (size_t at = 0; at < b.len; at += 3) {
        b.data[at] ^= 1;
        assert_int_equal(load(&again, b.data, b.len, 0), -1);
        b.data[at] ^= 1;
    }
    /* no checksum to save it: whatever is read is within bounds */
    forget_checksums(&b);
    for (size_t at = 8; at < b.len; at++) {
        b.data[at] ^= 0x41;
        if (load(&again, b.data, b.len, 0) == 0)
            rec_features_clear(&again);
        b.data[at] ^= 0x41;
    }
    free(b.data);
    rec_features_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(words),
                                       cmocka_unit_test(written_and_read)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
