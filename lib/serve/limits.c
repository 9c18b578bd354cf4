/* SPDX-License-Identifier: MIT
 *
 * The limits of a request. What passes is counted on this host, in the file that its processes share; where hosts share their limits, the server that
 * counts for all of them is asked too, and what it refuses is given back here. So without an answer of the server this host goes on with what it
 * knows, and no answer lets more pass on a host than the limit allows.
 */
#include "service_priv.h"

static const char *word_of(enum rec_cache_outcome outcome)
{
    return outcome == REC_CACHE_HIT ? "answered" : rec_cache_outcomes[outcome];
}

void rec_limits_ask(struct rec_limit_answer *answer, struct rec_call *c, const void *key, size_t len, const struct rec_limit_rate *rate, double cost)
{
    struct rec_serve *serve = c->serve;
    struct rec_limit_answer shared, ignored;
    struct rec_err why = {0};
    enum rec_cache_outcome outcome;

    rec_limit_ask(answer, serve->limit, key, len, rate, cost, c->begun);
    if (!serve->limits || !answer->allowed)
        return;
    outcome = rec_limit_remote_ask(&shared, serve->limits, key, len, rate, cost, &c->patience, &why);
    rec_service_add(serve, &rec_service_limits, "outcome", word_of(outcome));
    /* Told once for each failure: while the server is left alone there is nothing to say. */
    if (why.text[0])
        rec_serve_say(serve, "limits: %s", why.text);
    if (outcome != REC_CACHE_HIT)
        return;
    if (!shared.allowed && cost > 0)
        rec_limit_ask(&ignored, serve->limit, key, len, rate, -cost, c->begun);
    if (!shared.allowed || shared.reset > answer->reset)
        *answer = shared;
}
