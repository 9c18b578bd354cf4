/* SPDX-License-Identifier: MIT
 *
 * What a file's first lines are taken for, and what is not guessed.
 */
#include "../text_file.h"

static struct rec_err err;

static const struct sample {
    const char *text, *want; /* what is said of it, or of the error */
} samples[] = {
    {"userId,movieId,rating,timestamp\n1,2,3,4\n", "comma, header, user=userId item=movieId rating=rating time=timestamp"},
    {"1::2::3::4\n", "colons, no header, user=1 item=2 rating=3 time=4"},
    {"196\t242\t3\t881250949\n", "tab, no header, user=1 item=2 rating=3 time=4"},
    {"USER_ID;Item Id;Score\n\"1\";\"a\";5\n", "semicolon, header, user=USER_ID item=Item Id rating=Score"},
    {"timestamp,reviewerID,asin,overall,text\n1,a,b,5,\"x, y\nz\"\n", "comma, header, user=reviewerID item=asin rating=overall time=timestamp"},
    {"user item rating\n1 2 3\n", "blanks, header, user=user item=item rating=rating"},
    {"1 2 3 4\n5 6 1 8\n", "blanks, no header, user=1 item=2 rating=3 time=4"},
    {"0 1 2 3\n4 5\n", "lines `user item item ...` (no rating: implicit)"},
    {"0 1 2 3 4 5 6 7\n", "lines `user item item ...` (no rating: implicit)"},
    {"a,b\nc,d\n", "comma, no header, user=1 item=2 (no rating: implicit)"},
    {"a,b,1112486027\nc,d,1112486028\n", "comma, no header, user=1 item=2 time=3 (no rating: implicit)"},
    {"user,item,time\na,b,1112486027\n", "comma, header, user=user item=item time=time (no rating: implicit)"},
    {"a,b,1\nc,d\n", "comma, no header, user=1 item=2 rating=3"},
    {"a,b,c,d,e,f\n", "a column of t: 6 columns and no header"},
    {"user,item,userId,user\n1,2,3,4\n", "comma, header, user=userId item=item"},
    {"userId,userid,item\n1,2,3\n", "two columns could be the user"},
    {"who,what,stars\n1,2,3\n", "the first line seems to be a header"},
    {"hello\nworld\n", "found no delimiter"},
    {"", "holds no ratings"},
    {"\n\n", "holds no ratings"},
};

static void first_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(samples); i++) {
        struct rec_detect d;
        const char *want = samples[i].want, *got;
        int status = rec_detect_ratings(&d, &(struct rec_detect_wish){.header = -1}, "t", samples[i].text, strlen(samples[i].text), true, &err);
        got = status == 0 ? d.text : err.text;
        want = strncmp(want, "a column of t: ", 15) ? want : want + 15;
        if (!strstr(got, want))
            fail_msg("%s\n... is taken for: %s", samples[i].text, got);
    }
}

static void wishes(void **state)
{
    static const char text[] = "a,b,c,d,e\n1,2,3,4,5\n";
    struct rec_detect d;
    (void)state;

    assert_int_equal(rec_detect_ratings(&d, &(struct rec_detect_wish){.header = -1, .columns = "user=c,item=1,time=e"}, "t", text,
                                        sizeof text - 1, true, &err), 0);
    assert_true(d.header);
    assert_int_equal(d.column[REC_DETECT_USER], 2);
    assert_int_equal(d.column[REC_DETECT_ITEM], 0);
    assert_int_equal(d.column[REC_DETECT_RATING], -1);
    assert_int_equal(d.column[REC_DETECT_TIME], 4);
    assert_int_equal(rec_detect_ratings(&d, &(struct rec_detect_wish){.header = 0, .columns = "user=5,item=4"}, "t", text, sizeof text - 1, true, &err), 0);
    assert_false(d.header);
    static const struct rec_detect_wish bad[] = {
        {.header = -1, .columns = "user=z,item=1"}, {.header = -1, .columns = "user=1"}, {.header = -1, .columns = "user=0,item=1"},
        {.header = -1, .columns = "user=6,item=1"}, {.header = -1, .columns = "nobody=1,item=2"}, {.header = -1, .columns = "user"},
        {.header = -1, .columns = "user=1,user=2,item=3"}, {.header = 0, .columns = "user=a,item=b"}, {.header = -1, .delimiter = ""},
        {.header = -1, .delimiter = "12345678"}, {.header = -1, .delimiter = "\n"}, {.header = -1, .delimiter = ";"},
    };
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_int_equal(rec_detect_ratings(&d, &bad[i], "t", text, sizeof text - 1, true, &err), -1);
}

/* A sample that ends in the middle of a line says nothing about that line. */
static void cut_samples(void **state)
{
    static const char text[] = "userId,movieId,rating,timestamp\n1,2,3,4\n5,6,7,8\n";
    (void)state;

    for (size_t len = 33; len < sizeof text; len++) {
        struct rec_detect d;
        assert_int_equal(rec_detect_ratings(&d, &(struct rec_detect_wish){.header = -1}, "t", text, len, false, &err), 0);
        assert_string_equal(d.text, samples[0].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_lines),
        cmocka_unit_test(wishes),
        cmocka_unit_test(cut_samples),
    };
    return cmocka_run_group_tests_name("detect", tests, NULL, NULL);
}
