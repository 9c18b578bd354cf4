/* SPDX-License-Identifier: MIT
 *
 * What the files of cache/ share.
 */
#ifndef REC_CACHE_PRIV_H
#define REC_CACHE_PRIV_H

#include <rec/cache.h>

/** Messages do not hold the URL: a password is in it. */
int rec_cache_url_read(struct rec_cache_address *out, const char *url, struct rec_err *err);

#endif
