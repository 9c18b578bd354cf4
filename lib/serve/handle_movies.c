/* SPDX-License-Identifier: MIT
 *
 * Films: looking them up, searching, the popular and the latest, those near to one. They are read from the catalogue file; nobody's data is in
 * them, so that everybody may ask.
 */
#include "cached_priv.h"
#include "film_priv.h"
#include "service_priv.h"

#include <math.h>
#include <string.h>

/* Seconds that a list of similar films is kept: it changes with the model alone, which is part of its key. */
enum { SIMILAR_LIFE = 3600 };

/* ---- finding ---- */

static bool is_letter(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (unsigned char)c >= 128;
}

/* Whether a word of the title begins with these letters, whatever the case of ASCII letters. */
static bool has_word(const char *title, size_t len, const char *word, size_t n)
{
    for (size_t i = 0; i + n <= len; i++)
        if ((i == 0 || !is_letter(title[i - 1])) && strncasecmp(title + i, word, n) == 0)
            return true;
    return false;
}

/* Every word of q has to begin a word of the title. */
static bool is_titled(const struct rec_current *m, size_t film, const char *q)
{
    size_t len, n;
    const char *title = m->has_labels ? rec_catalogue_title(&m->labels.catalogue, film, &len) : NULL;

    for (; title && *q; q += n) {
        for (; *q && !is_letter(*q); q++)
            ;
        for (n = 0; is_letter(q[n]); n++)
            ;
        if (n && !has_word(title, len, q, n))
            return false;
    }
    return title != NULL;
}

struct found {
    const char *title;
    size_t title_len;
    double popularity;
    int32_t year;
    uint32_t film;
};

enum order { BY_ID, BY_TITLE, BY_YEAR, BY_POPULARITY };
static const char orders[] = "id|title|-title|year|-year|popularity|-popularity";

static int by_film(const struct found *a, const struct found *b)
{
    return (a->film > b->film) - (a->film < b->film);
}

static int by_title(const void *x, const void *y)
{
    const struct found *a = x, *b = y;
    size_t n = a->title_len < b->title_len ? a->title_len : b->title_len;
    int order = n ? strncasecmp(a->title, b->title, n) : 0;

    order = order ? order : (a->title_len > b->title_len) - (a->title_len < b->title_len);
    return order ? order : by_film(a, b);
}

static int by_year(const void *x, const void *y)
{
    const struct found *a = x, *b = y;
    int order = (a->year > b->year) - (a->year < b->year);

    return order ? order : by_film(a, b);
}

static int by_popularity(const void *x, const void *y)
{
    const struct found *a = x, *b = y;
    int order = (a->popularity > b->popularity) - (a->popularity < b->popularity);

    return order ? order : by_film(b, a);
}

/* The films that are wanted, in order. @return how many; *list is to be freed. -1: err; -2: a problem was answered. */
static ptrdiff_t find(struct found **list, struct rec_call *c, const char *sort, struct rec_err *err)
{
    const struct rec_current *m = c->current;
    const char *q = rec_call_text(c, "q"), *order = sort ? sort + (*sort == '-') : "id";
    size_t films = rec_film_count(m), n = 0;
    uint8_t *allowed;
    int status = rec_film_choose(&allowed, c, true, err);

    *list = NULL;
    if (status)
        return status < 0 ? -1 : -2;
    *list = rec_malloc(films, sizeof **list, "films", err);
    for (size_t f = 0; *list && f < films; f++) {
        struct found *one = &(*list)[n];

        if ((allowed && !allowed[f]) || (q && !is_titled(m, f, q)))
            continue;
        *one = (struct found){.film = (uint32_t)f, .popularity = rec_film_popularity(m, f)};
        if (m->has_labels) {
            one->title = rec_catalogue_title(&m->labels.catalogue, f, &one->title_len);
            one->year = m->labels.catalogue.year[f];
        }
        n++;
    }
    free(allowed);
    if (!*list)
        return -1;
    if (strcmp(order, "id") != 0)
        qsort(*list, n, sizeof **list, *order == 't' ? by_title : *order == 'y' ? by_year : by_popularity);
    for (size_t i = 0; sort && *sort == '-' && i < n / 2; i++) {
        struct found swap = (*list)[i];

        (*list)[i] = (*list)[n - 1 - i];
        (*list)[n - 1 - i] = swap;
    }
    return (ptrdiff_t)n;
}

/* ---- lists ---- */

static int answer_films(struct rec_call *c, const char *sort, size_t from, size_t limit, bool pages, struct rec_err *err)
{
    struct found *list;
    ptrdiff_t n = find(&list, c, sort, err);
    struct rec_json json;
    char cursor[32];

    if (n < 0)
        return n == -1 ? -1 : 0;
    json = rec_answer_begin(c, 200);
    rec_json_array(&json, "movies");
    for (size_t i = from; i < (size_t)n && i - from < limit; i++) {
        rec_json_object(&json, NULL);
        rec_film_describe(&json, c->current, list[i].film);
        rec_json_end(&json);
    }
    rec_json_end(&json);
    if (pages) {
        rec_json_int(&json, "total", n);
        snprintf(cursor, sizeof cursor, "%zu", from + limit);
        rec_answer_text(&json, "next_cursor", from + limit < (size_t)n ? cursor : NULL);
    }
    rec_answer_end(&json);
    rec_response_field(&c->x->response, "Cache-Control", "public, max-age=60");
    free(list);
    return 0;
}

static int get_movies(struct rec_call *c, struct rec_err *err)
{
    return answer_films(c, rec_call_text(c, "sort"), (size_t)rec_call_int(c, "cursor", 0), (size_t)rec_call_int(c, "limit", 20), true, err);
}

static int get_popular(struct rec_call *c, struct rec_err *err)
{
    return answer_films(c, "-popularity", 0, (size_t)rec_call_int(c, "k", 10), false, err);
}

static int get_latest(struct rec_call *c, struct rec_err *err)
{
    return answer_films(c, "-year", 0, (size_t)rec_call_int(c, "k", 10), false, err);
}

/* One that the catalogue lacks and the model knows is there too, by its id: it is among what is recommended. */
static int get_movie(struct rec_call *c, struct rec_err *err)
{
    int32_t film = rec_film_find(c->current, c->param[0]), item = film < 0 ? rec_ids_find(&c->current->model.items, c->param[0], strlen(c->param[0])) : -1;
    struct rec_json json;

    (void)err;
    if (film < 0 && item < 0)
        return rec_answer_problem(c, 404, "there is no such movie");
    json = rec_answer_begin(c, 200);
    if (film >= 0)
        rec_film_describe(&json, c->current, (size_t)film);
    else
        rec_film_describe_item(&json, c->current, item);
    rec_answer_end(&json);
    rec_response_field(&c->x->response, "Cache-Control", "public, max-age=60");
    return 0;
}

/* ---- near to one ---- */

/* By the cosine of factors. The one itself, and items without any, are left out. */
static size_t nearest(struct rec_topk_hit *hit, size_t k, const struct rec_model *m, int32_t item, float *score)
{
    const float *of = m->item_factors + (size_t)item * m->factors;
    float own = sqrtf(rec_kernels_dot(of, of, m->factors));
    size_t n;

    rec_kernels_gemv(score, m->item_factors, m->n_items, m->factors, m->factors, of, NULL);
    for (size_t i = 0; i < m->n_items; i++) {
        const float *x = m->item_factors + i * m->factors;
        float norm = own * sqrtf(rec_kernels_dot(x, x, m->factors));

        score[i] = norm > 0 ? score[i] / norm : -2;
    }
    n = rec_topk_scan(hit, k < m->n_items ? k : m->n_items, score, m->n_items, &(struct rec_topk_seen){&item, 1}, NULL);
    while (n && hit[n - 1].score < -1.5F)
        n--;
    return n;
}

static ptrdiff_t find_near(struct rec_topk_hit *hit, size_t k, struct rec_call *c, int32_t item, struct rec_err *err)
{
    const struct rec_model *m = &c->current->model;
    const struct rec_similar *similar;
    float *score;
    size_t n;

    if (m->item_factors) {
        score = rec_malloc(m->n_items, sizeof *score, "similar films", err);
        n = score ? nearest(hit, k, m, item, score) : 0;
        free(score);
        return score ? (ptrdiff_t)n : -1;
    }
    similar = rec_current_similar(c->current, err);
    if (!similar || rec_similar_items(hit, &n, similar, &item, 1, 1, err) < 0)
        return -1;
    return (ptrdiff_t)(n < k ? n : k);
}

static int make_similar(struct rec_call *c, int32_t item, struct rec_err *err)
{
    struct rec_topk_hit hit[REC_CURRENT_SIMILAR];
    struct rec_json json;
    ptrdiff_t n = 0;

    if (item >= 0)
        n = find_near(hit, (size_t)rec_call_int(c, "k", 10), c, item, err);
    if (n < 0)
        return -1;
    json = rec_answer_begin(c, 200);
    rec_answer_text(&json, "movie_id", c->param[0]);
    rec_answer_text(&json, "model", c->current->version);
    rec_json_array(&json, "items");
    for (ptrdiff_t i = 0; i < n; i++) {
        rec_json_object(&json, NULL);
        rec_film_write(&json, c->current, hit[i].item);
        rec_film_score(&json, "score", hit[i].score);
        rec_json_end(&json);
    }
    rec_answer_end(&json);
    return 0;
}

static int get_similar(struct rec_call *c, struct rec_err *err)
{
    int32_t film = rec_film_find(c->current, c->param[0]);
    struct rec_cached cached;
    int status;

    if (film < 0)
        return rec_answer_problem(c, 404, "there is no such movie");
    status = rec_cached_find(&cached, c, "similar", c->param[0], false, SIMILAR_LIFE, err);
    if (status == 0 && (status = make_similar(c, rec_film_item(c->current, (size_t)film), err)) == 0)
        rec_cached_keep(&cached, c);
    rec_cached_clear(&cached);
    if (status < 0)
        return -1;
    rec_response_field(&c->x->response, "Cache-Control", "public, max-age=60");
    return 0;
}

/* ---- tables ---- */

#define CHOICE \
    {.name = "genre", .type = REC_FIELD_TEXTS, .max = REC_FILM_GENRES, .help = "of any of these genres"}, \
    {.name = "year", .type = REC_FIELD_YEARS, .help = "1994, 1990..1999, 1990.., ..1999"}

static const struct rec_field movies_query[] = {
    CHOICE,
    {.name = "q", .type = REC_FIELD_TEXT, .min = 1, .max = 100, .help = "words that words of the title begin with"},
    {.name = "sort", .type = REC_FIELD_CHOICE, .choices = orders},
    {.name = "limit", .type = REC_FIELD_INT, .min = 1, .max = 100},
    {.name = "cursor", .type = REC_FIELD_INT, .min = 0, .max = 1e9, .help = "next_cursor of the page before"},
    {.name = NULL},
};
static const struct rec_field top_query[] = {CHOICE, {.name = "k", .type = REC_FIELD_INT, .min = 1, .max = 100}, {.name = NULL}};
static const struct rec_field similar_query[] = {
    {.name = "k", .type = REC_FIELD_INT, .min = 1, .max = REC_CURRENT_SIMILAR},
    {.name = NULL},
};

const struct rec_route rec_handle_movies_routes[] = {
    {.method = REC_GET, .path = "/movies", .scope = "movies", .handle = get_movies, .query = movies_query, .flags = REC_ROUTE_MODEL},
    {.method = REC_GET, .path = "/movies/popular", .scope = "movies", .handle = get_popular, .query = top_query, .flags = REC_ROUTE_MODEL},
    {.method = REC_GET, .path = "/movies/latest", .scope = "movies", .handle = get_latest, .query = top_query, .flags = REC_ROUTE_MODEL},
    {.method = REC_GET, .path = "/movies/{movie_id}", .scope = "movies", .handle = get_movie, .flags = REC_ROUTE_MODEL},
    {.method = REC_GET, .path = "/similar-movies/{movie_id}", .scope = "movies", .handle = get_similar, .query = similar_query,
     .flags = REC_ROUTE_MODEL | REC_ROUTE_CACHED},
    {.path = NULL},
};
