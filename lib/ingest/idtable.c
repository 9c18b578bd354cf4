/* SPDX-License-Identifier: MIT
 *
 * Ids to numbers while a text is read: open addressing on the id itself where it fits a word, the general map where it does not.
 */
#include "ingest_priv.h"

static bool is_short(size_t len)
{
    return len - 1 < 8;
}

static uint64_t word_of(const char *text, size_t len)
{
    uint64_t word = 0;

    memcpy(&word, text, len);
    return word;
}

const char *rec_idtable_fault(const char *text, size_t len)
{
    if (len == 0)
        return "is empty";
    if (len > REC_INGEST_ID_MAX)
        return "is longer than 255 bytes";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return "holds a control character";
    if (!rec_json_utf8(text, len))
        return "is not UTF-8";
    return NULL;
}

int rec_idtable_start(struct id_table *t)
{
    *t = (struct id_table){.shift = 64 - 12};
    t->slot = calloc((size_t)1 << 12, sizeof *t->slot);
    return t->slot ? 0 : -1;
}

static void place(struct id_table *t, uint64_t word, uint32_t number)
{
    uint32_t mask = (uint32_t)((UINT64_C(1) << (64 - t->shift)) - 1), at = id_slot_of(t, word);

    while (t->slot[at].word)
        at = (at + 1) & mask;
    t->slot[at] = (struct id_slot){word, number};
}

static int grow_slots(struct id_table *t)
{
    struct id_slot *slot = calloc((size_t)1 << (65 - t->shift), sizeof *slot);

    if (!slot)
        return -1;
    free(t->slot);
    t->slot = slot;
    t->shift--;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->word[i] & 255)
            place(t, t->word[i], i);
    return 0;
}

static uint32_t append(struct id_table *t, uint64_t word)
{
    if (t->n == INT32_MAX)
        return ID_NONE;
    if (t->n == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 1024;
        if (rec_realloc(&t->word, cap, sizeof *t->word, "ids", NULL) < 0)
            return ID_NONE;
        t->cap = cap;
    }
    t->word[t->n] = word;
    return t->n++;
}

static uint32_t intern_long(struct id_table *t, const char *text, size_t len)
{
    uint32_t before = t->longs.n, i = rec_hashmap_intern(&t->longs, text, len), number;

    if (i == REC_HASHMAP_NONE)
        return ID_NONE;
    if (i < before)
        return t->long_number[i];
    if (i == t->long_cap) {
        size_t cap = t->long_cap ? t->long_cap * 2 : 256;
        if (rec_realloc(&t->long_number, cap, sizeof *t->long_number, "ids", NULL) < 0)
            return ID_NONE;
        t->long_cap = cap;
    }
    number = append(t, (uint64_t)i << 8);
    t->long_number[i] = number;
    t->bytes += len;
    return number;
}

uint32_t rec_idtable_find(const struct id_table *t, const char *text, size_t len)
{
    uint32_t i;

    if (is_short(len))
        return memchr(text, 0, len) ? ID_NONE : id_find_word(t, word_of(text, len));
    i = rec_hashmap_find(&t->longs, text, len);
    return i == REC_HASHMAP_NONE ? ID_NONE : t->long_number[i];
}

uint32_t rec_idtable_intern(struct id_table *t, const char *text, size_t len)
{
    uint32_t number;

    if (!is_short(len))
        return intern_long(t, text, len);
    number = id_find_word(t, word_of(text, len));
    if (number != ID_NONE)
        return number;
    /* At most three eighths full: what is looked for is nearly always in the first slot. */
    if ((uint64_t)t->n_short * 8 >= (UINT64_C(3) << (64 - t->shift)) && grow_slots(t) < 0)
        return ID_NONE;
    number = append(t, word_of(text, len));
    if (number != ID_NONE) {
        place(t, word_of(text, len), number);
        t->n_short++;
        t->bytes += len;
    }
    return number;
}

/* Id i; a short one is spelt into `buffer`. */
static const char *text_of(const struct id_table *t, uint32_t i, char buffer[8], size_t *len)
{
    uint64_t word = t->word[i];

    if (!(word & 255)) {
        const int64_t *offset = t->longs.offset + (word >> 8);
        *len = (size_t)(offset[1] - offset[0]);
        return t->longs.bytes + offset[0];
    }
    memcpy(buffer, &word, 8);
    *len = strnlen(buffer, 8);
    return buffer;
}

int rec_idtable_merge(struct id_table *into, const struct id_table *from, uint32_t *to)
{
    for (uint32_t i = 0; i < from->n; i++) {
        char buffer[8];
        size_t len;
        const char *text = text_of(from, i, buffer, &len);
        to[i] = rec_idtable_intern(into, text, len);
        if (to[i] == ID_NONE)
            return -1;
    }
    return 0;
}

int rec_idtable_sort(struct rec_ids *ids, const struct id_table *t, uint32_t *rank, struct rec_err *err)
{
    struct rec_hashmap map = {.n = t->n};
    int status = -1;

    *ids = (struct rec_ids){0};
    map.bytes = rec_malloc(t->bytes, 1, "ids", err);
    map.offset = rec_malloc((size_t)t->n + 1, sizeof *map.offset, "ids", err);
    if (!map.bytes || !map.offset)
        goto out;
    map.offset[0] = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        char buffer[8];
        size_t len;
        const char *text = text_of(t, i, buffer, &len);
        memcpy(map.bytes + map.bytes_len, text, len);
        map.bytes_len += len;
        map.offset[i + 1] = (int64_t)map.bytes_len;
    }
    status = rec_ids_from_map(ids, &map, rank, err);
out:
    rec_hashmap_clear(&map);
    return status;
}

void rec_idtable_clear(struct id_table *t)
{
    free(t->slot);
    free(t->word);
    free(t->long_number);
    rec_hashmap_clear(&t->longs);
    *t = (struct id_table){0};
}
