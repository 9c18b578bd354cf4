/* SPDX-License-Identifier: MIT
 *
 * The kernels for AVX2 and FMA.
 */
#ifdef __x86_64__
#include "cg_priv.h"
#include "ridge_priv.h"
#include "score_priv.h"
#include "screen_priv.h"
#include "set_priv.h"
#include "sgd_priv.h"

const struct rec_set rec_set_avx2 = REC_SET("avx2", NULL);
#endif
