/* SPDX-License-Identifier: MIT
 *
 * What handlers ask of a call: the caller's user, and parameters, which were checked before.
 */
#include "kept_priv.h"

#include <string.h>

const char *rec_call_user(const struct rec_call *c)
{
    return c->account.user;
}

static const char *parameter(const struct rec_call *c, const char *name, size_t *len)
{
    const char *text = rec_target_parameter(&c->x->target, name, len);

    return text ? text : rec_target_parameter(&c->form, name, len);
}

const char *rec_call_text(const struct rec_call *c, const char *name)
{
    size_t len;

    return parameter(c, name, &len);
}

int64_t rec_call_int(const struct rec_call *c, const char *name, int64_t otherwise)
{
    size_t len;
    const char *text = parameter(c, name, &len);
    int64_t value;

    return text && rec_num_int64(&value, text, len) == 0 ? value : otherwise;
}

double rec_call_real(const struct rec_call *c, const char *name, double otherwise)
{
    size_t len;
    const char *text = parameter(c, name, &len);
    double value;

    return text && rec_num_double(&value, text, len) == 0 ? value : otherwise;
}

bool rec_call_bool(const struct rec_call *c, const char *name, bool otherwise)
{
    const char *text = rec_call_text(c, name);

    return text ? strcmp(text, "true") == 0 : otherwise;
}

int rec_call_store(struct rec_call *c, struct rec_err *err)
{
    struct rec_sql *db;

    if (!c->kept)
        return 0;
    if (rec_sqlpool_take(&db, c->serve->pool, 5, err) < 0)
        return -1;
    rec_store_wrap(&c->store, db, c->serve->has_keys ? &c->serve->ring : NULL);
    c->kept = false;
    rec_kept_again(c);
    return 0;
}

void rec_call_audit(struct rec_call *c, const char *action, const char *object, const char *detail)
{
    struct rec_err err;

    if (rec_audit_add(&c->store, c->now, c->account.id, action, object, detail, c->x->id, &err) < 0)
        rec_serve_say(c->serve, "audit: %s", err.text);
}
