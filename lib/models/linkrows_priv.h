/* SPDX-License-Identifier: MIT
 *
 * Links between items, a few rows at a time: whatever is made row by row need never be held as a whole before all but the greatest links of
 * each row are left out.
 */
#ifndef REC_LINKROWS_PRIV_H
#define REC_LINKROWS_PRIV_H

#include "models_priv.h"

/** Fills rows [begin, end) of the links, out [end - begin, n_items], zeroed before; in any thread, a piece of the same rows each time. */
typedef int rec_linkrows_fn(void *context, float *out, size_t begin, size_t end, unsigned thread, struct rec_err *err);

/** Makes all rows, `tile` at a time, and keeps in each the `keep` links of greatest magnitude (0: all that are not 0; of equals, those of lower
 *  items) as model->link_*. Tells the job of its steps, from `step` + 1 on of `steps`: one for each sixteenth of the rows. */
enum { REC_LINKROWS_STEPS = 16 };
int rec_linkrows_make(struct rec_model *model, const struct rec_train_job *job, size_t keep, size_t tile, rec_linkrows_fn *fn, void *context,
                      struct rec_err *err);

/** The magnitude below which nothing is among the `keep` greatest of n, and how many of exactly this one are. */
uint32_t rec_linkrows_cut(size_t *equals, const float *row, size_t n, size_t keep);

#endif
