/* SPDX-License-Identifier: MIT
 *
 * What the files that read ratings from text share: idtable.c (ids to numbers), cell.c (numbers and times), rows.c and
 * rowstore.c (text to rows), rowsort.c and assemble.c (rows to CSR), ingest.c (all of it).
 *
 * The text is cut into pieces, one for each thread. A piece has its own tables of ids and its own rows, so that threads share
 * nothing until all is read; then the tables are merged and every number is replaced by the rank of its id.
 */
#ifndef REC_INGEST_PRIV_H
#define REC_INGEST_PRIV_H

#include <rec/ingest.h>

/* ---- idtable ---- */

#define ID_NONE UINT32_MAX

/** Ids to numbers in order of appearance. An id of up to 8 bytes is one word, its first byte lowest, zeros behind it: ids hold no
 *  NUL, so the word says it all, and finding one is a multiplication and mostly one comparison. */
struct id_table {
    struct id_slot {
        uint64_t word;   /* 0: empty */
        uint32_t number;
    } *slot;
    unsigned shift;      /* 64 - log2(slots) */
    uint32_t n_short;
    uint64_t *word;      /* [n] of each number: the word, or for a longer id its number in `longs`, times 256 */
    uint32_t n, cap;
    struct rec_hashmap longs;
    uint32_t *long_number;
    size_t long_cap, bytes;
};

static inline uint32_t id_slot_of(const struct id_table *t, uint64_t word)
{
    return (uint32_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> t->shift);
}

/** The number of a short id, or ID_NONE. The table has been started. */
static inline uint32_t id_find_word(const struct id_table *t, uint64_t word)
{
    uint32_t mask = (uint32_t)((UINT64_C(1) << (64 - t->shift)) - 1);

    for (uint32_t at = id_slot_of(t, word);; at = (at + 1) & mask) {
        if (t->slot[at].word == word)
            return t->slot[at].number;
        if (t->slot[at].word == 0)
            return ID_NONE;
    }
}

int rec_idtable_start(struct id_table *t);
/** NULL when the text may be an id, else what is wrong with it. */
const char *rec_idtable_fault(const char *text, size_t len);
/** The number of the id, or ID_NONE. */
uint32_t rec_idtable_find(const struct id_table *t, const char *text, size_t len);
/** Its number, given anew when it is not there; ID_NONE: out of memory or numbers. */
uint32_t rec_idtable_intern(struct id_table *t, const char *text, size_t len);
/** to[i] (room for from->n) = the number in `into` of id i of `from`, which is added where it is missing. */
int rec_idtable_merge(struct id_table *into, const struct id_table *from, uint32_t *to);
/** Sorts them; rank[i] (room for t->n) = the place of id i. */
int rec_idtable_sort(struct rec_ids *ids, const struct id_table *t, uint32_t *rank, struct rec_err *err);
void rec_idtable_clear(struct id_table *t);

/* ---- cell ---- */

/** A finite decimal number; never -0. */
int rec_cell_rating(float *out, const char *text, size_t len);
/** NULL, or what is wrong with it. */
const char *rec_cell_time(int64_t *out, const char *text, size_t len);

/* ---- rows ---- */

/** Rows one after another that belong to one user. */
struct run {
    uint32_t user;       /* in the piece's table */
    uint32_t start;      /* it ends where the next run starts */
};

struct bad_row {
    uint64_t line;       /* counted from the piece's first */
    size_t column;
    char cause[200];
    char *record;        /* NULL when nobody asked */
    size_t len;
};

/** A row in memory: item number U32, value F32 unless the file has none, time U32, or I64 once one did not fit. */
struct row_layout {
    unsigned size;
    unsigned value;      /* offset, or 0: none */
    unsigned time;       /* offset, or 0: none */
    bool wide;           /* times are I64 */
};

struct memo {
    uint64_t word;
    float value;
};

struct piece {
    const struct rec_detect *detect;
    const struct rec_ingest_options *options;
    struct rec_csv csv;
    struct id_table users, items;
    struct row_layout layout;
    char *rows;          /* mapped */
    size_t n, room, mapped;
    struct run *run;
    size_t n_runs, cap_runs;
    uint64_t user_word;  /* of the row before, when its id is short */
    uint32_t user;
    struct memo memo[256];  /* ratings seen lately: few texts make up most of them */
    struct bad_row *bad;
    size_t n_bad, cap_bad;
    bool failed;         /* more bad rows than are tolerated */
    struct rec_err fault;   /* why the row at hand is bad */
    size_t fault_column;
    const char *begin;   /* of its text, when that is mapped */
    const char *let_go;  /* pages of it before here are no longer wanted in memory */
    const char *summed;  /* the checksum covers the text up to here */
    uint32_t crc32c;
    bool reports;        /* progress, for all */
    unsigned of;         /* pieces */
};

/** Reads the piece's text to its end. -1: out of memory, or the source failed. */
int rec_rows_read(struct piece *p, struct rec_err *err);

/* ---- rowstore ---- */

/** Empty tables of ids, and room for some rows to begin with. */
int rec_rowstore_start(struct piece *p, size_t rows, struct rec_err *err);
/** Room for so many more rows, and for as many runs. */
int rec_rowstore_room(struct piece *p, size_t more);
/** Times from now on take 8 bytes, and so do those there are. */
int rec_rowstore_widen(struct piece *p);
void rec_rowstore_clear(struct piece *p);

/* ---- rowsort ---- */

/** Sorts n keys by their bits from 32 to 32 + bits; what is equal there keeps its order, which the bits below must show. `spare` has
 *  room for n. Returns whichever of the two holds the result. */
const uint64_t *rec_rowsort(uint64_t *key, uint64_t *spare, size_t n, unsigned bits);

/* ---- assemble ---- */

/** Puts the pieces together, in their order, and empties them. */
int rec_assemble(struct rec_ratings *out, struct piece *piece, size_t n_pieces, const struct rec_ingest_options *options,
                 const char *name, uint64_t *duplicates, struct rec_err *err);

#endif
