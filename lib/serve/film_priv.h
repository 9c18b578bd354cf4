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
void rec_film_title(struct rec_json *json, const char *key, const struct rec_current *m, int32_t item);
void rec_film_score(struct rec_json *json, const char *key, float score);
/** *allowed [n_items], to be freed, by `genre` and `year` of the query or the body; NULL: no choice was made. Without a catalogue nothing is allowed.
 *  @return 0, 1: a problem was answered, -1 */
int rec_film_choose(uint8_t **allowed, struct rec_call *c, struct rec_err *err);

#endif
