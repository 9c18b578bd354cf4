/* SPDX-License-Identifier: MIT
 *
 * Words of any bytes, parted by line breaks, as the arguments of a tool: refused with one line, or every option holds what its type
 * and range allow, and a history line can be made of it.
 */
#include <rec/format.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS = 64 };

static void check(const struct rec_opt *opts, int64_t count, double share, const char *way)
{
    struct rec_buf line = {0};
    assert(count >= 1 && count <= 1000);
    assert(share >= 0 && share <= 1);
    assert(strcmp(way, "random") == 0 || strcmp(way, "last") == 0 || strcmp(way, "time") == 0);
    rec_history_add(&line, "rec-fuzz", "0", opts, NULL, 0);
    assert(!line.failed && strchr(line.data, '\n') == line.data + line.len - 1);
    rec_buf_clear(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool quiet = false;
    int64_t count = 10;
    double share = 0.2;
    const char *way = "random", *file = NULL, *text = "";
    struct rec_opt_list list = {.n = 0};
    struct rec_opt opts[] = {
        {'q', "quiet", NULL, REC_OPT_FLAG, &quiet, .flags = REC_OPT_RESULT, .help = "a flag"},
        {'n', "count", "N", REC_OPT_INT, &count, .min = 1, .max = 1000, .flags = REC_OPT_RESULT, .help = "a number"},
        {'s', "share", "SHARE", REC_OPT_REAL, &share, .min = 0, .max = 1, .flags = REC_OPT_RESULT, .help = "a share"},
        {'w', "way", "WAY", REC_OPT_CHOICE, &way, .choices = "random|last|time", .flags = REC_OPT_RESULT, .help = "a choice"},
        {'o', "output", "FILE", REC_OPT_FILE, &file, .help = "a file"},
        {0, "text", "TEXT", REC_OPT_TEXT, &text, .flags = REC_OPT_RESULT, .help = "a text"},
        {'l', "list", "TEXT", REC_OPT_LIST, &list, .flags = REC_OPT_RESULT, .help = "a list"},
        {0},
    };
    char *words = strndup((const char *)data, size), *argv[WORDS + 1] = {words}, *rest = words;
    struct rec_err err = {0};
    int argc = 1;
    assert(words != NULL);
    for (char *word; argc < WORDS && (word = strsep(&rest, "\n")) != NULL;)
        argv[argc++] = word;
    if (rec_opt_parse(opts, argc, argv, &err) < 0)
        assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
    else
        check(opts, count, share, way);
    free(words);
    return 0;
}
