/* SPDX-License-Identifier: MIT
 *
 * Tokens that were taken back, as other files of the store look for them.
 */
#ifndef REC_STORE_TOKENS_PRIV_H
#define REC_STORE_TOKENS_PRIV_H

#include <rec/store.h>

/** What stands before the name of a family where a jti stands. */
#define REC_TOKENS_FAMILY "family:"

#endif
