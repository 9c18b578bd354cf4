/* SPDX-License-Identifier: MIT
 *
 * The name for what is known of a user: another one after every event and every load, whatever their time, and not after what concerns others.
 */
#include "texts.h"

#include <math.h>

static void state_of(char out[200], struct both *b, const char *user)
{
    struct rec_buf text = {0};

    both_ok(b, rec_feedback_state(&text, &b->store, user, &b->err));
    assert_in_range(text.len, 1, 199);
    snprintf(out, 200, "%s", text.data);
    rec_buf_clear(&text);
}

/* Whether it is another name than before, which it replaces. */
static bool changed(char before[200], struct both *b, const char *user)
{
    char after[200];
    bool other;

    state_of(after, b, user);
    other = strcmp(before, after) != 0;
    memcpy(before, after, sizeof after);
    return other;
}

static void add(struct both *b, const char *user, const char *kind, int64_t time)
{
    const struct rec_event event = {.user = user, .movie = "50", .kind = kind, .value = strcmp(kind, "rating") == 0 ? 3 : NAN, .time = time};

    both_ok(b, rec_feedback_add(&b->store, &event, 1, 1700000000, NULL, &b->err));
}

static void load(struct both *b, const char *csv)
{
    struct rec_ratings ratings = texts_ratings(csv);
    struct rec_load_options options = {.source = "x", .now = 1700000000};
    struct rec_load_report report;

    both_ok(b, rec_load_ratings(&b->store, &ratings, &options, &report, &b->err));
    rec_ratings_clear(&ratings);
}

static void follows_what_is_heard(void **state)
{
    struct both *b = *state;
    char of[200], other[200];

    state_of(of, b, "u");
    assert_string_equal(of, "unknown");
    load(b, "u,50,4,10\nv,50,4,10\n");
    assert_true(changed(of, b, "u"));
    assert_false(changed(of, b, "u"));
    state_of(other, b, "v");
    assert_string_not_equal(of, other);
    add(b, "u", "rating", 20);
    assert_true(changed(of, b, "u"));
    assert_false(changed(other, b, "v"));
    /* The same again, an older one, and what is no rating. */
    add(b, "u", "rating", 20);
    assert_true(changed(of, b, "u"));
    add(b, "u", "skip", 5);
    assert_true(changed(of, b, "u"));
    add(b, "u", "remove", 30);
    assert_true(changed(of, b, "u"));
    assert_false(changed(of, b, "u"));
    assert_false(changed(other, b, "v"));
    load(b, "v,50,4,10\n");
    assert_true(changed(of, b, "u"));
    assert_true(changed(other, b, "v"));
}

int main(void)
{
    return both_run((const struct CMUnitTest[]){cmocka_unit_test(follows_what_is_heard)}, 1);
}
