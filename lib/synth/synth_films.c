/* SPDX-License-Identifier: MIT
 *
 * The items of a catalogue, as what made-up ratings are to be about.
 */
#include <rec/synth.h>

/* Numbers first by length, then by bytes: 2 before 10, as MovieLens sorts its rows. */
static int by_length(const void *a, const void *b)
{
    const struct rec_synth_film *f = a, *g = b;

    if (f->id_len != g->id_len)
        return f->id_len < g->id_len ? -1 : 1;
    return memcmp(f->id, g->id, f->id_len);
}

/* Genres are numbered as they are met, in the order of the films; what comes after the 63rd is one more. */
static uint64_t genres_of(const struct rec_catalogue *c, size_t i, int *number, int *met)
{
    uint64_t bits = 0;

    for (int64_t p = c->genre_ptr[i]; p < c->genre_ptr[i + 1]; p++) {
        int *n = &number[c->genre[p]];

        if (*n < 0)
            *n = *met < 62 ? (*met)++ : 62;
        bits |= (uint64_t)1 << *n;
    }
    return bits;
}

int rec_synth_films(struct rec_synth_film **films, const struct rec_catalogue *c, struct rec_err *err)
{
    struct rec_synth_film *all = rec_calloc(c->n, sizeof *all, "films", err);
    int *number = rec_malloc(c->genres.n, sizeof *number, "films", err), met = 0;

    if (!all || !number) {
        free(all);
        free(number);
        return -1;
    }
    for (size_t g = 0; g < c->genres.n; g++)
        number[g] = -1;
    for (size_t i = 0; i < c->n; i++)
        all[i].id = rec_ids_get(&c->items, i, &all[i].id_len);
    if (c->n)
        qsort(all, c->n, sizeof *all, by_length);
    for (size_t k = 0; k < c->n; k++) {
        int32_t i = rec_ids_find(&c->items, all[k].id, all[k].id_len);

        all[k].year = c->year[i];
        all[k].genres = genres_of(c, (size_t)i, number, &met);
    }
    free(number);
    *films = all;
    return 0;
}
