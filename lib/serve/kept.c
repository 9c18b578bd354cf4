/* SPDX-License-Identifier: MIT
 *
 * What processes that live for one request leave each other, in the state directory's file `known`: of a token that was found valid, its claims, the account it is
 * for, and whether anything was heard of the account's user. known.c does the same in the memory of a process that lives long.
 *
 * Why an answer is never made from an account that is no longer so:
 *
 *   - A record is used only while the store is the one that was looked at when the record was made (rec_sql_glance, which says why two glances that are equal have no
 *     commit between them). The glance was taken before token and account were read, and again after: both are the record's.
 *   - Whether a signature verifies depends on the keyring, issuer, audience and algorithm: their digest is authenticated with the record, so that a key that was dropped
 *     or added voids all of them. A token's times are looked at at every request.
 *   - A record is sealed (XChaCha20-Poly1305) by a key of the keyring: what was forged, torn, moved to another place or left by another version of this program does
 *     not open. So nobody takes turns: two that write one place at once leave what opens or what does not, as does one that is killed. What does not open, or is
 *     missing, costs the look into the store that it saves, and nothing else.
 *
 * It is sealed also because it outlives what it was read from: it names an account. The name and e-mail are left out all the same: no route that is served from
 * here needs them.
 */
#include "kept_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 4096, SLOT = 1024, FORM = 1 };

/* Another FORM when it changes. */
struct record {
    unsigned char mark[REC_HASH_BYTES];   /* of the token */
    struct rec_sql_glance glance;
    struct rec_token_claims claims;
    char id[REC_ACCOUNTS_ID + 1], user[REC_NAMES_LONGEST + 1];
    int32_t role, tied, heard;
    int64_t password_changed;
};
_Static_assert(sizeof(struct record) + REC_SEAL_OVERHEAD <= SLOT, "a record fits its place");

struct rec_kept {
    int fd;
    unsigned char key[REC_KEY_BYTES], about[REC_HASH_BYTES];
};

/* ---- opening ---- */

/* All that the verdict on a token depends on, besides the token and the time. */
static void describe(unsigned char out[REC_HASH_BYTES], const struct rec_serve *serve)
{
    const struct rec_keyring *ring = &serve->ring;
    const struct rec_serve_config *c = &serve->config;
    const uint32_t head[] = {FORM, sizeof(struct record), (uint32_t)c->alg, (uint32_t)ring->n, ring->newest};
    struct rec_hash hash;

    rec_hash_begin(&hash, NULL);
    rec_hash_add(&hash, head, sizeof head);
    rec_hash_add(&hash, ring->version, ring->n * sizeof *ring->version);
    rec_hash_add(&hash, ring->key, ring->n * sizeof *ring->key);
    rec_hash_add(&hash, c->version, strlen(c->version) + 1);
    rec_hash_add(&hash, c->issuer, strlen(c->issuer) + 1);
    rec_hash_add(&hash, c->audience, strlen(c->audience) + 1);
    rec_hash_end(&hash, out);
}

int rec_kept_open(struct rec_kept **out, const struct rec_serve *serve, struct rec_err *err)
{
    char path[4096];
    struct rec_kept *kept = rec_calloc(1, sizeof *kept, "service", err);

    if (!kept)
        return -1;
    snprintf(path, sizeof path, "%s/known", serve->config.state);
    kept->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    /* It only saves time: where it cannot be had, it does not. */
    if (kept->fd < 0 || rec_keyring_derive(kept->key, &serve->ring, serve->ring.newest, REC_KEY_KNOWN, err) < 0) {
        rec_kept_close(kept);
        return 0;
    }
    describe(kept->about, serve);
    *out = kept;
    return 0;
}

void rec_kept_close(struct rec_kept *kept)
{
    if (!kept)
        return;
    if (kept->fd >= 0)
        close(kept->fd);
    rec_secret_wipe(kept, sizeof *kept);
    free(kept);
}

/* ---- places ---- */

static off_t place_of(const unsigned char mark[REC_HASH_BYTES])
{
    uint32_t hash;

    memcpy(&hash, mark, sizeof hash);
    return (off_t)(hash % SLOTS) * SLOT;
}

static bool read_record(struct record *r, const struct rec_kept *kept, const unsigned char mark[REC_HASH_BYTES])
{
    unsigned char sealed[sizeof *r + REC_SEAL_OVERHEAD];
    struct rec_buf plain = {0};
    struct rec_err ignored;
    bool found = pread(kept->fd, sealed, sizeof sealed, place_of(mark)) == (ssize_t)sizeof sealed &&
                 rec_seal_open(&plain, sealed, sizeof sealed, kept->about, sizeof kept->about, kept->key, &ignored) == 0;

    if (found)
        memcpy(r, plain.data, sizeof *r);
    rec_secret_clear(&plain);
    return found && memcmp(r->mark, mark, REC_HASH_BYTES) == 0;
}

static void write_record(const struct rec_kept *kept, const struct record *r)
{
    struct rec_buf sealed = {0};
    struct rec_err ignored;
    ssize_t wrote = 0;

    if (rec_seal(&sealed, r, sizeof *r, kept->about, sizeof kept->about, kept->key, &ignored) == 0)
        wrote = pwrite(kept->fd, sealed.data, sealed.len, place_of(r->mark));
    (void)wrote; /* less than all does not open */
    rec_buf_clear(&sealed);
}

/* ---- calls ---- */

/* The token, where what is kept may serve: a model answers, and asks the store about nobody else. */
static const char *token_of(const struct rec_call *c, size_t *len)
{
    const struct rec_message *m = c->x->message;
    size_t key_len;
    const char *text = rec_message_field(m, "authorization", len);

    if (!c->serve->kept || !(c->route->flags & REC_ROUTE_MODEL) || (c->route->flags & REC_ROUTE_STORE) || c->serve->cache || !text || *len < 8 ||
        strncasecmp(text, "bearer ", 7) != 0 || rec_message_field(m, "x-api-key", &key_len) || rec_message_count(m, "authorization") != 1)
        return NULL;
    *len -= 7;
    return text + 7;
}

static bool glance(struct rec_sql_glance *out, const struct rec_call *c)
{
    const struct rec_serve_config *config = &c->serve->config;

    return rec_sql_glance(out, config->store, config->drivers, c->store.db);
}

bool rec_kept_find(struct rec_call *c)
{
    unsigned char mark[REC_HASH_BYTES];
    struct rec_sql_glance now;
    struct record r;
    size_t len, open, idle;
    const char *text = token_of(c, &len);

    if (!text)
        return false;
    rec_sqlpool_count(c->serve->pool, &open, &idle);
    if (open)
        return false;
    rec_hash(mark, text, len, c->serve->kept->key);
    if (!read_record(&r, c->serve->kept, mark) || !glance(&now, c) || memcmp(&now, &r.glance, sizeof now) != 0 || !rec_token_in_force(&r.claims, c->now))
        return false;
    c->claims = r.claims;
    c->account = (struct rec_account){.role = (enum rec_role)r.role, .tied = r.tied, .password_changed = r.password_changed};
    memcpy(c->account.id, r.id, sizeof r.id);
    memcpy(c->account.user, r.user, sizeof r.user);
    c->heard = r.heard;
    c->glance = now;
    c->kept = true;
    return true;
}

void rec_kept_begin(struct rec_call *c)
{
    size_t len;

    c->heard = -1;
    c->glanced = token_of(c, &len) && glance(&c->glance, c);
}

void rec_kept_again(struct rec_call *c)
{
    struct rec_sql_glance now;

    c->glanced = c->heard < 0 && glance(&now, c) && memcmp(&now, &c->glance, sizeof now) == 0;
}

void rec_kept_leave(struct rec_call *c)
{
    struct record r = {.glance = c->glance, .role = (int32_t)c->account.role, .tied = c->account.tied, .heard = c->heard,
                       .password_changed = c->account.password_changed};
    struct rec_sql_glance now;
    size_t len;
    const char *text = c->glanced && c->authenticated && !c->by_key && !c->account.disabled ? token_of(c, &len) : NULL;

    if (!text || !glance(&now, c) || memcmp(&now, &c->glance, sizeof now) != 0)
        return;
    rec_hash(r.mark, text, len, c->serve->kept->key);
    r.claims = c->claims;
    memcpy(r.id, c->account.id, sizeof r.id);
    memcpy(r.user, c->account.user, sizeof r.user);
    write_record(c->serve->kept, &r);
}
