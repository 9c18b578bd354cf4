/* SPDX-License-Identifier: MIT
 *
 * What row r of a list is made of, in the forms of lists.
 */
#ifndef REC_LISTS_PRIV_H
#define REC_LISTS_PRIV_H

#include <rec/score.h>

void rec_lists_why_csv(struct rec_lists *lists, const struct rec_lists_why *why, size_t r);
void rec_lists_why_json(struct rec_json *json, struct rec_lists *lists, const struct rec_lists_why *why, size_t r);
void rec_lists_why_table(struct rec_lists *lists, const struct rec_lists_why *why, size_t r);

#endif
