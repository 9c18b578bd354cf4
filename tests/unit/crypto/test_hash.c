/* SPDX-License-Identifier: MIT
 *
 * BLAKE2b-256. RFC 7693 prints digests of 512 bits; its self-test (appendix E) goes over digests of 256 bits too, and that part of it is
 * here. What it must come to is from Python's hashlib, which passes the whole self-test.
 */
#include "bytes.h"

/* The RFC's selftest_seq. */
static void sequence(unsigned char *out, size_t len, uint32_t seed)
{
    uint32_t a = 0xDEAD4BAD * seed, b = 1;
    for (size_t i = 0; i < len; i++) {
        uint32_t t = a + b;
        a = b;
        b = t;
        out[i] = (unsigned char)(t >> 24);
    }
}

static void self_test_of_rfc_7693(void **state)
{
    static const size_t lengths[] = {0, 3, 128, 129, 255, 1024};
    unsigned char in[1024], key[32], digest[REC_HASH_BYTES];
    struct rec_hash all;
    (void)state;
    rec_hash_begin(&all, NULL);
    for (size_t i = 0; i < REC_LENGTH(lengths); i++) {
        sequence(in, lengths[i], (uint32_t)lengths[i]);
        rec_hash(digest, in, lengths[i], NULL);
        rec_hash_add(&all, digest, sizeof digest);
        sequence(key, sizeof key, sizeof key);
        rec_hash(digest, in, lengths[i], key);
        rec_hash_add(&all, digest, sizeof digest);
    }
    rec_hash_end(&all, digest);
    is_hex(digest, sizeof digest, "0e7fcfd0480d6f3567c2b83fb286726669708471d0d8820c18a8d46b92d66d4e");
}

static void known_digests(void **state)
{
    unsigned char digest[REC_HASH_BYTES], key[REC_KEY_BYTES], all[256];
    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    memcpy(key, all, sizeof key);
    rec_hash(digest, "abc", 3, NULL);
    is_hex(digest, sizeof digest, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    rec_hash(digest, NULL, 0, NULL);
    is_hex(digest, sizeof digest, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    rec_hash(digest, "", 0, key);
    is_hex(digest, sizeof digest, "4e51e7a913fc80137da52880fecca175bf81e117d5c68126dc2774033517ea0d");
    rec_hash(digest, all, sizeof all, key);
    is_hex(digest, sizeof digest, "b42be36ea26392f67d1d3706ffa72b6c61c2ff38e1fabd9a49e154d54b967d83");
}

static void in_any_pieces(void **state)
{
    unsigned char bytes[600], whole[REC_HASH_BYTES], parts[REC_HASH_BYTES];
    (void)state;
    rec_secret_random(bytes, sizeof bytes);
    rec_hash(whole, bytes, sizeof bytes, bytes);
    for (size_t piece = 1; piece < sizeof bytes; piece += 1 + piece / 3) {
        struct rec_hash hash;
        rec_hash_begin(&hash, bytes);
        for (size_t at = 0; at < sizeof bytes; at += piece)
            rec_hash_add(&hash, bytes + at, sizeof bytes - at < piece ? sizeof bytes - at : piece);
        rec_hash_add(&hash, NULL, 0);
        rec_hash_end(&hash, parts);
        assert_memory_equal(whole, parts, sizeof whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(self_test_of_rfc_7693),
        cmocka_unit_test(known_digests),
        cmocka_unit_test(in_any_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
