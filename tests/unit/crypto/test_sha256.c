/* SPDX-License-Identifier: MIT
 *
 * SHA-256: the examples of FIPS 180-4 (NIST's "SHA-256 examples"), in pieces, and of a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes.h"

#define LONG_MESSAGE "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
#define LONG_DIGEST "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"

static void examples(void **state)
{
    static const struct { const char *text, *hex; } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {LONG_MESSAGE, LONG_DIGEST},
    };
    unsigned char digest[REC_SHA256_BYTES];
    struct rec_sha256 hash;
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++)
        for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
            rec_sha256_begin(&hash);
            rec_sha256_add(&hash, cases[i].text, cut);
            rec_sha256_add(&hash, cases[i].text + cut, strlen(cases[i].text) - cut);
            rec_sha256_end(&hash, digest);
            is_hex(digest, sizeof digest, cases[i].hex);
        }
}

static void of_a_file(void **state)
{
    char path[] = "/tmp/rec-sha256.XXXXXX", hex[2 * REC_SHA256_BYTES + 1];
    struct rec_err err = {0};
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, LONG_MESSAGE, strlen(LONG_MESSAGE)), (ssize_t)strlen(LONG_MESSAGE));
    close(fd);
    assert_int_equal(rec_sha256_file(hex, path, &err), 0);
    assert_string_equal(hex, LONG_DIGEST);
    unlink(path);
    assert_int_equal(rec_sha256_file(hex, path, &err), -1);
    assert_non_null(strstr(err.text, "o such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
