/* SPDX-License-Identifier: MIT
 *
 * Opening a store, and its transactions.
 */
#include "both.h"

static void has_an_id(void **state)
{
    struct both *b = *state;
    struct rec_store other;
    char id[REC_STORE_ID + 1], again[REC_STORE_ID + 1];
    both_ok(b, rec_store_id(id, &b->store, &b->err));
    assert_int_equal(strlen(id), REC_STORE_ID);
    both_open(&other, b);
    both_ok(b, rec_store_id(again, &other, &b->err));
    assert_string_equal(id, again);
    rec_store_close(&other);
}

int main(void)
{
    return both_run((const struct CMUnitTest[]){cmocka_unit_test(has_an_id)}, 1);
}
