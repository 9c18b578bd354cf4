/* SPDX-License-Identifier: MIT
 *
 * The line of a tool: what affects the result, quoted where it must be, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/format.h>

static void a_line_for_a_tool(void **state)
{
    double share = 0.2, unset = __builtin_nan("");
    int64_t seed = 42, threads = 8;
    bool flag = true;
    const char *method = "random", *blank = "a b", *quote = "say \"x\"", *none = NULL, *file = "/home/me/x.rec";
    struct rec_opt opts[] = {
        {0, "method", "M", REC_OPT_TEXT, &method, .flags = REC_OPT_RESULT},
        {0, "test", "S", REC_OPT_REAL, &share, .flags = REC_OPT_RESULT},
        {0, "seed", "N", REC_OPT_INT, &seed, .flags = REC_OPT_RESULT | REC_OPT_COMMON},
        {0, "threads", "N", REC_OPT_INT, &threads, .help = ""},
        {'o', "output", "FILE", REC_OPT_FILE, &file, .help = ""},
        {0, "flag", NULL, REC_OPT_FLAG, &flag, .flags = REC_OPT_RESULT},
        {0, "blank", "T", REC_OPT_TEXT, &blank, .flags = REC_OPT_RESULT},
        {0, "quote", "T", REC_OPT_TEXT, &quote, .flags = REC_OPT_RESULT},
        {0, "none", "T", REC_OPT_TEXT, &none, .flags = REC_OPT_RESULT},
        {0, "unset", "X", REC_OPT_REAL, &unset, .flags = REC_OPT_RESULT},
        {0},
    };
    uint32_t digests[] = {0x8f3a01c2, 0xff};
    struct rec_buf history = {0};
    (void)state;
    rec_buf_adds(&history, "rec-ingest 0.0.9\n");
    rec_history_add(&history, "rec-split", "0.1.0", opts, digests, 2);
    assert_string_equal(history.data, "rec-ingest 0.0.9\nrec-split 0.1.0 method=random test=0.2 seed=42 flag=true blank=\"a b\" "
                                      "quote=\"say \\\"x\\\"\" input=crc32c:8f3a01c2 input=crc32c:000000ff\n");
    rec_buf_clear(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_line_for_a_tool)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
