/* SPDX-License-Identifier: MIT
 *
 * What was read from the store before: who a token is for, and what is known of a user. It is used again only while the store's version
 * (rec_sql_version) is the one that was looked at before it was read, so that nothing can have been committed in between, by this process or another
 * one: who was disabled is refused by the next request. That a token's signature verifies does not depend on the store; its times are looked
 * at every time.
 *
 * Two tables of fixed size, in sets of four; in a full set the one gives way whose turn it is. Tokens are kept by a keyed hash, not as they are.
 */
#include "known_priv.h"

#include <stdlib.h>
#include <string.h>

enum { SETS = 256, WAYS = 4, STATE = 200 };

struct token {
    unsigned char mark[REC_HASH_BYTES];
    struct rec_token_claims claims;
    struct rec_account account;
    struct rec_sql_version version;
    bool used;
};

struct user {
    char name[REC_NAMES_LONGEST + 1];
    struct rec_sql_version heard_at, state_at;  /* all 0: never */
    bool heard, used;
    char state[STATE];
};

struct rec_known {
    pthread_mutex_t lock;
    unsigned char key[REC_KEY_BYTES];
    unsigned char turn;
    struct token token[SETS][WAYS];
    struct user user[SETS][WAYS];
};

int rec_known_open(struct rec_known **out, struct rec_err *err)
{
    *out = rec_calloc(1, sizeof **out, "service", err);
    if (!*out)
        return -1;
    pthread_mutex_init(&(*out)->lock, NULL);
    rec_secret_random((*out)->key, sizeof (*out)->key);
    return 0;
}

void rec_known_close(struct rec_known *known)
{
    if (!known)
        return;
    pthread_mutex_destroy(&known->lock);
    rec_secret_wipe(known->key, sizeof known->key);
    free(known);
}

static bool is_now(const struct rec_call *c, const struct rec_sql_version *version)
{
    return c->versioned && memcmp(&c->version, version, sizeof *version) == 0;
}

/* After something was read from the store in this call: if it may be newer than `version`, nothing that is older is used after it. An answer kept under
 * the newer state of a user must not be made from what was known before. */
void rec_known_was_read(struct rec_call *c)
{
    struct rec_sql_version now;

    c->versioned = c->versioned && rec_sql_version(&now, c->store.db) && is_now(c, &now);
}

/* ---- tokens ---- */

static struct token *set_of(struct rec_known *known, const unsigned char mark[REC_HASH_BYTES])
{
    uint32_t hash;

    memcpy(&hash, mark, sizeof hash);
    return known->token[hash % SETS];
}

static struct token *find_token(struct rec_known *known, const unsigned char mark[REC_HASH_BYTES])
{
    struct token *set = set_of(known, mark);

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used && memcmp(set[i].mark, mark, REC_HASH_BYTES) == 0)
            return &set[i];
    return NULL;
}

enum rec_known_of_token rec_known_token(struct rec_call *c, unsigned char mark[REC_HASH_BYTES], const char *text, size_t len)
{
    struct rec_known *known = c->serve->known;
    enum rec_known_of_token found = REC_KNOWN_NOTHING;
    const struct token *t;

    if (!known)
        return REC_KNOWN_NOTHING;
    rec_hash(mark, text, len, known->key);
    pthread_mutex_lock(&known->lock);
    t = find_token(known, mark);
    if (t && rec_token_in_force(&t->claims, c->now)) {
        c->claims = t->claims;
        found = REC_KNOWN_CLAIMS;
        if (is_now(c, &t->version)) {
            c->account = t->account;
            found = REC_KNOWN_ALL;
        }
    }
    pthread_mutex_unlock(&known->lock);
    return found;
}

void rec_known_keep_token(const struct rec_call *c, const unsigned char mark[REC_HASH_BYTES])
{
    struct rec_known *known = c->serve->known;
    struct token *t;

    if (!known || !c->versioned)
        return;
    pthread_mutex_lock(&known->lock);
    t = find_token(known, mark);
    if (!t)
        t = set_of(known, mark) + known->turn++ % WAYS;
    *t = (struct token){.claims = c->claims, .account = c->account, .version = c->version, .used = true};
    memcpy(t->mark, mark, sizeof t->mark);
    pthread_mutex_unlock(&known->lock);
}

/* ---- users ---- */

/* Their place; with `make`, one that is made for them. NULL: there is none. */
static struct user *find_user(struct rec_known *known, const char *name, bool make)
{
    struct user *set = known->user[rec_hashmap_hash(name, strlen(name)) % SETS], *u;

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used && strcmp(set[i].name, name) == 0)
            return &set[i];
    if (!make || strlen(name) >= sizeof u->name)
        return NULL;
    u = set + known->turn++ % WAYS;
    *u = (struct user){.used = true};
    memcpy(u->name, name, strlen(name) + 1);
    return u;
}

int rec_known_heard(struct rec_call *c, const char *user, struct rec_err *err)
{
    struct rec_known *known = c->versioned ? c->serve->known : NULL;
    const struct user *u;
    struct user *kept;
    int64_t newest;
    bool own = strcmp(user, rec_call_user(c)) == 0;
    int heard = -1;

    if (own && c->kept && c->heard >= 0)
        return c->heard;
    if (rec_call_store(c, err) < 0)
        return -1;
    if (known) {
        pthread_mutex_lock(&known->lock);
        u = find_user(known, user, false);
        heard = u && is_now(c, &u->heard_at) ? u->heard : -1;
        pthread_mutex_unlock(&known->lock);
    }
    if (heard >= 0)
        return heard;
    heard = rec_feedback_newest(&newest, &c->store, user, err);
    rec_known_was_read(c);
    if (own)
        c->heard = heard;
    if (!known || heard < 0)
        return heard;
    pthread_mutex_lock(&known->lock);
    kept = find_user(known, user, true);
    if (kept) {
        kept->heard = heard;
        kept->heard_at = c->version;
    }
    pthread_mutex_unlock(&known->lock);
    return heard;
}

int rec_known_state(struct rec_buf *out, struct rec_call *c, const char *user, struct rec_err *err)
{
    struct rec_known *known = c->versioned ? c->serve->known : NULL;
    size_t before = out->len;
    struct user *u;
    bool found = false;

    if (known) {
        pthread_mutex_lock(&known->lock);
        u = find_user(known, user, false);
        found = u && is_now(c, &u->state_at);
        if (found)
            rec_buf_adds(out, u->state);
        pthread_mutex_unlock(&known->lock);
    }
    if (found)
        return 0;
    if (rec_feedback_state(out, &c->store, user, err) < 0)
        return -1;
    rec_known_was_read(c);
    if (!known || out->failed || out->len - before >= STATE)
        return 0;
    pthread_mutex_lock(&known->lock);
    u = find_user(known, user, true);
    if (u) {
        memcpy(u->state, out->data + before, out->len - before + 1);
        u->state_at = c->version;
    }
    pthread_mutex_unlock(&known->lock);
    return 0;
}
