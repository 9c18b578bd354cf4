/* SPDX-License-Identifier: MIT
 *
 * Three users, four items, five ratings; bob has none and nobody rated y.
 */
#ifndef REC_TEST_SMALL_H
#define REC_TEST_SMALL_H

#include <rec/data.h>

static const int64_t small_user_ptr[4] = {0, 3, 3, 5};
static const int32_t small_item[5] = {0, 1, 3, 1, 3};
static const float small_value[5] = {4, 3.5f, 5, 0.5f, 2};
static const int64_t small_time[5] = {978300760, -1, 0, 4102444800, 978300761};
static const int64_t small_user_offset[4] = {0, 3, 6, 9};
static const int64_t small_item_offset[5] = {0, 1, 4, 5, 6};

static inline struct rec_ratings small_ratings(void)
{
    return (struct rec_ratings){
        .n_users = 3, .n_items = 4, .nnz = 5,
        .user_ptr = small_user_ptr, .item = small_item, .value = small_value, .time = small_time,
        .users = {"annbobcat", small_user_offset, 3, {NULL}}, .items = {"aw,\"yz", small_item_offset, 4, {NULL}},
    };
}

#endif
