/* SPDX-License-Identifier: MIT
 *
 * Sorting the rows of one user by item: radix sort of keys whose upper half is the item's rank, lower half the place.
 */
#include "ingest_priv.h"

static void insertion_sort(uint64_t *key, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t k = key[i];
        size_t j = i;
        for (; j > 0 && key[j - 1] > k; j--)
            key[j] = key[j - 1];
        key[j] = k;
    }
}

/* By the bits of the rank, lowest first. Digits are small when there are few keys, as each costs a pass over all its values. */
static uint64_t *radix_sort(uint64_t *key, uint64_t *spare, size_t n, unsigned bits)
{
    unsigned most = n < 192 ? 6 : n < 4096 ? 9 : 11, passes = (bits + most - 1) / most, digit = (bits + passes - 1) / passes;
    uint32_t count[1 << 11], mask = (1u << digit) - 1;

    for (unsigned shift = 32; shift < 32 + bits; shift += digit) {
        uint32_t sum = 0;
        memset(count, 0, sizeof *count << digit);
        for (size_t i = 0; i < n; i++)
            count[key[i] >> shift & mask]++;
        for (uint32_t v = 0; v <= mask; v++) {
            uint32_t here = count[v];
            count[v] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++)
            spare[count[key[i] >> shift & mask]++] = key[i];
        uint64_t *other = key;
        key = spare;
        spare = other;
    }
    return key;
}

const uint64_t *rec_rowsort(uint64_t *key, uint64_t *spare, size_t n, unsigned bits)
{
    bool sorted = true;

    for (size_t i = 1; i < n && sorted; i++)
        sorted = key[i - 1] <= key[i];
    if (sorted)
        return key;
    if (n > 24)
        return radix_sort(key, spare, n, bits);
    insertion_sort(key, n);
    return key;
}
