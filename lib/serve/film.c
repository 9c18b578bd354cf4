/* SPDX-License-Identifier: MIT
 *
 * Films in answers, and the choice of films by genre and year: what several handlers share.
 */
#include "film_priv.h"

#include <string.h>

/* The catalogue's number of an item; -1: it has none. */
static int32_t entry_of(const struct rec_current *m, int32_t item)
{
    if (!m->has_labels)
        return -1;
    return m->joined ? m->labels.entry[item] : rec_labels_entry(&m->labels, &m->model.items, (size_t)item);
}

static void write_labels(struct rec_json *json, const struct rec_catalogue *c, int32_t e)
{
    size_t len;
    const char *text = e >= 0 ? rec_catalogue_title(c, (size_t)e, &len) : NULL;

    if (text && len)
        rec_json_text(json, "title", text, len);
    else
        rec_json_null(json, "title");
    if (e >= 0 && c->year[e])
        rec_json_int(json, "year", c->year[e]);
    else
        rec_json_null(json, "year");
    rec_json_array(json, "genres");
    for (int64_t g = e >= 0 ? c->genre_ptr[e] : 0; e >= 0 && g < c->genre_ptr[e + 1]; g++) {
        text = rec_ids_get(&c->genres, (size_t)c->genre[g], &len);
        rec_json_text(json, NULL, text, len);
    }
    rec_json_end(json);
}

/* ---- what answers say of a film ----
 *
 * In a process that lives long it is written once for each film that is asked for, and kept as long as its model, up to MOST bytes of all of them.
 */

enum { MOST = 1 << 20, FILMS_MOST = 1 << 17 };

struct film {
    size_t len;
    char text[];
};
struct rec_films {
    atomic_size_t bytes;
    _Atomic(struct film *) film[];   /* [items] */
};

int rec_film_open(struct rec_current *m, struct rec_err *err)
{
    if (m->model.n_items > FILMS_MOST)
        return 0;
    m->films = rec_calloc(1, sizeof *m->films + m->model.n_items * sizeof m->films->film[0], "films", err);
    return m->films ? 0 : -1;
}

void rec_film_close(struct rec_current *m)
{
    for (size_t i = 0; m->films && i < m->model.n_items; i++)
        free(atomic_load(&m->films->film[i]));
    free(m->films);
}

static void write_film(struct rec_json *json, const struct rec_current *m, int32_t item)
{
    size_t len;
    const char *text = rec_ids_get(&m->model.items, (size_t)item, &len);

    rec_json_text(json, "movie_id", text, len);
    write_labels(json, &m->labels.catalogue, entry_of(m, item));
}

/* Of two threads that come at once one keeps its own. NULL: there is no room. */
static const struct film *make_film(const struct rec_current *m, int32_t item)
{
    struct rec_buf text = {0};
    struct rec_json json = {.out = &text, .flat = true};
    struct film *film = NULL, *other = NULL;

    if (atomic_load(&m->films->bytes) > MOST)
        return NULL;
    write_film(&json, m, item);
    if (!text.failed)
        film = malloc(sizeof *film + text.len);
    if (film) {
        film->len = text.len;
        memcpy(film->text, text.data, text.len);
        if (atomic_compare_exchange_strong(&m->films->film[item], &other, film)) {
            atomic_fetch_add(&m->films->bytes, sizeof *film + text.len);
        } else {
            free(film);
            film = other;
        }
    }
    rec_buf_clear(&text);
    return film;
}

void rec_film_write(struct rec_json *json, const struct rec_current *m, int32_t item)
{
    const struct film *film = m->films ? atomic_load_explicit(&m->films->film[item], memory_order_acquire) : NULL;

    if (!film && m->films)
        film = make_film(m, item);
    if (film)
        rec_json_written(json, film->text, film->len);
    else
        write_film(json, m, item);
}

/* ---- films by number ---- */

/* Films are numbered as the catalogue does; without one, as the model does. */
size_t rec_film_count(const struct rec_current *m)
{
    return m->has_labels ? m->labels.catalogue.n : m->model.n_items;
}

int32_t rec_film_item(const struct rec_current *m, size_t film)
{
    size_t len;
    const char *id;

    if (!m->has_labels)
        return (int32_t)film;
    if (m->joined)
        return m->item_of[film];
    id = rec_ids_get(&m->labels.catalogue.items, film, &len);
    return rec_ids_find(&m->model.items, id, len);
}

int32_t rec_film_find(const struct rec_current *m, const char *id)
{
    return rec_ids_find(m->has_labels ? &m->labels.catalogue.items : &m->model.items, id, strlen(id));
}

double rec_film_popularity(const struct rec_current *m, size_t film)
{
    int32_t item = rec_film_item(m, film);

    return item >= 0 && m->model.popularity ? (double)m->model.popularity[item] : 0;
}

void rec_film_describe(struct rec_json *json, const struct rec_current *m, size_t film)
{
    const struct rec_ids *ids = m->has_labels ? &m->labels.catalogue.items : &m->model.items;
    size_t len;
    const char *text = rec_ids_get(ids, film, &len);

    rec_json_text(json, "movie_id", text, len);
    write_labels(json, &m->labels.catalogue, m->has_labels ? (int32_t)film : -1);
    rec_json_real(json, "popularity", rec_film_popularity(m, film));
}

void rec_film_describe_item(struct rec_json *json, const struct rec_current *m, int32_t item)
{
    rec_film_write(json, m, item);
    rec_json_real(json, "popularity", m->model.popularity ? (double)m->model.popularity[item] : 0);
}

void rec_film_score(struct rec_json *json, const char *key, float score)
{
    rec_json_float(json, key, score);
}

/* "Drama,Action" into words, in place. */
static size_t cut_words(const char **word, size_t room, char *text)
{
    size_t n = 0;

    for (char *at = text, *comma; at && n < room; at = comma) {
        comma = strchr(at, ',');
        if (comma)
            *comma++ = 0;
        word[n++] = at;
    }
    return n;
}

struct choice {
    const char *word[REC_FILM_GENRES];
    size_t n;
    int32_t from, to;
    char *text;
};

static int read_choice(struct choice *choice, const struct rec_call *c, struct rec_err *err)
{
    const char *genres = rec_call_text(c, "genre"), *years = rec_call_text(c, "year");
    const struct rec_json_value *list = rec_json_get(c->body, "genre");

    *choice = (struct choice){.text = NULL};
    years = years ? years : rec_json_string(rec_json_get(c->body, "year"));
    if (years && rec_labels_years(&choice->from, &choice->to, years, err) < 0)
        return -1;
    if (genres) {
        choice->text = strdup(genres);
        if (!choice->text)
            return rec_err_memory(err, "genres");
        choice->n = cut_words(choice->word, REC_FILM_GENRES, choice->text);
    }
    for (size_t i = 0; i < rec_json_length(list) && choice->n < REC_FILM_GENRES; i++)
        choice->word[choice->n++] = rec_json_string(rec_json_at(list, i));
    return 0;
}

/* Every genre has to be one of the catalogue's: a misspelt one would else be an empty list. True: it was answered. */
static bool is_wrong(struct rec_call *c, const struct choice *choice)
{
    const struct rec_ids *genres = &c->current->labels.catalogue.genres;

    for (size_t i = 0; c->current->has_labels && i < choice->n; i++) {
        bool known = false;

        for (size_t g = 0; g < genres->n && !known; g++) {
            size_t len;
            const char *text = rec_ids_get(genres, g, &len);

            known = strlen(choice->word[i]) == len && strncasecmp(choice->word[i], text, len) == 0;
        }
        if (!known)
            rec_answer_wrong(c, c->body ? "/genre" : "?genre", "the catalogue has no genre '%.64s'", choice->word[i]);
    }
    if (rec_answer_has_wrong(c))
        rec_answer_wrongs(c);
    return c->x->response.status == 422;
}

int rec_film_choose(uint8_t **allowed, struct rec_call *c, bool films, struct rec_err *err)
{
    const struct rec_current *m = c->current;
    struct choice choice;
    int status = read_choice(&choice, c, err);

    *allowed = NULL;
    /* Whoever lists films goes through all of them. */
    if (status == 0 && (films || choice.n || choice.from > 0))
        status = rec_current_join(c->current, err);
    if (status < 0 || (!choice.n && choice.from <= 0) || is_wrong(c, &choice)) {
        free(choice.text);
        return status < 0 ? -1 : c->x->response.status == 422;
    }
    status = -1;
    *allowed = rec_calloc(films ? rec_film_count(m) : m->model.n_items, 1, "choice", err);
    if (!*allowed)
        goto out;
    if (!m->has_labels)
        status = 0; /* nothing is known of any film: none is wanted */
    else if (films)
        status = rec_labels_entries(*allowed, &m->labels.catalogue, choice.word, choice.n, choice.from, choice.to, err);
    else
        status = rec_labels_mark(*allowed, &m->labels, choice.word, choice.n, choice.from, choice.to, err);
out:
    free(choice.text);
    if (status < 0) {
        free(*allowed);
        *allowed = NULL;
    }
    return status;
}
