/* SPDX-License-Identifier: MIT
 *
 * Answers that were made before. A key names everything that its answer depends on: this program, the model and the catalogue, the parameters, and
 * the state of the user in the store, which is read in the same call. So nobody has to tell the cache of feedback, a load, another model or a person
 * who was forgotten: those who ask after it ask for another key, and the old answer is never asked for again until its life ends.
 *
 * This process looks among its own answers first, then in the cache that it shares with others, if there is one.
 *
 * The state is read before the history that the answer is made from: feedback that comes between them makes the answer newer than its key, not older.
 */
#include "cached_priv.h"
#include "known_priv.h"
#include "service_priv.h"

#include <stdlib.h>
#include <string.h>

/* Raised when the answer to the same key changes its form. */
#define FORM "1"

/* Each text with its length before it (netstrings): no two lists of texts are the same key. */
static void add(struct rec_buf *key, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    char number[REC_NUM_MAX + 1];

    if (text) {
        size_t digits = rec_num_print_int64(number, (int64_t)len);

        number[digits] = ':';
        rec_buf_add(key, number, digits + 1);
    }
    rec_buf_add(key, text ? text : "", len);
    rec_buf_addc(key, ',');
}

/* The digest of a file that carries none is 0, and two models may differ in their header alone: so its size and time count too. */
static void add_file(struct rec_buf *key, uint32_t digest, const struct stat *st)
{
    char text[120];

    snprintf(text, sizeof text, "%08x %lld %lld.%09ld", (unsigned)digest, (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    add(key, text);
}

static void write_current(struct rec_buf *key, const struct rec_current *m)
{
    add(key, m->version);
    add_file(key, m->model.digest, &m->stat);
    if (m->has_labels)
        add_file(key, m->labels.catalogue.digest, &m->catalogue_stat);
    else
        add(key, NULL);
}

/* Written once for a model. */
static void add_current(struct rec_buf *key, struct rec_current *m)
{
    struct rec_buf text = {0};

    if (!atomic_load(&m->key_ready)) {
        write_current(&text, m);
        pthread_mutex_lock(&m->making);
        if (!text.failed && text.len < sizeof m->key && !atomic_load(&m->key_ready)) {
            memcpy(m->key, text.data, text.len + 1);
            atomic_store(&m->key_ready, 1);
        }
        pthread_mutex_unlock(&m->making);
        rec_buf_clear(&text);
    }
    if (atomic_load(&m->key_ready))
        rec_buf_adds(key, m->key);
    else
        key->failed = true;
}

/* In the order of the route's table, whatever the order they came in. */
static void add_parameters(struct rec_buf *key, const struct rec_call *c)
{
    for (const struct rec_field *f = c->route->query; f && f->name; f++)
        add(key, rec_call_text(c, f->name));
}

static int make_key(struct rec_cached *cached, struct rec_call *c, const char *what, const char *about, bool of_user, struct rec_err *err)
{
    struct rec_buf state = {0};
    int status = 0;

    add(&cached->key, FORM);
    add(&cached->key, c->serve->config.version);
    add(&cached->key, what);
    add(&cached->key, about);
    add_current(&cached->key, c->current);
    add_parameters(&cached->key, c);
    if (of_user && c->store.db) {
        status = rec_known_state(&state, c, about, err);
        cached->key.failed |= state.failed;
        add(&cached->key, state.data);
    }
    rec_buf_clear(&state);
    return status;
}

/* Told once for each failure: while the server is left alone there is nothing to say. */
static void tell(struct rec_call *c, const struct rec_err *err)
{
    if (err->text[0])
        rec_serve_say(c->serve, "cache: %s", err->text);
}

/* Compressed, if this client takes it so: it will be sent as it is kept. */
static void keep_own(const struct rec_cached *cached, struct rec_call *c)
{
    struct rec_response *r = &c->x->response;

    if (!c->serve->answers || r->body.failed)
        return;
    if (!r->packed.len && rec_response_packs(r, c->x->message) && rec_gzip_pack(&r->packed, r->body.data, r->body.len) < 0)
        rec_buf_reset(&r->packed);
    rec_answers_put(c->serve->answers, cached->key.data, cached->key.len, &r->body, &r->packed, c->now + (int64_t)cached->life);
}

/* Of the cache that processes share. */
static bool find_shared(struct rec_cached *cached, struct rec_call *c)
{
    struct rec_response *r = &c->x->response;
    enum rec_cache_outcome outcome;
    struct rec_err why = {0};

    outcome = rec_cache_get(&r->body, c->serve->cache, cached->key.data, cached->key.len, &cached->budget, &why);
    rec_service_add(c->serve, &rec_service_cache, "outcome", rec_cache_outcomes[outcome]);
    if (outcome == REC_CACHE_HIT) {
        keep_own(cached, c);
        return true;
    }
    rec_buf_reset(&r->body);
    tell(c, &why);
    return false;
}

static bool find_own(struct rec_cached *cached, struct rec_call *c)
{
    struct rec_response *r = &c->x->response;
    bool found = rec_answers_get(&r->body, &r->packed, c->serve->answers, cached->key.data, cached->key.len, c->now);

    rec_service_add(c->serve, &rec_service_answers, "outcome", found ? "hit" : "miss");
    if (!found) {
        rec_buf_reset(&r->body);
        rec_buf_reset(&r->packed);
    } else if (!r->packed.len && rec_response_packs(r, c->x->message)) {
        keep_own(cached, c);
    }
    return found;
}

int rec_cached_find(struct rec_cached *cached, struct rec_call *c, const char *what, const char *about, bool of_user, double life, struct rec_err *err)
{
    struct rec_response *r = &c->x->response;

    *cached = (struct rec_cached){.budget = c->patience, .life = life};
    if (!c->serve->cache && !c->serve->answers)
        return 0;
    if (make_key(cached, c, what, about, of_user, err) < 0)
        return -1;
    if (cached->key.failed) {
        rec_cached_clear(cached);
        return 0;
    }
    rec_buf_reset(&r->body);
    rec_buf_reset(&r->packed);
    if (!(c->serve->answers && find_own(cached, c)) && !(c->serve->cache && find_shared(cached, c)))
        return 0;
    r->status = 200;
    r->type = "application/json";
    return 1;
}

void rec_cached_keep(struct rec_cached *cached, struct rec_call *c)
{
    const struct rec_response *r = &c->x->response;
    struct rec_err why = {0};

    if (!cached->key.len || r->status != 200 || r->body.failed || !r->body.len)
        return;
    keep_own(cached, c);
    if (c->serve->cache && rec_cache_set(c->serve->cache, cached->key.data, cached->key.len, r->body.data, r->body.len, cached->life, &cached->budget,
                                         &why) != REC_CACHE_HIT)
        tell(c, &why);
}

void rec_cached_clear(struct rec_cached *cached)
{
    rec_buf_clear(&cached->key);
}
