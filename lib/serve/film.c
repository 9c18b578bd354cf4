/* SPDX-License-Identifier: MIT
 *
 * Films in answers, and the choice of films by genre and year: what several handlers share.
 */
#include "film_priv.h"

#include <string.h>

/* The catalogue's number of an item; -1: it has none. */
static int32_t entry_of(const struct rec_current *m, int32_t item)
{
    return m->has_labels ? m->labels.entry[item] : -1;
}

void rec_film_write(struct rec_json *json, const struct rec_current *m, int32_t item)
{
    const struct rec_catalogue *c = &m->labels.catalogue;
    int32_t e = entry_of(m, item);
    size_t len;
    const char *text = rec_ids_get(&m->model.items, (size_t)item, &len);

    rec_json_text(json, "movie_id", text, len);
    text = e >= 0 ? rec_catalogue_title(c, (size_t)e, &len) : NULL;
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

void rec_film_title(struct rec_json *json, const char *key, const struct rec_current *m, int32_t item)
{
    int32_t e = entry_of(m, item);
    size_t len = 0;
    const char *text = e >= 0 ? rec_catalogue_title(&m->labels.catalogue, (size_t)e, &len) : NULL;

    if (text && len)
        rec_json_text(json, key, text, len);
    else
        rec_json_null(json, key);
}

void rec_film_score(struct rec_json *json, const char *key, float score)
{
    rec_json_real(json, key, rec_num_decimal(score));
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

int rec_film_choose(uint8_t **allowed, struct rec_call *c, struct rec_err *err)
{
    const char *genres = rec_call_text(c, "genre"), *years = rec_call_text(c, "year"), *word[REC_FILM_GENRES];
    const struct rec_json_value *list = rec_json_get(c->body, "genre");
    const struct rec_current *m = c->current;
    char *text = NULL;
    size_t n = 0;
    int32_t from = 0, to = 0;
    int status = -1;

    *allowed = NULL;
    if (!years)
        years = rec_json_string(rec_json_get(c->body, "year"));
    if (genres) {
        text = strdup(genres);
        if (!text)
            return rec_err_memory(err, "genres");
        n = cut_words(word, REC_FILM_GENRES, text);
    }
    for (; n < rec_json_length(list) && n < REC_FILM_GENRES; n++)
        word[n] = rec_json_string(rec_json_at(list, n));
    if (!n && !years) {
        free(text);
        return 0;
    }
    *allowed = rec_calloc(m->model.n_items, 1, "choice", err);
    if (!*allowed || (years && rec_labels_years(&from, &to, years, err) < 0))
        goto out;
    status = m->has_labels ? rec_labels_mark(*allowed, &m->labels, word, n, from, to, err) : 0;
out:
    free(text);
    if (status < 0) {
        free(*allowed);
        *allowed = NULL;
    }
    /* A genre that the catalogue does not have is the client's mistake. */
    if (status < 0 && strncmp(err->text, "genre '", 7) == 0) {
        rec_answer_wrong(c, genres ? "?genre" : "/genre", "%s", err->text);
        rec_answer_wrongs(c);
        return 1;
    }
    return status;
}
