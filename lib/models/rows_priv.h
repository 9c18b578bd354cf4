/* SPDX-License-Identifier: MIT
 *
 * One pass over the rows of a sparse matrix, for trainers that solve for row after row.
 *
 * Rows are cut into parts of about equal cost. The cut depends on the matrix alone, and what the parts add up is added in their order,
 * so the result is the same for any number of threads.
 */
#ifndef REC_ROWS_PRIV_H
#define REC_ROWS_PRIV_H

#include <rec/util.h>

/** Works on rows [begin, end), with a scratch space of the thread's own, and adds to *loss. -1 stops the pass. */
typedef int rec_rows_fn(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err);

/** The first row of part `part` of `parts`, for rows of ptr[r+1] - ptr[r] entries; an empty row costs as much as `empty` entries. */
size_t rec_rows_begin(const int64_t *ptr, size_t rows, size_t part, size_t parts, size_t empty);

/** Calls fn for every part. *loss (may be NULL) receives the sum. */
int rec_rows_run(unsigned threads, const int64_t *ptr, size_t rows, rec_rows_fn *fn, void *context, double *loss, struct rec_err *err);

/** Entries of the longest row. */
size_t rec_rows_longest(const int64_t *ptr, size_t rows);

/** Fills row r of x [rows, f], for all r, with normal numbers of this deviation from the stream r + 1 of the seed. */
void rec_rows_random(float *x, size_t rows, size_t f, double deviation, uint64_t seed);

#endif
