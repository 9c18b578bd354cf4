/* SPDX-License-Identifier: MIT
 *
 * The kernels for AVX-512 F, BW, DQ, VL.
 */
#ifdef __x86_64__
#include "cg_priv.h"
#include "ridge_priv.h"
#include "score_priv.h"
#include "screen_priv.h"
#include "set_priv.h"
#include "sgd_priv.h"

const struct rec_set rec_set_avx512 = REC_SET("avx512", &rec_set_avx2);
#endif
