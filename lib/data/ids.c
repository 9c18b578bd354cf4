/* SPDX-License-Identifier: MIT
 *
 * Sorted tables of external ids, in the layout of Arrow's LargeString.
 *
 * Sorting: a radix sort, last byte first, of the first 8 bytes of each id; ids alike in these are sorted by what follows. Ids of
 * real data sets are numbers or short codes, so that the second step rarely has work.
 */
#include <rec/data.h>

#include <endian.h>

struct key {
    uint64_t prefix;   /* the first 8 bytes, the first one highest; zeros after the end */
    uint32_t number;   /* in the map */
};

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

const char *rec_ids_get(const struct rec_ids *ids, size_t i, size_t *len)
{
    *len = (size_t)(ids->offset[i + 1] - ids->offset[i]);
    return ids->bytes + ids->offset[i];
}

int32_t rec_ids_find(const struct rec_ids *ids, const char *text, size_t len)
{
    size_t low = 0, high = ids->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2, n;
        const char *id = rec_ids_get(ids, middle, &n);
        int order = compare(text, len, id, n);
        if (order == 0)
            return (int32_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

size_t rec_ids_join(int32_t *to, const struct rec_ids *from, const struct rec_ids *into)
{
    size_t found = 0, j = 0;
    for (size_t i = 0; i < from->n; i++) {
        size_t n, m;
        const char *id = rec_ids_get(from, i, &n), *other;
        int order = -1;
        for (; j < into->n; j++) {
            other = rec_ids_get(into, j, &m);
            order = compare(id, n, other, m);
            if (order <= 0)
                break;
        }
        to[i] = j < into->n && order == 0 ? (int32_t)j : -1;
        found += to[i] >= 0;
    }
    return found;
}

/* ---- sorting ------------------------------------------------------------------------------------- */

static uint64_t prefix_of(const char *text, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, text, len < sizeof word ? len : sizeof word);
    return be64toh(word);
}

/* Sorts by prefix; `spare` has room for n. Returns whichever of the two holds the result. */
static struct key *radix_sort(struct key *key, struct key *spare, size_t n)
{
    static const unsigned bytes = sizeof key->prefix;
    for (unsigned b = 0; b < bytes; b++) {
        size_t count[256] = {0}, sum = 0;
        for (size_t i = 0; i < n; i++)
            count[key[i].prefix >> 8 * b & 255]++;
        if (count[key[0].prefix >> 8 * b & 255] == n)
            continue;
        for (size_t v = 0; v < 256; v++) {
            size_t here = count[v];
            count[v] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++)
            spare[count[key[i].prefix >> 8 * b & 255]++] = key[i];
        struct key *other = key;
        key = spare;
        spare = other;
    }
    return key;
}

static int compare_keys(const void *a, const void *b, void *context)
{
    const struct rec_hashmap *map = context;
    uint32_t i = ((const struct key *)a)->number, j = ((const struct key *)b)->number;
    return compare(map->bytes + map->offset[i], (size_t)(map->offset[i + 1] - map->offset[i]), map->bytes + map->offset[j],
                   (size_t)(map->offset[j + 1] - map->offset[j]));
}

static void sort_equal_prefixes(struct key *key, size_t n, const struct rec_hashmap *map)
{
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && key[j].prefix == key[i].prefix; j++)
            ;
        if (j - i > 1)
            qsort_r(key + i, j - i, sizeof *key, compare_keys, (void *)map);
    }
}

static void copy_sorted(char *bytes, int64_t *offset, uint32_t *rank, const struct key *key, const struct rec_hashmap *map)
{
    int64_t end = 0;
    for (uint32_t i = 0; i < map->n; i++) {
        uint32_t from = key[i].number;
        size_t len = (size_t)(map->offset[from + 1] - map->offset[from]);
        memcpy(bytes + end, map->bytes + map->offset[from], len);
        end += (int64_t)len;
        offset[i + 1] = end;
        rank[from] = i;
    }
}

int rec_ids_from_map(struct rec_ids *ids, const struct rec_hashmap *map, uint32_t *rank, struct rec_err *err)
{
    struct key *key = rec_malloc(map->n, sizeof *key, "ids", err), *spare = rec_malloc(map->n, sizeof *spare, "ids", err);
    char *bytes = rec_malloc(map->bytes_len, 1, "ids", err);
    int64_t *offset = rec_malloc((size_t)map->n + 1, sizeof *offset, "ids", err);
    int result = -1;
    *ids = (struct rec_ids){0};
    if (key == NULL || spare == NULL || bytes == NULL || offset == NULL)
        goto out;
    for (uint32_t i = 0; i < map->n; i++)
        key[i] = (struct key){prefix_of(map->bytes + map->offset[i], (size_t)(map->offset[i + 1] - map->offset[i])), i};
    offset[0] = 0;
    if (map->n > 0) {
        struct key *sorted = radix_sort(key, spare, map->n);
        sort_equal_prefixes(sorted, map->n, map);
        copy_sorted(bytes, offset, rank, sorted, map);
    }
    *ids = (struct rec_ids){bytes, offset, map->n, {bytes, offset}};
    bytes = NULL;
    offset = NULL;
    result = 0;
out:
    free(key);
    free(spare);
    free(bytes);
    free(offset);
    return result;
}

/* ---- files --------------------------------------------------------------------------------------- */

static int bad(const struct rec_safetensors *file, const char *name, size_t i, const char *what, struct rec_err *err)
{
    return rec_err_set(err, "%s: tensor %s: id %zu %s", file->name, name, i, what);
}

static int check(const struct rec_ids *ids, int64_t bytes, const struct rec_safetensors *file, const char *name, struct rec_err *err)
{
    if (ids->offset[0] != 0 || ids->offset[ids->n] != bytes)
        return rec_err_set(err, "%s: tensor %s.offsets does not go from 0 to the end of %s.bytes", file->name, name, name);
    /* All offsets are looked at before the first byte is. */
    for (size_t i = 0; i < ids->n; i++) {
        if (ids->offset[i] >= ids->offset[i + 1])
            return bad(file, name, i, "is empty, or ends before it begins", err);
        if (ids->offset[i + 1] > bytes)
            return bad(file, name, i, "ends beyond the bytes", err);
    }
    for (size_t i = 1; i < ids->n; i++) {
        size_t n, m;
        const char *before = rec_ids_get(ids, i - 1, &n), *id = rec_ids_get(ids, i, &m);
        if (compare(before, n, id, m) >= 0)
            return bad(file, name, i, "is not greater than the one before", err);
    }
    return 0;
}

int rec_ids_load(struct rec_ids *ids, const struct rec_safetensors *file, const char *name, struct rec_err *err)
{
    char tensor[128];
    uint64_t bytes, offsets;
    *ids = (struct rec_ids){0};
    snprintf(tensor, sizeof tensor, "%s.bytes", name);
    ids->bytes = rec_safetensors_get(file, tensor, REC_U8, 1, &bytes, err);
    snprintf(tensor, sizeof tensor, "%s.offsets", name);
    if (ids->bytes == NULL || (ids->offset = rec_safetensors_get(file, tensor, REC_I64, 1, &offsets, err)) == NULL)
        return -1;
    if (offsets == 0 || offsets - 1 > INT32_MAX)
        return rec_err_set(err, "%s: tensor %s has %llu elements", file->name, tensor, (unsigned long long)offsets);
    ids->n = (size_t)offsets - 1;
    return file->verified ? 0 : check(ids, (int64_t)bytes, file, name, err);
}

void rec_ids_put(struct rec_safetensors_out *file, const char *name, const struct rec_ids *ids)
{
    static const int64_t zero;
    char tensor[128];
    const int64_t *offset = ids->offset ? ids->offset : &zero;
    snprintf(tensor, sizeof tensor, "%s.bytes", name);
    rec_safetensors_put(file, tensor, REC_U8, 1, (uint64_t[]){(uint64_t)offset[ids->n]}, ids->bytes);
    snprintf(tensor, sizeof tensor, "%s.offsets", name);
    rec_safetensors_put(file, tensor, REC_I64, 1, (uint64_t[]){ids->n + 1}, offset);
}

void rec_ids_clear(struct rec_ids *ids)
{
    free(ids->owned[0]);
    free(ids->owned[1]);
    *ids = (struct rec_ids){0};
}
