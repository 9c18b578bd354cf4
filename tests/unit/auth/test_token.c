/* SPDX-License-Identifier: MIT
 *
 * Tokens: issued and read back, for both algorithms and over a rotation of keys; and every way to forge one that RFC 8725 knows.
 */
#include <rec/auth.h>

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1800000000 };

static struct rec_err err;
static struct rec_keyring ring = {.n = 2, .newest = 2, .version = {1, 2}};

static void make_ring(void)
{
    memset(ring.key[0], 'a', REC_KEY_BYTES);
    memset(ring.key[1], 'b', REC_KEY_BYTES);
}

static void make_keys(struct rec_token_keys *keys, enum rec_token_alg alg)
{
    make_ring();
    assert_int_equal(rec_token_keys_from(keys, &ring, alg, "https://rec.example.org", "rec", &err), 0);
}

static struct rec_token_claims claims_of(void)
{
    return (struct rec_token_claims){.subject = "acc17", .id = "id-1", .scope = "recommend feedback", .issued = NOW, .expires = NOW + 900};
}

static enum rec_token_verdict check(const struct rec_token_keys *keys, const char *text, size_t len, int64_t now)
{
    struct rec_token_claims found;
    enum rec_token_verdict verdict = rec_token_check(&found, keys, text, len, REC_TOKEN_ACCESS, now);

    if (verdict != REC_TOKEN_VALID)
        assert_int_equal(found.subject[0], 0);
    return verdict;
}

static void issued_and_read(void **state)
{
    static struct rec_token_keys keys;
    struct rec_token_claims claims, found;
    struct rec_buf text = {0};

    (void)state;
    for (int alg = REC_TOKEN_HS256; alg <= REC_TOKEN_EDDSA; alg++) {
        make_keys(&keys, (enum rec_token_alg)alg);
        assert_string_equal(keys.key[keys.signing].id, alg == REC_TOKEN_HS256 ? "h2" : "e2");
        claims = claims_of();
        assert_int_equal(rec_token_issue(&text, &keys, &claims, &err), 0);
        assert_int_equal(rec_token_check(&found, &keys, text.data, text.len, REC_TOKEN_ACCESS, NOW), REC_TOKEN_VALID);
        assert_string_equal(found.subject, "acc17");
        assert_string_equal(found.id, "id-1");
        assert_string_equal(found.scope, "recommend feedback");
        assert_int_equal(found.issued, NOW);
        assert_int_equal(found.not_before, NOW);
        assert_int_equal(found.expires, NOW + 900);
        rec_buf_reset(&text);
    }
    claims.id[0] = 0;
    assert_int_equal(rec_token_issue(&text, &keys, &claims, &err), 0);
    assert_int_equal(strlen(claims.id), 32);
    rec_buf_clear(&text);
    rec_token_keys_clear(&keys);
}

static void moments(void **state)
{
    static struct rec_token_keys keys;
    struct rec_token_claims claims = claims_of();
    struct rec_buf text = {0};

    (void)state;
    make_keys(&keys, REC_TOKEN_HS256);
    assert_int_equal(rec_token_issue(&text, &keys, &claims, &err), 0);
    assert_int_equal(check(&keys, text.data, text.len, NOW + 899), REC_TOKEN_VALID);
    assert_int_equal(check(&keys, text.data, text.len, NOW + 900), REC_TOKEN_EXPIRED);
    assert_int_equal(check(&keys, text.data, text.len, NOW - REC_TOKEN_SKEW), REC_TOKEN_VALID);
    assert_int_equal(check(&keys, text.data, text.len, NOW - REC_TOKEN_SKEW - 1), REC_TOKEN_EARLY);
    rec_buf_reset(&text);
    claims.not_before = NOW + 300;
    assert_int_equal(rec_token_issue(&text, &keys, &claims, &err), 0);
    assert_int_equal(check(&keys, text.data, text.len, NOW + 10), REC_TOKEN_EARLY);
    assert_int_equal(check(&keys, text.data, text.len, NOW + 300), REC_TOKEN_VALID);
    rec_buf_clear(&text);
}

static void other_places(void **state)
{
    static struct rec_token_keys keys, other;
    struct rec_token_claims claims = claims_of(), found;
    struct rec_buf text = {0};

    (void)state;
    make_keys(&keys, REC_TOKEN_EDDSA);
    claims.kind = REC_TOKEN_REFRESH;
    assert_int_equal(rec_token_issue(&text, &keys, &claims, &err), 0);
    assert_int_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_ELSEWHERE);
    assert_int_equal(rec_token_check(&found, &keys, text.data, text.len, REC_TOKEN_REFRESH, NOW), REC_TOKEN_VALID);
    rec_buf_reset(&text);
    claims.kind = REC_TOKEN_ACCESS;
    assert_int_equal(rec_token_keys_from(&other, &ring, REC_TOKEN_EDDSA, "https://rec.example.org", "other", &err), 0);
    assert_int_equal(rec_token_issue(&text, &other, &claims, &err), 0);
    assert_int_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_ELSEWHERE);
    rec_buf_reset(&text);
    assert_int_equal(rec_token_keys_from(&other, &ring, REC_TOKEN_EDDSA, "https://evil.example.org", "rec", &err), 0);
    assert_int_equal(rec_token_issue(&text, &other, &claims, &err), 0);
    assert_int_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_ELSEWHERE);
    rec_buf_clear(&text);
}

static void rotation(void **state)
{
    static struct rec_token_keys before, after, pruned;
    struct rec_token_claims claims = claims_of();
    struct rec_keyring one = {.n = 1, .newest = 1, .version = {1}}, two = {.n = 1, .newest = 2, .version = {2}};
    struct rec_buf text = {0};

    (void)state;
    make_ring();
    memcpy(one.key[0], ring.key[0], REC_KEY_BYTES);
    memcpy(two.key[0], ring.key[1], REC_KEY_BYTES);
    assert_int_equal(rec_token_keys_from(&before, &one, REC_TOKEN_HS256, "https://rec.example.org", "rec", &err), 0);
    make_keys(&after, REC_TOKEN_EDDSA);
    assert_int_equal(rec_token_keys_from(&pruned, &two, REC_TOKEN_EDDSA, "https://rec.example.org", "rec", &err), 0);
    assert_int_equal(rec_token_issue(&text, &before, &claims, &err), 0);
    assert_int_equal(check(&after, text.data, text.len, NOW), REC_TOKEN_VALID);
    assert_int_equal(check(&pruned, text.data, text.len, NOW), REC_TOKEN_UNKNOWN_KEY);
    rec_buf_clear(&text);
}

/* Every byte of a token, changed to some others, and every shorter or longer token: never valid. */
static void damaged(void **state)
{
    static const char letters[] = "Aa0-_.=+ /\n\x80";
    static struct rec_token_keys keys;
    struct rec_token_claims claims = claims_of();
    struct rec_buf text = {0};

    (void)state;
    for (int alg = REC_TOKEN_HS256; alg <= REC_TOKEN_EDDSA; alg++) {
        rec_buf_reset(&text);
        make_keys(&keys, (enum rec_token_alg)alg);
        assert_int_equal(rec_token_issue(&text, &keys, &claims, &err), 0);
        for (size_t i = 0; i < text.len; i++) {
            char was = text.data[i];

            for (const char *c = letters; *c; c++)
                if (*c != was) {
                    text.data[i] = *c;
                    if (check(&keys, text.data, text.len, NOW) == REC_TOKEN_VALID)
                        fail_msg("letter %zu of %zu: %d for %d", i, text.len, *c, was);
                }
            text.data[i] = was;
            assert_int_not_equal(check(&keys, text.data, i, NOW), REC_TOKEN_VALID);
        }
        assert_int_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_VALID);
        for (const char *c = letters; *c; c++) {
            rec_buf_addc(&text, *c);
            assert_int_not_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_VALID);
            text.len--;
        }
    }
    rec_buf_clear(&text);
}

/* HEADER.CLAIMS signed in the right way, whatever they say. */
static void forge(struct rec_buf *out, const struct rec_token_key *key, const char *header, const char *claims)
{
    unsigned char signature[REC_SIGN_BYTES];

    rec_buf_reset(out);
    rec_secret_base64(out, header, strlen(header));
    rec_buf_addc(out, '.');
    rec_secret_base64(out, claims, strlen(claims));
    if (key->alg == REC_TOKEN_EDDSA)
        rec_sign(signature, out->data, out->len, key->secret);
    else
        rec_mac(signature, out->data, out->len, key->secret);
    rec_buf_addc(out, '.');
    rec_secret_base64(out, signature, key->alg == REC_TOKEN_EDDSA ? REC_SIGN_BYTES : REC_MAC_BYTES);
}

#define H "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\"}"
#define C(more) "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":\"a\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000," \
                "\"exp\":1800000900" more "}"

static void headers(void **state)
{
    static const struct { enum rec_token_verdict verdict; const char *header; } cases[] = {
        {REC_TOKEN_VALID, H},
        {REC_TOKEN_VALID, "{\"typ\":\"at+jwt\", \"kid\":\"h2\",\n \"alg\":\"HS256\"}"},
        {REC_TOKEN_FORGED, "{\"alg\":\"none\",\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_FORGED, "{\"alg\":\"NONE\",\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_FORGED, "{\"alg\":\"hs256\",\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_FORGED, "{\"alg\":\"HS512\",\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_FORGED, "{\"alg\":\"\",\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_FORGED, "{\"alg\":\"HS256\",\"kid\":\"e2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_FORGED, "{\"alg\":\"EdDSA\",\"kid\":\"e2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_FORGED, "{\"alg\":\"HS256\",\"kid\":\"h1\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_UNKNOWN_KEY, "{\"alg\":\"HS256\",\"kid\":\"h3\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_UNKNOWN_KEY, "{\"alg\":\"HS256\",\"kid\":\"\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_UNKNOWN_KEY, "{\"alg\":\"HS256\",\"kid\":\"../../dev/null\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_UNKNOWN_KEY, "{\"alg\":\"HS256\",\"kid\":\"h2' OR '1'='1\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":2,\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":[\"HS256\"],\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":null,\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_MALFORMED, "{\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"JWT\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"AT+JWT\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\",\"crit\":[\"exp\"]}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\",\"b64\":false}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\",\"jku\":\"https://evil.example.org/keys\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\",\"x5u\":\"https://evil.example.org\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\",\"zip\":\"DEF\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\\u0000none\",\"kid\":\"h2\",\"typ\":\"at+jwt\"}"},
        {REC_TOKEN_MALFORMED, H "x"}, {REC_TOKEN_MALFORMED, "[" H "]"}, {REC_TOKEN_MALFORMED, "\xef\xbb\xbf" H}, {REC_TOKEN_MALFORMED, "{}"},
        {REC_TOKEN_MALFORMED, "null"}, {REC_TOKEN_MALFORMED, "{\"alg\":\"HS256\",\"kid\":\"h2\",\"typ\":\"at+jwt\""},
    };
    static struct rec_token_keys keys;
    struct rec_buf text = {0};

    (void)state;
    make_keys(&keys, REC_TOKEN_HS256);
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        forge(&text, &keys.key[keys.signing], cases[i].header, C(""));
        if (check(&keys, text.data, text.len, NOW) != cases[i].verdict)
            fail_msg("%d, not %d: %s", check(&keys, text.data, text.len, NOW), cases[i].verdict, cases[i].header);
    }
    rec_buf_clear(&text);
}

static void claims_by_type(void **state)
{
    static const struct { enum rec_token_verdict verdict; const char *claims; } cases[] = {
        {REC_TOKEN_VALID, C("")},
        {REC_TOKEN_VALID, C(",\"scope\":\"\",\"more\":{\"x\":1}")},
        {REC_TOKEN_MALFORMED, C(",\"scope\":7")},
        {REC_TOKEN_MALFORMED, C(",\"exp\":9999999999")},
        {REC_TOKEN_MALFORMED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":\"a\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000}"},
        {REC_TOKEN_MALFORMED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":\"a\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":\"1800000900\"}"},
        {REC_TOKEN_MALFORMED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":\"a\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1.8e9}"},
        {REC_TOKEN_MALFORMED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":\"a\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":99999999999999999999}"},
        {REC_TOKEN_MALFORMED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":\"a\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":true}"},
        {REC_TOKEN_EXPIRED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":\"a\",\"jti\":\"j\",\"iat\":0,\"nbf\":0,\"exp\":-1}"},
        {REC_TOKEN_MALFORMED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800000900}"},
        {REC_TOKEN_MALFORMED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":\"\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800000900}"},
        {REC_TOKEN_MALFORMED, "{\"iss\":\"https://rec.example.org\",\"aud\":\"rec\",\"sub\":17,\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800000900}"},
        {REC_TOKEN_ELSEWHERE, "{\"iss\":\"https://rec.example.org\",\"aud\":[\"rec\"],\"sub\":\"a\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800000900}"},
        {REC_TOKEN_ELSEWHERE, "{\"aud\":\"rec\",\"sub\":\"a\",\"jti\":\"j\",\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800000900}"},
        {REC_TOKEN_MALFORMED, "[]"}, {REC_TOKEN_MALFORMED, "{}"}, {REC_TOKEN_MALFORMED, "\"text\""}, {REC_TOKEN_MALFORMED, C("") "{}"},
    };
    static struct rec_token_keys keys;
    struct rec_buf text = {0};

    (void)state;
    make_keys(&keys, REC_TOKEN_HS256);
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        forge(&text, &keys.key[keys.signing], H, cases[i].claims);
        if (check(&keys, text.data, text.len, NOW) != cases[i].verdict)
            fail_msg("%d, not %d: %s", check(&keys, text.data, text.len, NOW), cases[i].verdict, cases[i].claims);
    }
    rec_buf_clear(&text);
}

/* The oldest trick: the public key of EdDSA, taken for a secret of HS256; and a signature that is not there. */
static void confusion(void **state)
{
    static struct rec_token_keys keys;
    struct rec_token_key fake = {.alg = REC_TOKEN_HS256};
    struct rec_buf text = {0};
    char *dot;

    (void)state;
    make_keys(&keys, REC_TOKEN_EDDSA);
    memcpy(fake.secret, keys.key[keys.signing].public_key, REC_KEY_BYTES);
    forge(&text, &fake, "{\"alg\":\"HS256\",\"kid\":\"e2\",\"typ\":\"at+jwt\"}", C(""));
    assert_int_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_FORGED);
    forge(&text, &fake, "{\"alg\":\"EdDSA\",\"kid\":\"e2\",\"typ\":\"at+jwt\"}", C(""));
    assert_int_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_FORGED);
    forge(&text, &keys.key[keys.signing], "{\"alg\":\"EdDSA\",\"kid\":\"e2\",\"typ\":\"at+jwt\"}", C(""));
    assert_int_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_VALID);
    dot = memrchr(text.data, '.', text.len);
    assert_int_equal(check(&keys, text.data, (size_t)(dot - text.data), NOW), REC_TOKEN_MALFORMED);
    assert_int_equal(check(&keys, text.data, (size_t)(dot - text.data) + 1, NOW), REC_TOKEN_MALFORMED);
    assert_int_equal(check(&keys, "", 0, NOW), REC_TOKEN_MALFORMED);
    assert_int_equal(check(&keys, "..", 2, NOW), REC_TOKEN_MALFORMED);
    rec_buf_reset(&text);
    for (int i = 0; i < 5000; i++)
        rec_buf_addc(&text, i % 1000 ? 'A' : '.');
    assert_int_equal(check(&keys, text.data, text.len, NOW), REC_TOKEN_MALFORMED);
    rec_buf_clear(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(issued_and_read), cmocka_unit_test(moments), cmocka_unit_test(other_places), cmocka_unit_test(rotation),
        cmocka_unit_test(damaged), cmocka_unit_test(headers), cmocka_unit_test(claims_by_type), cmocka_unit_test(confusion),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
