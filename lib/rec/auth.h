/* SPDX-License-Identifier: MIT
 *
 * auth: who is asking, what they may do, and how often.
 *
 *     token     JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515), HS256 and EdDSA (RFC 7518, RFC 8037), after RFC 8725
 *     limit     so many requests in so much time: GCRA, in a file that all processes share
 *     limit_remote   the same, on a Redis server that several hosts share
 *
 *     struct rec_token_keys keys;
 *     struct rec_token_claims claims = {.subject = account, .kind = REC_TOKEN_ACCESS, .issued = now, .expires = now + 900};
 *     if (rec_token_keys_from(&keys, &ring, REC_TOKEN_EDDSA, "https://rec.example.org", "rec", &err) < 0 ||
 *         rec_token_issue(&text, &keys, &claims, &err) < 0) ...
 *     verdict = rec_token_check(&claims, &keys, text.data, text.len, REC_TOKEN_ACCESS, now);
 */
#ifndef REC_AUTH_H
#define REC_AUTH_H

#include <rec/cache.h>
#include <rec/crypto.h>

/* ---- token: JSON Web Tokens -----------------------------------------------------------------------
 *
 * The algorithm is a property of the key, not of the token: a token names its key (`kid`), and an `alg` that is not that key's is refused, as is a
 * header with anything else in it (`jwk`, `jku`, `x5u`, `crit`, ...). Access and refresh tokens differ by `typ` and are not taken for each other.
 * Keys are derived from the versions of the keyring, so that adding a version rotates them; older versions still verify.
 */
enum rec_token_alg { REC_TOKEN_HS256, REC_TOKEN_EDDSA };
enum rec_token_kind { REC_TOKEN_ACCESS, REC_TOKEN_REFRESH };

#define REC_TOKEN_LONGEST 2048
#define REC_TOKEN_SKEW 30             /**< seconds that clocks may be apart */

struct rec_token_key {
    char id[16];                      /**< "h1", "e1": letter of the algorithm and version */
    enum rec_token_alg alg;
    bool seed;                        /**< of an EdDSA key that does not sign: the secret is its seed, of which the pair is made when a token names it */
    unsigned char secret[REC_SIGN_SECRET], public_key[REC_SIGN_PUBLIC];
};
struct rec_token_keys {
    char issuer[128], audience[128];
    size_t n, signing;                /**< key[signing] signs */
    struct rec_token_key key[2 * REC_KEYRING_MAX];
};

/** Both algorithms' keys of each version of the ring; the newest one of `alg` signs. */
int rec_token_keys_from(struct rec_token_keys *out, const struct rec_keyring *ring, enum rec_token_alg alg, const char *issuer,
                        const char *audience, struct rec_err *err);
void rec_token_keys_clear(struct rec_token_keys *keys);

struct rec_token_claims {
    char subject[65];                 /**< an account's id */
    char id[33];                      /**< jti: drawn by rec_token_issue when it is "" */
    char family[33];                  /**< fam: the jti of the first refresh token of its log in; "": none, or it is that one */
    char scope[129];                  /**< words with blanks between them; "" */
    enum rec_token_kind kind;
    int64_t issued, expires, not_before;   /**< not_before 0: issued */
};

/** Adds the token to `out`. */
int rec_token_issue(struct rec_buf *out, const struct rec_token_keys *keys, struct rec_token_claims *claims, struct rec_err *err);

enum rec_token_verdict {
    REC_TOKEN_VALID,
    REC_TOKEN_MALFORMED,              /**< no token of ours: syntax, header, missing claims */
    REC_TOKEN_UNKNOWN_KEY,
    REC_TOKEN_FORGED,                 /**< another algorithm than its key's, or a signature that does not verify */
    REC_TOKEN_EXPIRED,
    REC_TOKEN_EARLY,                  /**< not before, or issued in the future */
    REC_TOKEN_ELSEWHERE               /**< another issuer, audience or kind */
};
/** In words: "expired" ... */
extern const char *const rec_token_verdicts[];

/** Claims are filled only when it is VALID. The signature is looked at before anything that the token claims. */
enum rec_token_verdict rec_token_check(struct rec_token_claims *claims, const struct rec_token_keys *keys, const char *text, size_t len,
                                       enum rec_token_kind kind, int64_t now);
/** Whether claims that were VALID once are so at that moment: by their times. */
bool rec_token_in_force(const struct rec_token_claims *claims, int64_t now);

/* ---- limit: so many requests in so much time ------------------------------------------------------
 *
 * The generic cell rate algorithm (ITU-T I.371): one number a key, the theoretical arrival time, moved on by one atomic exchange. The table is
 * a file of fixed size that every process maps; a key is a keyed hash (BLAKE2b), its slot one of eight beside each other; the slot
 * that is free the longest gives way, so that the table never fills up.
 */
struct rec_limit;

struct rec_limit_rate {
    double per_second;                /**< requests in the long run; > 0 */
    double burst;                     /**< requests at once; >= 1 */
};
struct rec_limit_answer {
    bool allowed;
    double retry;                     /**< seconds until the next would be allowed; 0 when this one was */
    double remaining;                 /**< requests that would be allowed now */
    double reset;                     /**< seconds until the whole burst is there again */
};

/** Maps the table of that file, made (0600) when it is not there or empty; refused when it is another. @param path  NULL: of this process alone.
 *  @param keys  room for so many, a power of two; 16 bytes each. */
int rec_limit_open(struct rec_limit **out, const char *path, size_t keys, struct rec_err *err);
/** Whether a request that costs `cost` (1 as a rule) may pass now (seconds of any steady clock shared by all processes). Takes nothing when not.
 *  A cost below 0 gives back what was taken. */
void rec_limit_ask(struct rec_limit_answer *answer, struct rec_limit *limit, const void *key, size_t len, const struct rec_limit_rate *rate,
                   double cost, double now);
void rec_limit_close(struct rec_limit *limit);

/** As rec_limit_ask, of buckets that a server keeps for all who share its secret (rec_cache_open), by its clock: one question and one answer.
 *  @param budget  seconds that may be spent; what is left of them when it returns  @return HIT: *answer is filled; AWAY, REFUSED, WRONG: it is not,
 *  and err says why, "" while the server is being left alone */
enum rec_cache_outcome rec_limit_remote_ask(struct rec_limit_answer *answer, struct rec_cache *server, const void *key, size_t len,
                                            const struct rec_limit_rate *rate, double cost, double *budget, struct rec_err *err);
/** What it has the server run. */
extern const struct rec_cache_script rec_limit_remote_script;

#endif
