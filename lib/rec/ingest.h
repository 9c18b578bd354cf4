/* SPDX-License-Identifier: MIT
 *
 * ingest: text files to ratings and catalogues.
 *
 *     detect          how a text file is laid out
 *     ingest          rows of users, items, ratings and times to rec_ratings
 *     catalogue_csv   rows of items, titles and genres to rec_catalogue
 *
 *     struct rec_gzip in;
 *     struct rec_ingest_options options = {.wish.header = -1, .threads = 2};
 *     struct rec_ingest_report report;
 *     if (rec_gzip_open(&in, path, &err) < 0 || rec_ingest(&ratings, &in, &options, &report, &err) < 0) ...
 *
 * What a record is, libcsv defines; what a plain one holds is found faster by our own scanner (format.h, csv).
 */
#ifndef REC_INGEST_H
#define REC_INGEST_H

#include <rec/data.h>

/* ---- detect: how a text file of ratings is laid out ---------------------------------------------- */

enum rec_detect_column { REC_DETECT_USER, REC_DETECT_ITEM, REC_DETECT_RATING, REC_DETECT_TIME, REC_DETECT_COLUMNS };
/** Of a catalogue, the same four places. */
enum { REC_DETECT_MOVIE, REC_DETECT_TITLE, REC_DETECT_GENRES, REC_DETECT_YEAR };
enum rec_detect_layout { REC_DETECT_ANY, REC_DETECT_TABLE, REC_DETECT_LISTS, /**< lines `user item item ...` */
                         REC_DETECT_UITEM /**< u.item of MovieLens 100K: 24 fields, 19 of them flags of genres */ };

/** What the caller knows already. All zero (header: -1): find out everything. */
struct rec_detect_wish {
    const char *columns;     /**< "user=NAME,item=2,rating=...,time=...": names of the header, or numbers from 1; NULL */
    const char *delimiter;   /**< one to seven bytes, or "tab", "comma", "blank" ...; NULL */
    int header;              /**< 1: the first line names the columns, 0: it does not, -1: find out */
    enum rec_detect_layout layout;
    bool libcsv;             /**< as in rec_csv_dialect */
};

struct rec_detect {
    struct rec_csv_dialect dialect;
    enum rec_detect_layout layout;
    bool header;
    size_t n_fields;                       /**< of every row of a table */
    int column[REC_DETECT_COLUMNS];        /**< its number from 0, or -1: there is none */
    char name[REC_DETECT_COLUMNS][32];     /**< what messages call it: the header's name, cut short, or "user" ... */
    char text[256];                        /**< all this in words: "comma, header, user=userId item=movieId ..." */
};

/** Looks at the first lines: text[0 .. len) of the file `name`, which goes on behind it unless `whole`. */
int rec_detect_ratings(struct rec_detect *out, const struct rec_detect_wish *wish, const char *name, const char *text, size_t len,
                       bool whole, struct rec_err *err);

/** As rec_detect_ratings for a catalogue: columns item=, title=, genres=, year=. */
int rec_detect_movies(struct rec_detect *out, const struct rec_detect_wish *wish, const char *name, const char *text, size_t len,
                      bool whole, struct rec_err *err);

/* ---- ingest: text files to ratings ---------------------------------------------------------------
 *
 * Every row names a user and an item, and may have a rating (1 when the file has none: implicit feedback) and a time. Ids are UTF-8
 * without control characters, of 1 to REC_INGEST_ID_MAX bytes. Times are whole seconds since 1970, or dates (RFC 3339).
 * The result depends neither on the number of threads nor, but for REC_INGEST_FIRST, on the order of rows.
 * Memory: 28 bytes a row with times and the rows of a user side by side, 32 when they are not; 16 of them are the result.
 */
#define REC_INGEST_ID_MAX 255

/** Which rating of a user for an item counts when there are several. */
enum rec_ingest_duplicates {
    REC_INGEST_LAST,    /**< the latest by time; of equally late ones, or without times, the greatest */
    REC_INGEST_FIRST,   /**< the first in the file */
    REC_INGEST_MEAN,    /**< their mean, at the latest time */
    REC_INGEST_ERROR    /**< none: it is an error */
};

struct rec_ingest_options {
    struct rec_detect_wish wish;
    enum rec_ingest_duplicates duplicates;
    unsigned threads;
    uint64_t max_errors;      /**< bad rows that are tolerated, and left out */
    /** Called for each of these, in order; `cause` is the whole message, `record` the text of the row, perhaps cut short. NULL: none. */
    int (*reject)(void *context, uint64_t line, size_t column, const char *cause, const char *record, size_t len,
                  struct rec_err *err);
    void (*detected)(void *context, const struct rec_detect *detect);            /**< before the first row is read; or NULL */
    void (*progress)(void *context, uint64_t bytes, uint64_t total);             /**< now and then, total 0: unknown; or NULL */
    void *context;
};

struct rec_ingest_report {
    uint64_t rows;            /**< good ones */
    uint64_t bad;
    uint64_t duplicates;      /**< rows that gave way to another */
    uint32_t crc32c;          /**< of the text, decompressed */
};

/** Reads it all, and takes `in`. Messages about rows are `name:line:column: cause`. history is "". */
int rec_ingest(struct rec_ratings *out, struct rec_gzip *in, const struct rec_ingest_options *options,
               struct rec_ingest_report *report, struct rec_err *err);

/* ---- catalogue_csv: text files to catalogues ----------------------------------------------------- */

/** Reads text, and takes `in`: a row an item, with id, title, genres with '|' between them, and a year, which else is taken from a title
 *  that ends in "(1995)". u.item is known by its layout, and is latin-1. The same options as for ratings, besides:
 *  @param encoding  "utf-8", "latin-1", or "auto": latin-1 for u.item alone
 *  @param between   what separates genres; "|" */
int rec_catalogue_csv(struct rec_catalogue *out, struct rec_gzip *in, const struct rec_ingest_options *options, const char *encoding,
                      const char *between, struct rec_ingest_report *report, struct rec_err *err);

#endif
