/* SPDX-License-Identifier: MIT
 *
 * Byte strings to dense numbers: open addressing with linear probing. A slot holds the upper half of the hash and the number, so
 * that a probe touches the arena only when 32 bits of hash agree.
 */
#include <rec/util.h>

uint64_t rec_hashmap_hash(const char *text, size_t len)
{
    const uint64_t k = 0x9fb21c651e98df25u;
    uint64_t h = len * k ^ 0x243f6a8885a308d3u, word;

    for (; len >= 8; text += 8, len -= 8) {
        memcpy(&word, text, 8);
        h = (h ^ word) * k;
        h ^= h >> 32;
    }
    word = 0;
    if (len)
        memcpy(&word, text, len);
    h = (h ^ word) * k;
    h ^= h >> 29;
    h *= k;
    return h ^ h >> 32;
}

static size_t length(const struct rec_hashmap *map, uint32_t i)
{
    return (size_t)(map->offset[i + 1] - map->offset[i]);
}

/* The slot where the string is, or the empty one where it would go. The table always has an empty slot. */
static uint32_t probe(const struct rec_hashmap *map, uint64_t hash, const char *text, size_t len)
{
    uint32_t at = (uint32_t)hash & map->mask;

    for (;; at = (at + 1) & map->mask) {
        uint64_t slot = map->slot[at];
        if (!slot)
            return at;
        if (slot >> 32 != hash >> 32)
            continue;
        uint32_t i = (uint32_t)slot - 1;
        if (length(map, i) == len && (!len || !memcmp(map->bytes + map->offset[i], text, len)))
            return at;
    }
}

static int grow_slots(struct rec_hashmap *map)
{
    uint32_t mask = map->slot ? map->mask * 2 + 1 : 255;
    uint64_t *slot = calloc((size_t)mask + 1, sizeof *slot);

    if (!slot)
        return -1;
    for (uint32_t i = 0; i < map->n; i++) {
        uint64_t hash = rec_hashmap_hash(map->bytes + map->offset[i], length(map, i));
        uint32_t at = (uint32_t)hash & mask;
        while (slot[at])
            at = (at + 1) & mask;
        slot[at] = hash >> 32 << 32 | (i + 1);
    }
    free(map->slot);
    map->slot = slot;
    map->mask = mask;
    return 0;
}

static int make_room(struct rec_hashmap *map, size_t len)
{
    size_t need;

    if (map->n >= INT32_MAX || rec_size_add(&need, map->bytes_len, len) < 0)
        return -1;
    if ((!map->slot || map->n >= map->mask / 2) && grow_slots(map) < 0)
        return -1;
    if (map->n + 2 > map->cap) {
        uint32_t cap = map->cap ? map->cap * 2 : 128;
        if (rec_realloc(&map->offset, cap, sizeof *map->offset, "ids", NULL) < 0)
            return -1;
        map->cap = cap;
        map->offset[0] = 0;
    }
    if (need > map->bytes_cap) {
        size_t cap = map->bytes_cap * 2 > need ? map->bytes_cap * 2 : need + 1024;
        if (rec_realloc(&map->bytes, cap, 1, "ids", NULL) < 0)
            return -1;
        map->bytes_cap = cap;
    }
    return 0;
}

uint32_t rec_hashmap_intern(struct rec_hashmap *map, const char *text, size_t len)
{
    uint64_t hash = rec_hashmap_hash(text, len);
    uint32_t at, i;

    if (map->slot) {
        at = probe(map, hash, text, len);
        if (map->slot[at])
            return (uint32_t)map->slot[at] - 1;
    }
    if (make_room(map, len) < 0)
        return REC_HASHMAP_NONE;
    at = probe(map, hash, text, len);
    i = map->n++;
    if (len)
        memcpy(map->bytes + map->bytes_len, text, len);
    map->bytes_len += len;
    map->offset[i + 1] = (int64_t)map->bytes_len;
    map->slot[at] = hash >> 32 << 32 | (i + 1);
    return i;
}

uint32_t rec_hashmap_find(const struct rec_hashmap *map, const char *text, size_t len)
{
    uint32_t at;

    if (!map->slot)
        return REC_HASHMAP_NONE;
    at = probe(map, rec_hashmap_hash(text, len), text, len);
    return map->slot[at] ? (uint32_t)map->slot[at] - 1 : REC_HASHMAP_NONE;
}

void rec_hashmap_clear(struct rec_hashmap *map)
{
    free(map->bytes);
    free(map->offset);
    free(map->slot);
    *map = (struct rec_hashmap){0};
}
