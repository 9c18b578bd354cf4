/* SPDX-License-Identifier: MIT
 *
 * The kernels for plain C, for any CPU.
 */
#include "cg_priv.h"
#include "ridge_priv.h"
#include "score_priv.h"
#include "screen_priv.h"
#include "set_priv.h"
#include "sgd_priv.h"

const struct rec_set rec_set_plain = REC_SET("plain", NULL);
