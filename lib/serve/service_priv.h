/* SPDX-License-Identifier: MIT
 *
 * What the service counts.
 */
#ifndef REC_SERVICE_PRIV_H
#define REC_SERVICE_PRIV_H

#include "serve_priv.h"

extern const struct rec_prom_metric rec_service_answers, rec_service_requests, rec_service_seconds, rec_service_bytes, rec_service_limited, rec_service_events,
    rec_service_lists, rec_service_logins, rec_service_reloads, rec_service_loaded, rec_service_cache, rec_service_limits;
enum { REC_SERVICE_BOUNDS = 14 };      /**< buckets of rec_service_seconds, but for the last */

/** One more, with that label (name NULL: none). */
void rec_service_add(struct rec_serve *serve, const struct rec_prom_metric *metric, const char *name, const char *value);

#endif
