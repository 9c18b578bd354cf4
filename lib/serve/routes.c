/* SPDX-License-Identifier: MIT
 *
 * The tables of routes, finding one, and what each role may do.
 */
#include "serve_priv.h"

#include <string.h>

const struct rec_route *const rec_routes[] = {
    rec_handle_service_routes, rec_handle_recommendations_routes, rec_handle_movies_routes, rec_handle_feedback_routes,
    rec_handle_users_routes, rec_handle_tokens_routes, rec_handle_keys_routes, rec_handle_docs_routes, NULL,
};

unsigned rec_routes_may(enum rec_role role)
{
    static const unsigned may[] = {
        [REC_ROLE_USER] = REC_MAY_SELF,
        [REC_ROLE_ANALYST] = REC_MAY_SELF | REC_MAY_READ_OTHERS | REC_MAY_WATCH,
        [REC_ROLE_SERVICE] = REC_MAY_SELF | REC_MAY_READ_OTHERS | REC_MAY_WRITE_OTHERS | REC_MAY_WATCH,
        [REC_ROLE_ADMIN] = REC_MAY_SELF | REC_MAY_READ_OTHERS | REC_MAY_WRITE_OTHERS | REC_MAY_MANAGE | REC_MAY_WATCH,
    };

    return may[role];
}

/* Whether segments[from ..] are the path; `literal` is how many of them are words of it, and not parameters. */
static bool matches(const char *path, const struct rec_target *target, size_t from, const char *param[2], size_t *literal)
{
    size_t i = from, n = 0;

    *literal = 0;
    param[0] = param[1] = NULL;
    for (; *path; i++) {
        const struct rec_target_text *segment = &target->segment[i];

        path++; /* the slash */
        if (i == target->n_segments)
            return !*path && target->n_segments == from;
        if (*path == '{') {
            if (!segment->len)
                return false;
            if (n < 2)
                param[n++] = segment->text;
            path += strcspn(path, "/");
        } else {
            if (strncmp(path, segment->text, segment->len) != 0 || (path[segment->len] && path[segment->len] != '/'))
                return false;
            path += segment->len;
            ++*literal;
        }
    }
    return i == target->n_segments;
}

static void add_allow(char allow[64], enum rec_message_method method)
{
    size_t len = strlen(allow);

    if (!strstr(allow, rec_message_methods[method]))
        snprintf(allow + len, 64 - len, "%s%s", len ? ", " : "", rec_message_methods[method]);
}

/* HEAD is what GET would be, without its body. */
static bool takes(const struct rec_route *route, enum rec_message_method method)
{
    return route->method == method || (method == REC_HEAD && route->method == REC_GET);
}

/* The methods of the paths that fit with so many words. */
static void list_allowed(char allow[64], const struct rec_target *target, size_t from, size_t words)
{
    const char *param[2];
    size_t literal;

    for (size_t t = 0; rec_routes[t]; t++)
        for (const struct rec_route *r = rec_routes[t]; r->path; r++) {
            if (!matches(r->path, target, from, param, &literal) || literal < words)
                continue;
            add_allow(allow, r->method);
            if (r->method == REC_GET)
                add_allow(allow, REC_HEAD);
        }
    if (allow[0])
        add_allow(allow, REC_OPTIONS);
}

const struct rec_route *rec_routes_find(enum rec_message_method method, const struct rec_target *target, const char *param[2], char allow[64])
{
    size_t from = target->n_segments && strcmp(target->segment[0].text, "v1") == 0, words = 0, literal;
    const struct rec_route *best = NULL;
    const char *found[2];

    allow[0] = 0;
    param[0] = param[1] = NULL;
    /* Of the paths that fit, the one with the most words: /users/me is not /users/{id}. Methods count only among those of that path. */
    for (size_t t = 0; rec_routes[t]; t++)
        for (const struct rec_route *r = rec_routes[t]; r->path; r++) {
            if (!matches(r->path, target, from, found, &literal) || literal < words)
                continue;
            if (literal > words)
                best = NULL;
            words = literal;
            if (takes(r, method)) {
                best = r;
                memcpy(param, found, sizeof found);
            }
        }
    if (!best)
        list_allowed(allow, target, from, words);
    return best;
}
