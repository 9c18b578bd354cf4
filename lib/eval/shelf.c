/* SPDX-License-Identifier: MIT
 *
 * Items and what users had of them: what measures look at that do not ask whether a list is right, but what it shows. */
#include <rec/eval.h>

#include <stdlib.h>

int rec_shelf_init(struct rec_shelf *shelf, const struct rec_ids *users, const struct rec_ids *items, const int64_t *ptr, const int32_t *index,
                   const struct rec_catalogue *catalogue, struct rec_err *err)
{
    *shelf = (struct rec_shelf){.n_items = items->n, .n_users = users->n, .items = items, .users = users, .history_ptr = ptr, .history = index,
                                .catalogue = catalogue};
    shelf->popularity = rec_calloc(items->n + 1, sizeof *shelf->popularity, "items", err);
    shelf->entry = catalogue ? rec_malloc(items->n + 1, sizeof *shelf->entry, "items", err) : NULL;
    if (!shelf->popularity || (catalogue && !shelf->entry)) {
        rec_shelf_clear(shelf);
        return -1;
    }
    for (size_t u = 0; u < users->n; u++) {
        shelf->active += ptr[u + 1] > ptr[u];
        for (int64_t p = ptr[u]; p < ptr[u + 1]; p++)
            shelf->popularity[index[p]]++;
    }
    if (catalogue)
        rec_ids_join(shelf->entry, items, &catalogue->items);
    return 0;
}

void rec_shelf_clear(struct rec_shelf *shelf)
{
    free(shelf->popularity);
    free(shelf->entry);
    *shelf = (struct rec_shelf){0};
}

const int32_t *rec_shelf_genres(const struct rec_shelf *shelf, int32_t item, size_t *n)
{
    const struct rec_catalogue *c = shelf->catalogue;
    int32_t e = item >= 0 && shelf->entry ? shelf->entry[item] : -1;

    *n = e < 0 ? 0 : (size_t)(c->genre_ptr[e + 1] - c->genre_ptr[e]);
    return *n ? c->genre + c->genre_ptr[e] : NULL;
}
