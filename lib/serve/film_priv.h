/* SPDX-License-Identifier: MIT
 *
 * Films in answers.
 */
#ifndef REC_FILM_PRIV_H
#define REC_FILM_PRIV_H

#include "serve_priv.h"

#include <stdlib.h>

enum { REC_FILM_GENRES = 16 };

/** Members movie_id, title, year, genres of an item of the model. */
void rec_film_write(struct rec_json *json, const struct rec_current *m, int32_t item);
/** All films there are, those that the model does not know among them: how many; the model's number of one, or -1; the one of that id, or -1; how
 *  popular it is; its members movie_id, title, year, genres, popularity. */
size_t rec_film_count(const struct rec_current *m);
int32_t rec_film_item(const struct rec_current *m, size_t film);
int32_t rec_film_find(const struct rec_current *m, const char *id);
double rec_film_popularity(const struct rec_current *m, size_t film);
void rec_film_describe(struct rec_json *json, const struct rec_current *m, size_t film);
/** The same members of an item of the model, whether it is among the films or not. */
void rec_film_describe_item(struct rec_json *json, const struct rec_current *m, int32_t item);
void rec_film_score(struct rec_json *json, const char *key, float score);
/** By `genre` and `year` of the query or the body: *allowed, to be freed, for each item of the model, or (`films`) each film; NULL: no choice was
 *  made. Without a catalogue nothing is allowed. @return 0, 1: a problem was answered, -1 */
int rec_film_choose(uint8_t **allowed, struct rec_call *c, bool films, struct rec_err *err);

#endif
