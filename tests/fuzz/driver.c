/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over files, and those in folders: what once broke must not break again. For compilers without libFuzzer.
 *
 *     fuzz_csv tests/fuzz/corpus/fuzz_csv
 */
#include <rec/util.h>

#include <dirent.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs;

static int run_file(const char *path)
{
    struct rec_in in;
    struct rec_err err = {0};
    if (rec_in_open(&in, path, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    /* A copy of its own, so that a sanitizer sees a read beyond the end. */
    unsigned char *copy = malloc(in.len ? in.len : 1);
    if (copy != NULL && in.len > 0)
        memcpy(copy, in.data, in.len);
    if (copy != NULL)
        LLVMFuzzerTestOneInput(copy, in.len);
    free(copy);
    rec_in_close(&in);
    inputs++;
    return 0;
}

static int run_folder(DIR *dir, const char *path)
{
    int result = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct rec_buf name = {0};
        if (entry->d_name[0] == '.')
            continue;
        rec_buf_addf(&name, "%s/%s", path, entry->d_name);
        if (name.failed || run_file(name.data) < 0)
            result = -1;
        rec_buf_clear(&name);
    }
    closedir(dir);
    return result;
}

int main(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if ((dir ? run_folder(dir, argv[i]) : run_file(argv[i])) < 0)
            status = 1;
    }
    printf("%s: %zu inputs\n", argv[0], inputs);
    return status || inputs == 0;
}
