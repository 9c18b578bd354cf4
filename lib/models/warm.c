/* SPDX-License-Identifier: MIT
 *
 * Beginning where an earlier training ended: its factors, joined by ids.
 *
 * Whoever the earlier model did not know begins with zeros. As users are solved for before the first pass, from the items that are known, and
 * items from these, nobody is left with them who has a rating.
 */
#include "warm_priv.h"

int rec_warm_check(const struct rec_model_type *type, const struct rec_train_job *job, size_t factors, struct rec_err *err)
{
    const struct rec_model *warm = job->warm;

    if (strcmp(warm->type, type->name) != 0)
        return rec_err_set(err, "%s: of type %s, and %s is to be trained: a warm start takes a model of the same type", rec_warm_name(warm),
                           warm->type, type->name);
    if (warm->factors != factors)
        return rec_err_set(err, "%s: %zu factors, and %zu are to be trained: a warm start takes as many", rec_warm_name(warm), warm->factors,
                           factors);
    if (!warm->user_factors || !warm->item_factors || (!type->implicit && !warm->item_bias))
        return rec_err_set(err, "%s: factors or biases are missing", rec_warm_name(warm));
    return 0;
}

const char *rec_warm_name(const struct rec_model *warm)
{
    return warm->file.name ? warm->file.name : "the earlier model";
}

int rec_warm_rows(float *x, size_t ld, float *bias, const struct rec_ids *ids, const struct rec_warm_side *from, double unit, struct rec_err *err)
{
    int32_t *place = rec_malloc(ids->n, sizeof *place, "warm start", err);
    float root = (float)sqrt(unit);

    if (!place)
        return -1;
    rec_ids_join(place, ids, from->ids);
    for (size_t r = 0; r < ids->n; r++) {
        const float *row = place[r] < 0 ? NULL : from->factors + (size_t)place[r] * from->f;
        for (size_t k = 0; k < from->f; k++)
            x[r * ld + k] = row ? row[k] / root : 0;
        if (bias)
            bias[r] = row ? from->bias[place[r]] / (float)unit : 0;
    }
    free(place);
    return 0;
}
