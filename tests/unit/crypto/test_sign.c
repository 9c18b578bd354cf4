/* SPDX-License-Identifier: MIT
 *
 * Ed25519: the tests 1 to 3 and SHA(abc) of RFC 8032, section 7.1; changed signatures, keys and messages.
 */
#include "bytes.h"

struct vector {
    const char *seed, *public_key, *message, *signature;
};

static const struct vector vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42", "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"},
};

static void vectors_of_rfc_8032(void **state)
{
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(vectors); i++) {
        struct bytes seed = hex(vectors[i].seed), message = hex(vectors[i].message);
        unsigned char public_key[REC_SIGN_PUBLIC], secret_key[REC_SIGN_SECRET], signature[REC_SIGN_BYTES];
        rec_sign_keys_from(public_key, secret_key, seed.data);
        is_hex(public_key, sizeof public_key, vectors[i].public_key);
        rec_sign(signature, message.data, message.len, secret_key);
        is_hex(signature, sizeof signature, vectors[i].signature);
        assert_true(rec_sign_verify(signature, message.data, message.len, public_key));
    }
}

static void every_change_is_seen(void **state)
{
    unsigned char public_key[REC_SIGN_PUBLIC], secret_key[REC_SIGN_SECRET], signature[REC_SIGN_BYTES];
    char message[] = "promote model 7";
    (void)state;
    rec_sign_keys(public_key, secret_key);
    rec_sign(signature, message, sizeof message, secret_key);
    assert_true(rec_sign_verify(signature, message, sizeof message, public_key));
    assert_false(rec_sign_verify(signature, message, sizeof message - 1, public_key));
    for (size_t i = 0; i < sizeof signature; i++) {
        signature[i] ^= 0x20;
        assert_false(rec_sign_verify(signature, message, sizeof message, public_key));
        signature[i] ^= 0x20;
    }
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] ^= 1;
        assert_false(rec_sign_verify(signature, message, sizeof message, public_key));
        message[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof public_key; i++) {
        public_key[i] ^= 4;
        assert_false(rec_sign_verify(signature, message, sizeof message, public_key));
        public_key[i] ^= 4;
    }
}

/* S + L is another way to write the same signature (RFC 8032, section 5.1.7); a public key of small order signs anything. */
static void only_one_form_is_taken(void **state)
{
    static const unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10};
    struct bytes signature = hex(vectors[1].signature), message = hex(vectors[1].message), key = hex(vectors[1].public_key);
    unsigned char zero[REC_SIGN_BYTES] = {0}, small[REC_SIGN_PUBLIC] = {1};
    unsigned carry = 0;
    (void)state;
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)signature.data[32 + i] + order[i];
        signature.data[32 + i] = (unsigned char)carry;
        carry >>= 8;
    }
    assert_false(rec_sign_verify(signature.data, message.data, message.len, key.data));
    zero[0] = 1;
    assert_false(rec_sign_verify(zero, message.data, message.len, small));
}

static void keys_differ(void **state)
{
    unsigned char a[REC_SIGN_PUBLIC], b[REC_SIGN_PUBLIC], secret_key[REC_SIGN_SECRET];
    (void)state;
    rec_sign_keys(a, secret_key);
    rec_sign_keys(b, secret_key);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_8032),
        cmocka_unit_test(every_change_is_seen),
        cmocka_unit_test(only_one_form_is_taken),
        cmocka_unit_test(keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
