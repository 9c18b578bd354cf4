/* SPDX-License-Identifier: MIT
 *
 * What the files of limits share.
 */
#ifndef REC_LIMIT_PRIV_H
#define REC_LIMIT_PRIV_H

#include <rec/auth.h>

/** The answer of a bucket that will be empty in `ahead` microseconds, 0 to burst / rate, to a request of that cost. */
void rec_limit_tell(struct rec_limit_answer *answer, const struct rec_limit_rate *rate, double cost, double ahead);

#endif
