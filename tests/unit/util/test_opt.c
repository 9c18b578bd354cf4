/* SPDX-License-Identifier: MIT
 *
 * Options as people type them, and the mistakes they make.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/util.h>

static int64_t k;
static double share;
static bool quiet, all;
static const char *output, *method;
static struct rec_opt_list list;

static struct rec_opt fresh(size_t i)
{
    const struct rec_opt opts[] = {
        {'k', "top", "K", REC_OPT_INT, &k, .min = 1, .max = 1000, .help = "length of the list"},
        {0, "test", "SHARE", REC_OPT_REAL, &share, .max = 1, .help = "part held out"},
        {'q', "quiet", NULL, REC_OPT_FLAG, &quiet, .help = "say nothing"},
        {'a', "all", NULL, REC_OPT_FLAG, &all, .help = "all of them"},
        {'o', "output", "FILE", REC_OPT_FILE, &output, .help = "where to"},
        {0, "method", "M", REC_OPT_CHOICE, &method, .choices = "random|last|time", .help = "how"},
        {0, "assert", "EXPR", REC_OPT_LIST, &list, .help = "what must hold"},
        {0},
    };

    return opts[i];
}

static struct rec_opt opts[8];
static struct rec_err err;

static int setup(void **state)
{
    (void)state;
    k = 10;
    share = NAN;
    quiet = all = false;
    output = method = NULL;
    list.n = 0;
    err.text[0] = 0;
    for (size_t i = 0; i < REC_LENGTH(opts); i++)
        opts[i] = fresh(i);
    return 0;
}

/* Splits at blanks; keeps the words for the operands. */
static char *argv[32], line[256];
static int split(const char *text)
{
    int argc = 1;

    snprintf(line, sizeof line, "%s", text);
    argv[0] = line;
    for (char *p = line; *p; argc++) {
        argv[argc] = p;
        p += strcspn(p, " ");
        if (*p)
            *p++ = 0;
    }
    argv[argc] = NULL;
    return argc;
}
static int parse(const char *text)
{
    return rec_opt_parse(opts, split(text), argv, &err);
}

static void all_spellings(void **state)
{
    (void)state;
    assert_int_equal(parse("-k5 --test=0.25 in.rec -qa -o out.rec --method last - --no-all -- -x"), 3);
    assert_int_equal(k, 5);
    assert_true(share == 0.25);
    assert_true(quiet && !all);
    assert_string_equal(output, "out.rec");
    assert_string_equal(method, "last");
    assert_string_equal(argv[1], "in.rec");
    assert_string_equal(argv[2], "-");
    assert_string_equal(argv[3], "-x");
}

/* Where the command of env(1), nice(1), rec-job(1) begins: what looks like an option behind that is none of ours. */
static void where_a_command_begins(void **state)
{
    static const struct { const char *line; int own; } cases[] = {
        {"cmd -k 5", 1}, {"-k5 cmd -q", 2}, {"-k 5 cmd -q", 3}, {"-qak 5 cmd", 3}, {"-qa cmd -k 5", 2}, {"--quiet cmd", 2}, {"--no-quiet cmd", 2},
        {"--test 0.1 cmd", 3}, {"--test=0.1 cmd --test 7", 2}, {"-q -- -cmd", 3}, {"-- cmd --", 2}, {"--test", 2}, {"-k", 2}, {"- cmd", 1}, {"", 1},
        {"--output -- cmd", 3}, {"--unknown cmd", 2}, {"-z cmd", 2},
    };

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        int own = rec_opt_command(opts, split(cases[i].line), argv);

        if (own != cases[i].own)
            fail_msg("%s: %d", cases[i].line, own);
    }
    assert_int_equal(k, 10);
}

static void repeats_make_a_list(void **state)
{
    (void)state;
    rec_opt_set(&opts[6], "weak", "rec.yaml", REC_ORIGIN_FILE, &err);
    assert_int_equal(parse("--assert a>1 --assert=b"), 0);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.text[0], "a>1");
}

static void mistakes(void **state)
{
    static const struct { const char *line, *message; } cases[] = {
        {"--tset 1", "unknown option --tset; did you mean --test?"},
        {"--zzzzzz", "unknown option --zzzzzz"},
        {"-z", "unknown option -z"},
        {"-k", "-k: needs an argument, K"},
        {"-k 0", "-k: 0 is out of range; 1 to 1000"},
        {"-k 1.5", "-k: 1.5 is not a whole number"},
        {"-k 10x", "-k: 10x is not a whole number"},
        {"--test nan", "--test: nan is not a number"},
        {"--test 1.01", "--test: 1.01 is out of range; 0 to 1"},
        {"--method las", "--method: las is not one of random|last|time"},
        {"--quiet=maybe", "--quiet: maybe is not true or false"},
        {"--output", "--output: needs an argument, FILE"},
    };

    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        setup(state);
        assert_int_equal(parse(cases[i].line), -1);
        assert_string_equal(err.text, cases[i].message);
    }
}

static void describes_itself(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    struct rec_buf buf = {0};

    (void)state;
    rec_opt_help(&buf, opts);
    assert_non_null(strstr(buf.data, "  -k, --top K             length of the list [10]\n"));
    for (size_t i = 0; i < REC_LENGTH(shells); i++) {
        rec_buf_reset(&buf);
        assert_int_equal(rec_opt_completion(&buf, shells[i], "rec-x", opts, NULL, &err), 0);
        assert_non_null(strstr(buf.data, "random last time"));
    }
    assert_int_equal(rec_opt_completion(&buf, "csh", "rec-x", opts, NULL, &err), -1);
    rec_buf_clear(&buf);
}

/* What stands between ':' and '@', or behind password=, is shown to nobody. */
static void urls_hide_passwords(void **state)
{
    static const char *const cases[][2] = {
        {"postgresql://ann@db/rec", "postgresql://ann@db/rec"},
        {"postgresql://ann:s3cret@db:5432/rec?sslmode=require", "postgresql://ann:***@db:5432/rec?sslmode=require"},
        {"postgresql://ann:s3?cret@db/rec", "postgresql://ann:***@db/rec"},
        {"postgresql://ann:s3/cr@et@db/rec", "postgresql://ann:***@db/rec"},
        {"postgresql:///rec?host=/run&password=s3cret&user=ann", "postgresql:///rec?host=/run&password=***&user=ann"},
        {"postgresql://db:5432/rec", "postgresql://db:5432/rec"},
        {"postgresql://ann:@db", "postgresql://ann:***@db"},
        {"/var/lib/rec/a:b.db", "/var/lib/rec/a:b.db"},
        {"rec.db", "rec.db"},
        {"", ""},
    };
    const char *url = NULL;
    struct rec_opt opt = {0, "store", "URL", REC_OPT_TEXT, &url, .flags = REC_OPT_URL};
    struct rec_buf buf = {0};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        url = cases[i][0];
        rec_buf_reset(&buf);
        rec_opt_print(&buf, &opt);
        assert_string_equal(buf.data ? buf.data : "", cases[i][1]);
    }
    rec_buf_clear(&buf);
}

static void completes_commands(void **state)
{
    bool flag = false;
    const char *text = NULL;
    const struct rec_opt own[] = {{0, "role", "R", REC_OPT_CHOICE, &text, .choices = "user|admin", .help = "what they may"}, {0}};
    const struct rec_opt shared[] = {{'q', "quiet", NULL, REC_OPT_FLAG, &flag, .help = "say nothing"}, {0}};
    const struct rec_opt_command commands[] = {{"init", "make it", NULL}, {"user add", "add one", own}, {"user list", "list them", NULL}, {0}};
    static const char *const shells[] = {"bash", "zsh", "fish"}, *const expect[] = {"names='init user'", "(init user)", "-x -a user\n"};
    struct rec_buf buf = {0};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(shells); i++) {
        rec_buf_reset(&buf);
        assert_int_equal(rec_opt_completion(&buf, shells[i], "rec-x", shared, commands, NULL), 0);
        assert_non_null(strstr(buf.data, expect[i]));
        assert_non_null(strstr(buf.data, "user admin"));
    }
    rec_buf_clear(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_spellings, setup),
        cmocka_unit_test_setup(where_a_command_begins, setup),
        cmocka_unit_test_setup(repeats_make_a_list, setup),
        cmocka_unit_test_setup(mistakes, setup),
        cmocka_unit_test_setup(describes_itself, setup),
        cmocka_unit_test(urls_hide_passwords),
        cmocka_unit_test(completes_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
