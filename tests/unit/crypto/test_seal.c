/* SPDX-License-Identifier: MIT
 *
 * Sealed texts: the vector of draft-irtf-cfrg-xchacha-03, appendix A.3.1; every bit flipped, every cut, another place, another key.
 */
#include "bytes.h"

static struct rec_err err;

static const unsigned char key[REC_KEY_BYTES] = {1, 2, 3};
static const char about[] = "accounts.email:17";

static int opens(const void *sealed, size_t n, const void *place, size_t place_len, const unsigned char *with)
{
    struct rec_buf out = {0};
    int status;
    /* memory of exactly that size, so that a sanitizer sees a step beyond */
    unsigned char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n > 0)
        memcpy(copy, sealed, n);
    err = (struct rec_err){0};
    rec_buf_adds(&out, "before");
    status = rec_seal_open(&out, copy, n, place, place_len, with, &err);
    if (status < 0) {
        is_message(&err);
        assert_string_equal(out.data, "before");
        assert_int_equal(out.len, 6);
    }
    free(copy);
    rec_buf_clear(&out);
    return status;
}

static void vector_of_the_draft(void **state)
{
    struct bytes k = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    struct bytes place = hex("50515253c0c1c2c3c4c5c6c7");
    struct bytes sealed = hex("404142434445464748494a4b4c4d4e4f5051525354555657"
                              "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96"
                              "b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e"
                              "c0875924c1c7987947deafd8780acf49");
    struct rec_buf out = {0};
    (void)state;
    assert_int_equal(rec_seal_open(&out, sealed.data, sealed.len, place.data, place.len, k.data, &err), 0);
    assert_string_equal(out.data, "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                                  "sunscreen would be it.");
    rec_buf_clear(&out);
}

static void of_any_length(void **state)
{
    unsigned char plain[300];
    (void)state;
    rec_secret_random(plain, sizeof plain);
    for (size_t n = 0; n <= sizeof plain; n++) {
        struct rec_buf sealed = {0}, out = {0};
        assert_int_equal(rec_seal(&sealed, plain, n, about, n % 18, key, &err), 0);
        assert_int_equal(sealed.len, n + REC_SEAL_OVERHEAD);
        assert_int_equal(rec_seal_open(&out, sealed.data, sealed.len, about, n % 18, key, &err), 0);
        assert_int_equal(out.len, n);
        assert_memory_equal(out.data, plain, n);
        assert_int_equal(out.data[n], 0);
        rec_buf_clear(&sealed);
        rec_buf_clear(&out);
    }
}

static void twice_is_not_the_same(void **state)
{
    struct rec_buf sealed = {0};
    (void)state;
    assert_int_equal(rec_seal(&sealed, "ann@example.org", 15, about, 17, key, &err), 0);
    assert_int_equal(rec_seal(&sealed, "ann@example.org", 15, about, 17, key, &err), 0);
    assert_int_equal(sealed.len, 110);
    for (size_t i = 0; i + 8 <= 55; i++) /* no eight bytes alike at one place: neither nonce nor text */
        assert_memory_not_equal(sealed.data + i, sealed.data + 55 + i, 8);
    assert_null(memmem(sealed.data, sealed.len, "example", 7));
    rec_buf_clear(&sealed);
}

static void every_bit_and_every_cut(void **state)
{
    struct rec_buf sealed = {0};
    (void)state;
    assert_int_equal(rec_seal(&sealed, "ann@example.org", 15, about, 17, key, &err), 0);
    assert_int_equal(opens(sealed.data, sealed.len, about, 17, key), 0);
    for (size_t i = 0; i < 8 * sealed.len; i++) {
        sealed.data[i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(opens(sealed.data, sealed.len, about, 17, key), -1);
        sealed.data[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t n = 0; n < sealed.len; n++) {
        assert_int_equal(opens(sealed.data, n, about, 17, key), -1);
        assert_int_equal(opens(sealed.data + n + 1, sealed.len - n - 1, about, 17, key), -1);
    }
    rec_buf_addc(&sealed, 0);
    assert_int_equal(opens(sealed.data, sealed.len, about, 17, key), -1);
    rec_buf_clear(&sealed);
}

static void another_place_or_key(void **state)
{
    struct rec_buf sealed = {0};
    unsigned char other[REC_KEY_BYTES];
    (void)state;
    assert_int_equal(rec_seal(&sealed, "ann@example.org", 15, about, 17, key, &err), 0);
    assert_int_equal(opens(sealed.data, sealed.len, "accounts.email:18", 17, key), -1);
    assert_int_equal(opens(sealed.data, sealed.len, about, 16, key), -1);
    assert_int_equal(opens(sealed.data, sealed.len, about, 18, key), -1);
    assert_int_equal(opens(sealed.data, sealed.len, NULL, 0, key), -1);
    for (size_t i = 0; i < 8 * sizeof key; i++) {
        memcpy(other, key, sizeof key);
        other[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_int_equal(opens(sealed.data, sealed.len, about, 17, other), -1);
    }
    assert_string_equal(err.text, "sealed text: was changed, or moved here from another place, or sealed with another key");
    rec_buf_clear(&sealed);
}

static void no_size_is_too_large(void **state)
{
    struct rec_buf out = {0};
    (void)state;
    assert_int_equal(rec_seal(&out, "", SIZE_MAX - 8, NULL, 0, key, &err), -1);
    is_message(&err);
    rec_buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_of_the_draft),
        cmocka_unit_test(of_any_length),
        cmocka_unit_test(twice_is_not_the_same),
        cmocka_unit_test(every_bit_and_every_cut),
        cmocka_unit_test(another_place_or_key),
        cmocka_unit_test(no_size_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
