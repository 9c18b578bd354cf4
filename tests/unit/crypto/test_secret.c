/* SPDX-License-Identifier: MIT
 *
 * Random bytes, comparison, wiping; hexadecimal and base64url, to the letter (RFC 4648, section 10).
 */
#include "bytes.h"

static void random_bytes_differ(void **state)
{
    unsigned char a[32] = {0}, b[32] = {0};
    unsigned seen = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        rec_secret_random(a, sizeof a);
        assert_memory_not_equal(a, b, sizeof a);
        memcpy(b, a, sizeof b);
        seen |= 1u << (a[0] & 31);
    }
    assert_int_equal(seen, UINT32_MAX);
    rec_secret_random(NULL, 0);
}

static void compares(void **state)
{
    unsigned char a[70], b[70];
    (void)state;
    rec_secret_random(a, sizeof a);
    memcpy(b, a, sizeof b);
    assert_true(rec_secret_equal(a, b, sizeof a));
    assert_true(rec_secret_equal(NULL, NULL, 0));
    for (size_t i = 0; i < sizeof a; i++)
        for (int bit = 0; bit < 8; bit++) {
            b[i] ^= (unsigned char)(1 << bit);
            assert_false(rec_secret_equal(a, b, sizeof a));
            assert_true(rec_secret_equal(a, b, i));
            b[i] = a[i];
        }
}

static void wipes(void **state)
{
    char secret[40], zero[40] = {0};
    struct rec_buf buf = {0};
    (void)state;
    rec_secret_random(secret, sizeof secret);
    rec_secret_wipe(secret, sizeof secret);
    assert_memory_equal(secret, zero, sizeof secret);
    rec_secret_wipe(NULL, 0);
    rec_buf_adds(&buf, "hidden");
    rec_secret_clear(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.len, 0);
    rec_secret_clear(&buf);
}

static void hexadecimal(void **state)
{
    unsigned char bytes[256], back[256];
    char text[513];
    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char)i;
    rec_secret_hex(text, bytes, sizeof bytes);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text, "000102", 6);
    assert_string_equal(text + 506, "fdfeff");
    assert_int_equal(rec_secret_unhex(back, 256, text, 512), 0);
    assert_memory_equal(bytes, back, 256);
    assert_int_equal(rec_secret_unhex(back, 2, "aBCd", 4), 0);
    assert_memory_equal(back, "\xab\xcd", 2);
    assert_int_equal(rec_secret_unhex(back, 0, "", 0), 0);
    rec_secret_hex(text, bytes, 0);
    assert_string_equal(text, "");
}

static void hexadecimal_to_the_letter(void **state)
{
    static const char *const wrong[] = {"", "a", "ab", "abc", "abcde", "abcdef", "abcg", "ab d", " bcd", "abc ", "0xab", "ab:c", "-bcd"};
    unsigned char out[8];
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(wrong); i++)
        assert_int_equal(rec_secret_unhex(out, 2, wrong[i], strlen(wrong[i])), -1);
    assert_int_equal(rec_secret_unhex(out, 2, "ab\0d", 4), -1);
}

static void base64(void **state)
{
    static const char *const pairs[][2] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"},
                                           {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};
    char out[16];
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(pairs); i++) {
        struct rec_buf buf = {0};
        size_t n = strlen(pairs[i][0]);
        rec_buf_adds(&buf, "x:");
        rec_secret_base64(&buf, pairs[i][0], n);
        assert_string_equal(buf.data + 2, pairs[i][1]);
        assert_int_equal(buf.len, 2 + strlen(pairs[i][1]));
        assert_int_equal(rec_secret_unbase64(out, sizeof out, pairs[i][1], strlen(pairs[i][1])), n);
        assert_memory_equal(out, pairs[i][0], n);
        rec_buf_clear(&buf);
    }
}

static void base64_of_any_length(void **state)
{
    unsigned char bytes[100], back[100];
    (void)state;
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct rec_buf buf = {0};
        rec_secret_random(bytes, n);
        rec_secret_base64(&buf, bytes, n);
        assert_int_equal(buf.len, (n * 8 + 5) / 6);
        assert_int_equal(rec_secret_unbase64(back, n, buf.data, buf.len), n);
        assert_memory_equal(bytes, back, n);
        if (n > 0)
            assert_int_equal(rec_secret_unbase64(back, n - 1, buf.data, buf.len), -1);
        rec_buf_clear(&buf);
    }
}

/* Padding, the letters of plain base64, blanks, newlines, bits left over, a letter alone. */
static void base64_to_the_letter(void **state)
{
    static const char *const wrong[] = {"Zg==", "Zm8=", "=", "Zg=", "+__+", "/w", "Zm 9v", "Zm9v\n", "Zh", "Zm9", "Z", "Zm9vY", "Zm9v.", "Zm9v\xc3"};
    char out[16];
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(wrong); i++)
        assert_int_equal(rec_secret_unbase64(out, sizeof out, wrong[i], strlen(wrong[i])), -1);
    assert_int_equal(rec_secret_unbase64(out, sizeof out, "Zm\0v", 4), -1);
}

static void names(void **state)
{
    char a[33] = "", b[33] = "";
    unsigned seen = 0;
    (void)state;
    for (int i = 0; i < 200; i++) {
        rec_secret_name(a, 32);
        assert_int_equal(strlen(a), 32);
        assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz234567"), 32);
        assert_string_not_equal(a, b);
        memcpy(b, a, sizeof b);
        for (int k = 0; k < 32; k++)
            seen |= 1u << (a[k] >= 'a' ? a[k] - 'a' : a[k] - '2' + 26);
    }
    assert_int_equal(seen, UINT32_MAX);
    rec_secret_name(a, 0);
    assert_string_equal(a, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(compares),
        cmocka_unit_test(wipes),
        cmocka_unit_test(hexadecimal),
        cmocka_unit_test(hexadecimal_to_the_letter),
        cmocka_unit_test(base64),
        cmocka_unit_test(base64_of_any_length),
        cmocka_unit_test(base64_to_the_letter),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
