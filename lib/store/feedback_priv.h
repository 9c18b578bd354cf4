/* SPDX-License-Identifier: MIT
 *
 * What feedback.c does for appender.c: events within a transaction that somebody else opened.
 */
#ifndef REC_STORE_FEEDBACK_PRIV_H
#define REC_STORE_FEEDBACK_PRIV_H

#include <rec/store.h>

#define REC_FEEDBACK_DRAWN 26

/** An event's number, and its place among those of the same request. */
struct rec_feedback_place {
    int32_t event, part;
};

/** What one caller wants stored together. */
struct rec_feedback_request {
    const struct rec_event *events;
    size_t n;
    int64_t now;
    char drawn[REC_FEEDBACK_DRAWN + 1]; /**< the name of events without one: kept for every attempt, so that a second one stores nothing twice */
    struct rec_feedback_place *place;   /**< [n] in the order of users' ids, in which everybody locks them; NULL: one event */
    size_t added;
    bool touched;                       /**< something of it was written in this attempt, so that a failure must be undone */
};

/** Checks the events, and draws a name for those without. */
int rec_feedback_begin(struct rec_feedback_request *request, struct rec_sql *db, const struct rec_event *events, size_t n, int64_t now,
                       struct rec_err *err);
void rec_feedback_end(struct rec_feedback_request *request);
/** Within a WRITE transaction. */
int rec_feedback_append(struct rec_feedback_request *request, struct rec_store *store, struct rec_err *err);

#endif
