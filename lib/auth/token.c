/* SPDX-License-Identifier: MIT
 *
 * Compact JWS tokens: HEADER.CLAIMS.SIGNATURE, each base64url (RFC 7515, RFC 7519), in the way RFC 8725 asks for.
 *
 * The header is read only to find the key. Which algorithm verifies is the key's own property; the header has to agree with it. Claims
 * are read after the signature verified, and by their exact types.
 */
#include <rec/auth.h>
#include <rec/format.h>

#include <stdlib.h>
#include <string.h>

const char *const rec_token_verdicts[] = {
    "valid", "malformed", "signed with an unknown key", "the signature does not verify", "expired", "not valid yet", "not for this service",
};

static const char *const algs[] = {"HS256", "EdDSA"};
/* RFC 9068 names the first; the second is ours. A token without either is none of ours. */
static const char *const kinds[] = {"at+jwt", "rt+jwt"};

/* ---- keys ---- */

/* An EdDSA pair costs as much as a whole request: where tokens are signed with HS256, few processes meet one that needs it (`pair`: make it now). */
static int derive(struct rec_token_key *key, const struct rec_keyring *ring, size_t i, enum rec_token_alg alg, bool pair, struct rec_err *err)
{
    static const char *const words[] = {"rec token HS256", "rec token EdDSA"};
    unsigned char root[REC_KEY_BYTES], seed[REC_HASH_BYTES];

    if (rec_keyring_derive(root, ring, ring->version[i], REC_KEY_TOKEN, err) < 0)
        return -1;
    *key = (struct rec_token_key){.alg = alg};
    snprintf(key->id, sizeof key->id, "%c%u", alg == REC_TOKEN_HS256 ? 'h' : 'e', (unsigned)ring->version[i]);
    rec_hash(seed, words[alg], strlen(words[alg]), root);
    key->seed = alg == REC_TOKEN_EDDSA && !pair;
    if (alg == REC_TOKEN_HS256 || key->seed)
        memcpy(key->secret, seed, sizeof seed);
    else
        rec_sign_keys_from(key->public_key, key->secret, seed);
    rec_secret_wipe(root, sizeof root);
    rec_secret_wipe(seed, sizeof seed);
    return 0;
}

static int copy_name(char *out, size_t room, const char *text, const char *what, struct rec_err *err)
{
    size_t len = strlen(text);

    if (!len || len >= room || !rec_json_utf8(text, len))
        return rec_err_set(err, "%s of tokens: 1 to %zu bytes of UTF-8", what, room - 1);
    memcpy(out, text, len + 1);
    return 0;
}

int rec_token_keys_from(struct rec_token_keys *out, const struct rec_keyring *ring, enum rec_token_alg alg, const char *issuer,
                        const char *audience, struct rec_err *err)
{
    *out = (struct rec_token_keys){0};
    if (copy_name(out->issuer, sizeof out->issuer, issuer, "issuer", err) < 0 ||
        copy_name(out->audience, sizeof out->audience, audience, "audience", err) < 0)
        return -1;
    for (size_t i = 0; i < ring->n; i++)
        for (int a = REC_TOKEN_HS256; a <= REC_TOKEN_EDDSA; a++) {
            if (derive(&out->key[out->n], ring, i, (enum rec_token_alg)a, alg == REC_TOKEN_EDDSA, err) < 0) {
                rec_token_keys_clear(out);
                return -1;
            }
            if (ring->version[i] == ring->newest && a == (int)alg)
                out->signing = out->n;
            out->n++;
        }
    return out->n ? 0 : rec_err_set(err, "keyring: there is no key to sign tokens with");
}

void rec_token_keys_clear(struct rec_token_keys *keys)
{
    rec_secret_wipe(keys, sizeof *keys);
}

/* ---- issuing ---- */

static void add_part(struct rec_buf *out, const struct rec_buf *json)
{
    if (json->failed)
        out->failed = true;
    else
        rec_secret_base64(out, json->data, json->len);
}

static void add_text(struct rec_json *j, const char *key, const char *text)
{
    rec_json_text(j, key, text, strlen(text));
}

static void write_header(struct rec_buf *json, const struct rec_token_key *key, enum rec_token_kind kind)
{
    struct rec_json j = {.out = json, .flat = true};

    rec_json_object(&j, NULL);
    add_text(&j, "alg", algs[key->alg]);
    add_text(&j, "kid", key->id);
    add_text(&j, "typ", kinds[kind]);
    rec_json_end(&j);
}

static void write_claims(struct rec_buf *json, const struct rec_token_keys *keys, const struct rec_token_claims *c)
{
    struct rec_json j = {.out = json, .flat = true};

    rec_json_object(&j, NULL);
    add_text(&j, "iss", keys->issuer);
    add_text(&j, "aud", keys->audience);
    add_text(&j, "sub", c->subject);
    add_text(&j, "jti", c->id);
    rec_json_int(&j, "iat", c->issued);
    rec_json_int(&j, "nbf", c->not_before ? c->not_before : c->issued);
    rec_json_int(&j, "exp", c->expires);
    if (c->scope[0])
        add_text(&j, "scope", c->scope);
    if (c->family[0])
        add_text(&j, "fam", c->family);
    rec_json_end(&j);
}

static size_t sign(unsigned char out[REC_SIGN_BYTES], const struct rec_token_key *key, const char *text, size_t len)
{
    if (key->alg == REC_TOKEN_EDDSA) {
        rec_sign(out, text, len, key->secret);
        return REC_SIGN_BYTES;
    }
    rec_mac(out, text, len, key->secret);
    return REC_MAC_BYTES;
}

int rec_token_issue(struct rec_buf *out, const struct rec_token_keys *keys, struct rec_token_claims *claims, struct rec_err *err)
{
    const struct rec_token_key *key = &keys->key[keys->signing];
    unsigned char signature[REC_SIGN_BYTES];
    struct rec_buf json = {0};
    size_t begin = out->len, n;

    if (!claims->id[0])
        rec_secret_name(claims->id, sizeof claims->id - 1);
    write_header(&json, key, claims->kind);
    add_part(out, &json);
    rec_buf_addc(out, '.');
    rec_buf_reset(&json);
    write_claims(&json, keys, claims);
    add_part(out, &json);
    rec_buf_clear(&json);
    if (out->failed)
        return rec_err_memory(err, "token");
    n = sign(signature, key, out->data + begin, out->len - begin);
    rec_buf_addc(out, '.');
    rec_secret_base64(out, signature, n);
    return out->failed ? rec_err_memory(err, "token") : 0;
}

/* ---- checking ---- */

struct parts {
    const char *header, *claims, *signature;
    size_t header_len, claims_len, signature_len, signed_len;
};

/* Exactly two dots, three parts that are not empty. */
static int cut(struct parts *p, const char *text, size_t len)
{
    const char *first = memchr(text, '.', len), *end = text + len, *second;

    second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
        return -1;
    *p = (struct parts){text, first + 1, second + 1, (size_t)(first - text), (size_t)(second - first - 1), (size_t)(end - second - 1),
                        (size_t)(second - text)};
    return p->header_len && p->claims_len && p->signature_len ? 0 : -1;
}

/* One part as JSON, an object; NULL when it is not. `decoded` is room for REC_TOKEN_LONGEST bytes. */
static struct rec_json_value *read_part(char *decoded, const char *text, size_t len)
{
    ptrdiff_t n = rec_secret_unbase64(decoded, REC_TOKEN_LONGEST, text, len);

    /* Objects alone: an array has no members, which the callers would take for claims that are missing. */
    return n > 1 && decoded[0] == '{' ? rec_json_read("token", decoded, (size_t)n, NULL) : NULL;
}

static bool is(const struct rec_json_value *object, const char *name, const char *want)
{
    const char *text = rec_json_string(rec_json_get(object, name));

    return text && strcmp(text, want) == 0;
}

/* The key that the header names, when the header says what that key is for and nothing else. */
static enum rec_token_verdict find_key(const struct rec_token_key **key, enum rec_token_kind *kind, const struct rec_token_keys *keys,
                                       const struct rec_json_value *header)
{
    *key = NULL;
    if (rec_json_size(header) != 3 || !rec_json_string(rec_json_get(header, "alg")) || !rec_json_string(rec_json_get(header, "kid")))
        return REC_TOKEN_MALFORMED;
    if (!is(header, "typ", kinds[REC_TOKEN_ACCESS]) && !is(header, "typ", kinds[REC_TOKEN_REFRESH]))
        return REC_TOKEN_MALFORMED;
    *kind = is(header, "typ", kinds[REC_TOKEN_REFRESH]) ? REC_TOKEN_REFRESH : REC_TOKEN_ACCESS;
    for (size_t i = 0; i < keys->n && !*key; i++)
        if (is(header, "kid", keys->key[i].id))
            *key = &keys->key[i];
    if (!*key)
        return REC_TOKEN_UNKNOWN_KEY;
    return is(header, "alg", algs[(*key)->alg]) ? REC_TOKEN_VALID : REC_TOKEN_FORGED;
}

static bool verify(const struct rec_token_key *key, const struct parts *p)
{
    unsigned char signature[REC_SIGN_BYTES], public_key[REC_SIGN_PUBLIC], secret[REC_SIGN_SECRET];
    size_t want = key->alg == REC_TOKEN_EDDSA ? REC_SIGN_BYTES : REC_MAC_BYTES;

    if (rec_secret_unbase64(signature, sizeof signature, p->signature, p->signature_len) != (ptrdiff_t)want)
        return false;
    if (key->alg == REC_TOKEN_HS256)
        return rec_mac_verify(signature, p->header, p->signed_len, key->secret);
    memcpy(public_key, key->public_key, sizeof public_key);
    if (key->seed) {
        rec_sign_keys_from(public_key, secret, key->secret);
        rec_secret_wipe(secret, sizeof secret);
    }
    return rec_sign_verify(signature, p->header, p->signed_len, public_key);
}

static int copy_claim(char *out, size_t room, const struct rec_json_value *claims, const char *name, bool needed)
{
    const struct rec_json_value *value = rec_json_get(claims, name);
    const char *text = rec_json_string(value);

    out[0] = 0;
    if (!value)
        return needed ? -1 : 0;
    if (!text || strlen(text) >= room || (needed && !text[0]))
        return -1;
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static enum rec_token_verdict at(const struct rec_token_claims *c, int64_t now)
{
    if (c->expires <= now)
        return REC_TOKEN_EXPIRED;
    return c->issued > now + REC_TOKEN_SKEW || c->not_before > now + REC_TOKEN_SKEW ? REC_TOKEN_EARLY : REC_TOKEN_VALID;
}

bool rec_token_in_force(const struct rec_token_claims *claims, int64_t now)
{
    return at(claims, now) == REC_TOKEN_VALID;
}

static enum rec_token_verdict read_claims(struct rec_token_claims *c, const struct rec_token_keys *keys, const struct rec_json_value *claims,
                                          int64_t now)
{
    if (copy_claim(c->subject, sizeof c->subject, claims, "sub", true) < 0 || copy_claim(c->id, sizeof c->id, claims, "jti", true) < 0 ||
        copy_claim(c->scope, sizeof c->scope, claims, "scope", false) < 0 || copy_claim(c->family, sizeof c->family, claims, "fam", false) < 0 ||
        rec_json_integer(&c->issued, rec_json_get(claims, "iat")) < 0 ||
        rec_json_integer(&c->expires, rec_json_get(claims, "exp")) < 0 || rec_json_integer(&c->not_before, rec_json_get(claims, "nbf")) < 0)
        return REC_TOKEN_MALFORMED;
    if (!is(claims, "iss", keys->issuer) || !is(claims, "aud", keys->audience))
        return REC_TOKEN_ELSEWHERE;
    return at(c, now);
}

enum rec_token_verdict rec_token_check(struct rec_token_claims *claims, const struct rec_token_keys *keys, const char *text, size_t len,
                                       enum rec_token_kind kind, int64_t now)
{
    struct rec_token_claims found = {0};
    const struct rec_token_key *key;
    enum rec_token_verdict verdict;
    struct rec_json_value *json;
    struct parts p;
    char decoded[REC_TOKEN_LONGEST];

    *claims = (struct rec_token_claims){0};
    if (len > REC_TOKEN_LONGEST || cut(&p, text, len) < 0)
        return REC_TOKEN_MALFORMED;
    json = read_part(decoded, p.header, p.header_len);
    if (!json)
        return REC_TOKEN_MALFORMED;
    verdict = find_key(&key, &found.kind, keys, json);
    rec_json_free(json);
    if (verdict != REC_TOKEN_VALID)
        return verdict;
    if (!verify(key, &p))
        return REC_TOKEN_FORGED;
    json = read_part(decoded, p.claims, p.claims_len);
    if (!json)
        return REC_TOKEN_MALFORMED;
    verdict = found.kind != kind ? REC_TOKEN_ELSEWHERE : read_claims(&found, keys, json, now);
    rec_json_free(json);
    if (verdict == REC_TOKEN_VALID)
        *claims = found;
    return verdict;
}
