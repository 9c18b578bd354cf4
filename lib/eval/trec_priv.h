/* SPDX-License-Identifier: MIT
 *
 * Fields of a line between blanks, as TREC's files have them. Inline: they are walked a few million times. */
#ifndef REC_TREC_PRIV_H
#define REC_TREC_PRIV_H

#include "eval_priv.h"

struct rec_trec_text {
    const char *at;
    size_t len;
};

/** The next field of the line at *p, which it moves behind the field; len 0 at the end of the line. All bytes up to ' ' are blanks:
 *  one comparison a byte. */
static inline struct rec_trec_text rec_trec_field(const char **p, const char *end)
{
    const char *at = *p;

    while (at < end && (unsigned char)*at <= ' ' && *at != '\n')
        at++;
    const char *stop = at;
    while (stop < end && (unsigned char)*stop > ' ')
        stop++;
    *p = stop;
    return (struct rec_trec_text){at, (size_t)(stop - at)};
}

/** A hash of a document's name. Most are at most 8 bytes and are hashed as one word, little-endian as our
 *  files are; `end` is where the text in memory ends. */
static inline uint64_t rec_trec_hash(const char *text, size_t len, const char *end)
{
    uint64_t word = 0;

    if (len > 8)
        return rec_hashmap_hash(text, len);
    if ((size_t)(end - text) >= 8) {
        memcpy(&word, text, 8);
        word = len < 8 ? word & ((UINT64_C(1) << 8 * len) - 1) : word;
    } else {
        for (size_t i = 0; i < len; i++)
            word |= (uint64_t)(unsigned char)text[i] << 8 * i;
    }
    word *= UINT64_C(0x9e3779b97f4a7c15);
    return word ^ word >> 29;
}

/** Behind the end of the line that p is in. */
static inline const char *rec_trec_next_line(const char *p, const char *end)
{
    const char *stop = memchr(p, '\n', (size_t)(end - p));

    return stop ? stop + 1 : end;
}

/** The number, from 1, of the line that p is in; only messages ask. */
static inline size_t rec_trec_line(const struct rec_in *in, const char *p)
{
    size_t n = 1;

    for (const char *at = (const char *)in->data; at < p && (at = memchr(at, '\n', (size_t)(p - at))); at++)
        n++;
    return n;
}

/** How many characters of a text a message may show. */
static inline int rec_trec_shown(size_t len)
{
    return len < 60 ? (int)len : 60;
}

/** A document of a ranked list. */
struct rec_line_doc {
    struct rec_trec_text text;
    float score;
};

/** Fields that had doubled quotes and could not be borrowed from the file. */
struct rec_line_copies {
    char **copy;
    size_t n;
};

/** Reads the line of a run at *p and moves behind it; query->len is 0 for a blank one. */
int rec_line_read(struct rec_trec_text *query, struct rec_line_doc *doc, const char **p, const struct rec_in *in, bool csv,
                  struct rec_line_copies *copies, struct rec_err *err);
void rec_line_forget(struct rec_line_copies *copies);

#endif
