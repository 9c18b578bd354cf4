/* SPDX-License-Identifier: MIT
 *
 * Recommendations: for a user, for a visitor known by some films, and the users nearest to one.
 */
#include "cached_priv.h"
#include "film_priv.h"
#include "history_priv.h"
#include "service_priv.h"

#include <math.h>
#include <string.h>

enum { MOST = 1000, REASONS = 3, DIVERSE = 10, LIFE = 300 };

struct wish {
    size_t k, offset;
    double diversity;
    bool explain, exclude_seen;
};

static int64_t member_int(const struct rec_call *c, const char *name, int64_t otherwise)
{
    int64_t value;

    return rec_json_integer(&value, rec_json_get(c->body, name)) == 0 ? value : rec_call_int(c, name, otherwise);
}

static bool member_bool(const struct rec_call *c, const char *name, bool otherwise)
{
    bool value;

    return rec_json_boolean(&value, rec_json_get(c->body, name)) == 0 ? value : rec_call_bool(c, name, otherwise);
}

static struct wish read_wish(const struct rec_call *c)
{
    struct wish w = {.k = (size_t)member_int(c, "k", 10), .offset = (size_t)member_int(c, "offset", 0),
                     .explain = member_bool(c, "explain", false), .exclude_seen = member_bool(c, "exclude_seen", true)};

    if (rec_json_number(&w.diversity, rec_json_get(c->body, "diversity")) < 0)
        w.diversity = rec_call_real(c, "diversity", 0);
    return w;
}

/* ---- a list ---- */

/* The most popular items, with popularity for a score: for whom nothing else is known. */
static ptrdiff_t rank_popular(struct rec_topk_hit *hit, size_t k, const struct rec_model *m, const struct rec_topk_seen *seen, const uint8_t *allowed)
{
    if (!m->popularity)
        return 0;
    return (ptrdiff_t)rec_topk_scan(hit, k < m->n_items ? k : m->n_items, m->popularity, m->n_items, seen, allowed);
}

/* Items are alike by their factors, or else by their genres. */
static int diversify(struct rec_topk_hit *hit, size_t n, size_t k, const struct rec_call *c, const struct rec_visitor *v, double diversity,
                     struct rec_err *err)
{
    const struct rec_model *m = &c->current->model;
    bool genres = c->current->has_labels && c->current->labels.catalogue.genres.n > 0;
    struct rec_rerank_options o = {.diversity = diversity, .likeness = m->item_factors ? REC_RERANK_FACTORS : REC_RERANK_GENRES};
    struct rec_rerank rerank;
    int status;

    if (!m->item_factors && !genres)
        return 0;
    if ((!m->item_factors && rec_current_join(c->current, err) < 0) ||
        rec_rerank_init(&rerank, m, m->item_factors ? NULL : &c->current->labels, &o, err) < 0)
        return -1;
    status = rec_rerank_list(hit, n, k, &rerank, v->item, v->n, err);
    rec_rerank_clear(&rerank);
    return status;
}

static ptrdiff_t rank(struct rec_topk_hit *hit, size_t room, const struct rec_call *c, const struct rec_history *h, const struct wish *w,
                      const uint8_t *allowed, struct rec_err *err)
{
    const struct rec_model *m = &c->current->model;
    size_t n_seen = w->exclude_seen ? h->n_seen : 0, want = w->k + w->offset;
    const struct rec_screen *screen = c->current->has_screen ? &c->current->screen : NULL;
    struct rec_topk_seen seen = {h->seen, n_seen};
    ptrdiff_t n;

    if (h->how == REC_HISTORY_POPULAR)
        return rank_popular(hit, want, m, &seen, allowed);
    n = rec_foldin_rank(hit, w->diversity > 0 ? room : want, m, screen, &h->visitor, h->seen, n_seen, allowed, err);
    if (n > 0 && w->diversity > 0 && diversify(hit, (size_t)n, want, c, &h->visitor, w->diversity, err) < 0)
        return -1;
    return n < (ptrdiff_t)want ? n : (ptrdiff_t)want;
}

/* ---- reasons ---- */

/* The items of the history that add most to the score. */
static int write_reasons(struct rec_json *json, const struct rec_call *c, const struct rec_visitor *v, const struct rec_foldin *foldin,
                         int32_t item, float *part, struct rec_err *err)
{
    float rest;
    int status = rec_foldin_explain(part, &rest, foldin, v, item, err);

    if (status < 0)
        return -1;
    rec_json_array(json, "reasons");
    for (int r = 0; status == 0 && r < REASONS; r++) {
        size_t best = 0;

        for (size_t j = 1; j < v->n; j++)
            if (part[j] > part[best])
                best = j;
        if (!v->n || !(part[best] > 0))
            break;
        rec_json_object(json, NULL);
        rec_film_write(json, c->current, v->item[best]);
        rec_film_score(json, "contribution", part[best]);
        rec_json_end(json);
        part[best] = -1;
    }
    rec_json_end(json);
    return 0;
}

static int write_items(struct rec_json *json, const struct rec_call *c, const struct rec_history *h, const struct wish *w,
                       const struct rec_topk_hit *hit, size_t n, struct rec_err *err)
{
    const struct rec_foldin *foldin = NULL;
    struct rec_visitor visitor = h->visitor;
    float *part = NULL;
    int status = -1;

    if (w->explain) {
        foldin = rec_current_foldin(c->current, err);
        part = rec_malloc(visitor.n, sizeof *part, "reasons", err);
        if (!part || !foldin)
            goto out;
        /* Of ratings whose values are not known there is nothing to tell. */
        if (c->current->model.ratings_scale && rec_foldin_by_value(foldin) && !visitor.value)
            visitor.n = 0;
    }
    rec_json_array(json, "items");
    for (size_t i = w->offset; i < n; i++) {
        rec_json_object(json, NULL);
        rec_film_write(json, c->current, hit[i].item);
        rec_film_score(json, "score", hit[i].score);
        if (w->explain && write_reasons(json, c, &visitor, foldin, hit[i].item, part, err) < 0)
            goto out;
        rec_json_end(json);
    }
    rec_json_end(json);
    status = 0;
out:
    free(part);
    return status;
}

static int answer(struct rec_call *c, struct rec_history *h, const char *user, size_t unknown, struct rec_err *err)
{
    static const char *const hows[] = {"popular", "trained", "folded-in"};
    struct wish w = read_wish(c);
    size_t want = w.k + w.offset, room = w.diversity > 0 ? (want < 20 ? 20 : want) * DIVERSE : want;
    struct rec_topk_hit *hit = NULL;
    uint8_t *allowed = NULL;
    struct rec_json json;
    ptrdiff_t n;
    int status = rec_film_choose(&allowed, c, false, err);

    if (status)
        return status < 0 ? -1 : 0;
    status = -1;
    room = room < c->current->model.n_items ? room : c->current->model.n_items;
    hit = rec_malloc(room, sizeof *hit, "recommendations", err);
    if (!hit || rec_history_fold(h, c->current, err) < 0)
        goto out;
    n = rank(hit, room, c, h, &w, allowed, err);
    if (n < 0)
        goto out;
    json = rec_answer_begin(c, 200);
    rec_answer_text(&json, "user_id", user);
    rec_answer_text(&json, "model", c->current->version);
    rec_answer_text(&json, "basis", hows[h->how]);
    if (unknown)
        rec_json_int(&json, "unknown_movies", (int64_t)unknown);
    if (write_items(&json, c, h, &w, hit, (size_t)n, err) < 0)
        goto out;
    rec_answer_end(&json);
    rec_service_add(c->serve, &rec_service_lists, "basis", hows[h->how]);
    status = 0;
out:
    free(hit);
    free(allowed);
    return status;
}

/* ---- handlers ---- */

/* "me", and the account's own id, are the caller's user. */
static const char *user_of(const struct rec_call *c)
{
    return c->authenticated && (strcmp(c->param[0], "me") == 0 || strcmp(c->param[0], c->account.id) == 0) ? rec_call_user(c) : c->param[0];
}

static int for_user(struct rec_call *c, struct rec_err *err)
{
    const char *user = user_of(c);
    struct rec_history h = {0};
    struct rec_cached cached;
    int status = rec_cached_find(&cached, c, "recommendations", user, true, LIFE, err);

    if (status > 0) {
        rec_service_add(c->serve, &rec_service_lists, "basis", "cached");
        status = 0;
        goto out;
    }
    if (status == 0)
        status = rec_history_of_user(&h, c, user, err);
    if (status == 0)
        status = answer(c, &h, user, 0, err);
    if (status == 0)
        rec_cached_keep(&cached, c);
out:
    rec_cached_clear(&cached);
    rec_history_clear(&h);
    return status;
}

static int for_visitor(struct rec_call *c, struct rec_err *err)
{
    struct rec_history h = {0};
    size_t unknown;
    int status = rec_history_of_visitor(&h, c, rec_json_get(c->body, "items"), &unknown, err);

    if (status == 0)
        status = answer(c, &h, NULL, unknown, err);
    rec_history_clear(&h);
    return status;
}

/* By the cosine of their factors. Those without any are far from everybody. */
static void near_by_factors(float *score, const struct rec_model *m, int32_t u)
{
    float own;

    rec_kernels_gemv(score, m->user_factors, m->n_users, m->factors, m->factors, m->user_factors + (size_t)u * m->factors, NULL);
    own = sqrtf(score[u] > 0 ? score[u] : 1);
    for (size_t v = 0; v < m->n_users; v++) {
        const float *x = m->user_factors + v * m->factors;
        float norm = sqrtf(rec_kernels_dot(x, x, m->factors)) * own;

        score[v] = norm > 0 ? score[v] / norm : -INFINITY;
    }
}

/* Those that the model keeps of each user. */
static void near_by_rows(float *score, const struct rec_model *m, int32_t u)
{
    for (size_t v = 0; v < m->n_users; v++)
        score[v] = -INFINITY;
    for (int64_t p = m->near_ptr[u]; p < m->near_ptr[u + 1]; p++)
        score[m->near_user[p]] = m->near_weight[p];
}

static int neighbors(struct rec_call *c, struct rec_err *err)
{
    const struct rec_model *m = &c->current->model;
    const char *user = user_of(c);
    int32_t u = rec_ids_find(&m->users, user, strlen(user));
    size_t k = (size_t)rec_call_int(c, "k", 10), n, len;
    struct rec_topk_hit hit[100];
    struct rec_json json;
    float *score;

    if (u < 0 || (!m->user_factors && !m->near_ptr))
        return rec_answer_problem(c, 404, u < 0 ? "the model does not know this user" : "this model knows no nearness of users");
    score = rec_malloc(m->n_users, sizeof *score, "neighbors", err);
    if (!score)
        return -1;
    if (m->near_ptr)
        near_by_rows(score, m, u);
    else
        near_by_factors(score, m, u);
    n = rec_topk_scan(hit, k < m->n_users ? k : m->n_users, score, m->n_users, &(struct rec_topk_seen){&u, 1}, NULL);
    free(score);
    json = rec_answer_begin(c, 200);
    rec_answer_text(&json, "user_id", user);
    rec_answer_text(&json, "model", c->current->version);
    rec_json_array(&json, "neighbors");
    for (size_t i = 0; i < n; i++) {
        const char *text = rec_ids_get(&m->users, (size_t)hit[i].item, &len);

        rec_json_object(&json, NULL);
        rec_json_text(&json, "user_id", text, len);
        rec_film_score(&json, "score", hit[i].score);
        rec_json_end(&json);
    }
    rec_answer_end(&json);
    return 0;
}

/* ---- tables ---- */

#define WISHES \
    {.name = "k", .type = REC_FIELD_INT, .min = 1, .max = MOST, .help = "how many; 10"}, \
    {.name = "offset", .type = REC_FIELD_INT, .min = 0, .max = MOST, .help = "how many of the best are passed over; 0"}, \
    {.name = "genre", .type = REC_FIELD_TEXTS, .max = REC_FILM_GENRES, .help = "of any of these genres"}, \
    {.name = "year", .type = REC_FIELD_YEARS, .help = "1994, 1990..1999, 1990.., ..1999"}, \
    {.name = "exclude_seen", .type = REC_FIELD_BOOL, .help = "leave out what the user knows; true"}, \
    {.name = "diversity", .type = REC_FIELD_REAL, .min = 0, .max = 1, .help = "0: the best; more: unlike each other"}, \
    {.name = "explain", .type = REC_FIELD_BOOL, .help = "say which films of the history each is recommended for"}

static const struct rec_field user_query[] = {WISHES, {.name = NULL}};
static const struct rec_field item_fields[] = {
    {.name = "movie_id", .type = REC_FIELD_ID, .required = true},
    {.name = "rating", .type = REC_FIELD_REAL, .min = -1e6, .max = 1e6},
    {.name = NULL},
};
static const struct rec_field visitor_body[] = {
    {.name = "items", .type = REC_FIELD_OBJECTS, .min = 0, .max = 1000, .fields = item_fields, .required = true, .help = "what the visitor knows"},
    WISHES,
    {.name = NULL},
};
static const struct rec_field neighbors_query[] = {
    {.name = "k", .type = REC_FIELD_INT, .min = 1, .max = 100},
    {.name = NULL},
};

const struct rec_route rec_handle_recommendations_routes[] = {
    {.method = REC_GET, .path = "/recommendations/{user_id}", .own = REC_MAY_SELF, .others = REC_MAY_READ_OTHERS, .scope = "recommend",
     .handle = for_user, .query = user_query, .flags = REC_ROUTE_MODEL | REC_ROUTE_CACHED},
    {.method = REC_POST, .path = "/recommendations", .own = REC_MAY_ANYONE, .others = REC_MAY_ANYONE, .scope = "recommend",
     .handle = for_visitor, .body = visitor_body, .flags = REC_ROUTE_MODEL},
    {.method = REC_GET, .path = "/users/{user_id}/neighbors", .own = REC_MAY_SELF, .others = REC_MAY_READ_OTHERS, .scope = "recommend",
     .handle = neighbors, .query = neighbors_query, .flags = REC_ROUTE_MODEL},
    {.path = NULL},
};
