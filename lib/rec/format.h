/* SPDX-License-Identifier: MIT
 *
 * format: the files that pass between tools, and the text formats beside them.
 *
 *     safetensors   our binary files: named arrays and string metadata (rec-format(5))
 *     npy           one array as a file of numpy's
 *     crc32c        the checksum they carry
 *     history       the line each tool adds to a file it makes
 *     json          strict reading of metadata, writing of reports
 *     yaml          rec.yaml as a flat list of settings
 *     csv           records and fields, as libcsv defines them
 *     gzip          a byte stream that may be gzip or zstd
 *     zstd          one zstd frame, written to a callback and read from one
 *
 * Functions that may fail return 0, or -1 with the reason in `err`. Readers trust nothing they read.
 */
#ifndef REC_FORMAT_H
#define REC_FORMAT_H

#include <rec/util.h>

/* ---- crc32c: Castagnoli's CRC (RFC 3720, appendix B.4) ------------------------------------------ */

/** Continues `crc` (0 to begin) over len bytes; uses the CPU's instruction where there is one. */
uint32_t rec_crc32c(uint32_t crc, const void *data, size_t len);
/** The checksum of A followed by B, from those of A and B and the length of B. */
uint32_t rec_crc32c_combine(uint32_t a, uint32_t b, uint64_t b_len);

/* ---- safetensors: named arrays in one file ------------------------------------------------------
 *
 * Layout: u64 little-endian N, N bytes of JSON, then the arrays' bytes, little-endian, without holes. Format:
 * https://github.com/huggingface/safetensors. Our profile (rec-format(5)): `__metadata__` carries `format`, `crc32c`,
 * `header_crc32c` and `history`; data starts on a 64-byte boundary; at most 16 MiB of header.
 *
 *     struct rec_safetensors file;
 *     if (rec_safetensors_open(&file, path, &err) < 0) ...           // maps it, checks header, extents and checksums
 *     const float *v = rec_safetensors_get(&file, "value", REC_F32, 1, shape, &err);
 *     rec_safetensors_close(&file);                                  // v is gone
 */
enum rec_dtype { REC_F32, REC_F64, REC_I32, REC_I64, REC_U8, REC_DTYPE_OTHER };
#define REC_RANK_MAX 8

struct rec_tensor {
    const char *name;
    const char *dtype_name;      /**< as in the file: "F32" */
    enum rec_dtype dtype;        /**< REC_DTYPE_OTHER: legal safetensors that no tool of ours uses */
    unsigned rank;
    uint64_t shape[REC_RANK_MAX];
    const void *data;            /**< aligned for dtype, or NULL when the file has it unaligned */
    uint64_t bytes;
};

struct rec_meta {
    const char *key, *value;
};

struct rec_safetensors {
    const char *name;            /**< for messages; borrowed from the path given */
    struct rec_in in;
    struct rec_tensor *tensor;   /**< [n_tensors], in order of offset */
    size_t n_tensors;
    struct rec_meta *meta;       /**< [n_meta], sorted by key */
    size_t n_meta;
    size_t header_bytes;         /**< N */
    bool verified;               /**< REC_SAFETENSORS_VERIFIED: loaders check types and shapes, and no contents */
    bool checksummed;            /**< the file carried checksums, and they hold */
    uint32_t crc32c;             /**< of the data bytes, computed or carried: the digest that history lines quote */
    char *texts;                 /**< private: what names and values point into */
};

enum {
    REC_SAFETENSORS_NO_CRC = 1,  /**< check the header only: for a process that lives for one request */
    REC_SAFETENSORS_VERIFIED = 2 /**< this very file was loaded in full before: what its tensors hold is not looked at again (implies NO_CRC) */
};

int rec_safetensors_open(struct rec_safetensors *file, const char *path, struct rec_err *err);
/** Takes `in` (also when it fails). */
int rec_safetensors_parse(struct rec_safetensors *file, struct rec_in *in, unsigned flags, struct rec_err *err);
void rec_safetensors_close(struct rec_safetensors *file);

/** 0 when metadata `format` is "kind/V" with 1 <= V <= version; the message says what the file is instead. */
int rec_safetensors_expect(const struct rec_safetensors *file, const char *kind, int version, struct rec_err *err);
/** The metadata value, or NULL. */
const char *rec_safetensors_meta(const struct rec_safetensors *file, const char *key);
/** The tensor of that name, or NULL. */
const struct rec_tensor *rec_safetensors_find(const struct rec_safetensors *file, const char *name);
/** The tensor's data, of exactly this type and rank; shape[rank] receives its sizes. A zero-size tensor gives a valid pointer.
 *  NULL with err set when it is missing or another. */
const void *rec_safetensors_get(const struct rec_safetensors *file, const char *name, enum rec_dtype dtype, unsigned rank,
                                uint64_t *shape, struct rec_err *err);
/** 0 when the n values, of the tensor of that name, are all finite, or were verified before; the message says which is not. */
int rec_safetensors_finite(const struct rec_safetensors *file, const char *name, const float *value, size_t n,
                           struct rec_err *err);

/** What is to be written. Tensor data is borrowed until the write; names and metadata are copied. Zero to begin. */
struct rec_safetensors_out {
    struct rec_tensor *tensor;
    size_t n_tensors, cap_tensors;
    struct rec_meta *meta;
    size_t n_meta, cap_meta;
    bool failed;
};
void rec_safetensors_put(struct rec_safetensors_out *file, const char *name, enum rec_dtype dtype, unsigned rank,
                         const uint64_t *shape, const void *data);
void rec_safetensors_put_meta(struct rec_safetensors_out *file, const char *key, const char *value);
/** Sorts tensors by alignment then name, adds the checksums, and writes it all. The same content gives the same bytes. */
int rec_safetensors_write(const struct rec_safetensors_out *file, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
void rec_safetensors_out_clear(struct rec_safetensors_out *file);

/** One tensor as a .npy file (version 1.0). */
int rec_npy_write(const struct rec_tensor *tensor, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;

/* ---- history: where a file comes from -----------------------------------------------------------
 *
 * One line per tool that took part, oldest first:
 *     rec-split 0.1.0 method=random test=0.2 seed=42 input=crc32c:8f3a01c2
 * with the options marked REC_OPT_RESULT and a digest for each input; never paths, threads or dates.
 */
/** Appends a line to `history` (lines end in \n). `digests` are of the inputs, in order. Values with blanks are quoted as JSON. */
void rec_history_add(struct rec_buf *history, const char *tool, const char *version, const struct rec_opt *opts,
                     const uint32_t *digests, size_t n_digests);

/* ---- json --------------------------------------------------------------------------------------- */

/** Writes JSON, two blanks an indent; commas and quoting take care of themselves. Zero but for `out` to begin.
 *
 *     struct rec_json j = {.out = &buf};
 *     rec_json_object(&j, NULL);
 *     rec_json_real(&j, "ndcg@10", 0.3391);
 *     rec_json_end(&j);
 */
struct rec_json {
    struct rec_buf *out;
    unsigned depth;
    bool flat;         /**< no line breaks */
    bool more;         /**< private: a comma is due */
    char closer[64];   /**< private */
};
/** key is NULL inside an array and at the top. */
void rec_json_object(struct rec_json *json, const char *key);
void rec_json_array(struct rec_json *json, const char *key);
void rec_json_end(struct rec_json *json);
void rec_json_text(struct rec_json *json, const char *key, const char *text, size_t len); /**< bytes that are no UTF-8 become U+FFFD */
void rec_json_real(struct rec_json *json, const char *key, double value); /**< shortest form; NaN and infinity become null */
void rec_json_float(struct rec_json *json, const char *key, float value); /**< the shortest form that reads back as this float */
void rec_json_int(struct rec_json *json, const char *key, int64_t value);
void rec_json_bool(struct rec_json *json, const char *key, bool value);
/** Members of the object that is open, as text that was written before: `"a":1,"b":[]`. Of flat JSON. */
void rec_json_written(struct rec_json *json, const char *text, size_t len);
void rec_json_null(struct rec_json *json, const char *key);

/** Reads a whole text as a tree: strict JSON, no key twice, no NUL in a text. `name` begins messages. NULL with err set; free it. */
struct rec_json_value;
struct rec_json_value *rec_json_read(const char *name, const char *text, size_t len, struct rec_err *err);
void rec_json_free(struct rec_json_value *root); /**< NULL is safe */
/** What is asked of a value that is missing (NULL) or of another kind is missing too, so that questions can be chained: the member of
 *  that key; elements of an array, how many and which; how many members an object has; the text, NUL-terminated; a whole number into *out, 0 or -1. */
const struct rec_json_value *rec_json_get(const struct rec_json_value *object, const char *key);
size_t rec_json_length(const struct rec_json_value *array);
size_t rec_json_size(const struct rec_json_value *object);
const struct rec_json_value *rec_json_at(const struct rec_json_value *array, size_t i);
const char *rec_json_string(const struct rec_json_value *value);
int rec_json_integer(int64_t *out, const struct rec_json_value *value) REC_RESULT_USED;
/** A number, whole or not, that is finite; true or false: 0 or -1. */
int rec_json_number(double *out, const struct rec_json_value *value) REC_RESULT_USED;
int rec_json_boolean(bool *out, const struct rec_json_value *value) REC_RESULT_USED;
enum rec_json_kind { REC_JSON_MISSING, REC_JSON_NULL, REC_JSON_BOOL, REC_JSON_NUMBER, REC_JSON_TEXT, REC_JSON_ARRAY, REC_JSON_OBJECT };
enum rec_json_kind rec_json_kind(const struct rec_json_value *value);
/** Calls `each` for the members of an object, in their order; a non-zero return ends it. */
void rec_json_members(const struct rec_json_value *object, int (*each)(void *context, const char *key, const struct rec_json_value *value),
                      void *context);
/** Writes a value that was read, as it would be written anew, members in their order; `json` counts as failed where it is nested too deep. */
void rec_json_copy(struct rec_json *json, const char *key, const struct rec_json_value *value);
/** How deep brackets are nested in JSON text, strings left out: for refusing before reading. */
size_t rec_json_depth(const char *text, size_t len);

/** True when the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, surrogates or values above U+10FFFF). */
bool rec_json_utf8(const char *text, size_t len);

/* ---- yaml: settings ----------------------------------------------------------------------------- */

/** One scalar of a YAML mapping: {train: {factors: 64}} gives path "train.factors", value "64"; list elements "x.0", "x.1". */
struct rec_setting {
    char *path, *value;
    int line;
};
struct rec_yaml {
    struct rec_setting *setting;
    size_t n;
};
/** Reads a file of one mapping of mappings, lists and scalars. Anchors, tags, duplicate keys and a second document are refused;
 *  messages give file and line. An empty file has no settings. */
int rec_yaml_read(struct rec_yaml *yaml, const char *path, struct rec_err *err);
int rec_yaml_parse(struct rec_yaml *yaml, const char *name, const char *text, size_t len, struct rec_err *err);
const struct rec_setting *rec_yaml_find(const struct rec_yaml *yaml, const char *path);
void rec_yaml_clear(struct rec_yaml *yaml);

/* ---- gzip: a byte stream that may be compressed -------------------------------------------------
 *
 * Plain, gzip (several members too) and zstd (several frames too), told apart by their first bytes, from a file or a pipe.
 * A compressed stream that is cut short, damaged, or followed by something else is an error, never a short file.
 */
enum rec_gzip_kind { REC_GZIP_PLAIN, REC_GZIP_GZIP, REC_GZIP_ZSTD };

struct rec_gzip {
    const char *name;             /**< for messages; borrowed */
    enum rec_gzip_kind kind;
    const unsigned char *data;    /**< the whole text, mapped, when it is plain and a regular file; else NULL */
    size_t len;
    void *decoder;                /**< private, as all below */
    const unsigned char *map;
    size_t map_len;
    int fd;
    bool owns_fd, finished;
    uint32_t crc32c;              /**< of what was read by rec_gzip_read so far */
    uint64_t delivered;           /**< so many bytes */
    unsigned char *block;
    size_t at, fill;
};

/** @param path  "-" or NULL is standard input.  A terminal or a directory is refused. */
int rec_gzip_open(struct rec_gzip *in, const char *path, struct rec_err *err);
/** Reads plain bytes, also when `data` is there. *got < len only at the end. */
int rec_gzip_read(struct rec_gzip *in, void *out, size_t len, size_t *got, struct rec_err *err);
/** What comes next, as it is stored, without reading it: at least `want` bytes (of at most 64 KiB) unless the input ends. For telling kinds of
 *  input apart. */
int rec_gzip_peek(struct rec_gzip *in, const unsigned char **bytes, size_t *len, size_t want, struct rec_err *err);
/** All of it in memory: the mapping if there is one. Takes `in`, also when it fails. */
int rec_gzip_whole(struct rec_in *out, struct rec_gzip *in, struct rec_err *err);
void rec_gzip_close(struct rec_gzip *in);

/** Adds `len` bytes to `out` as one gzip member. 0, or -1 when out of memory. */
int rec_gzip_pack(struct rec_buf *out, const void *bytes, size_t len) REC_RESULT_USED;

/* ---- zstd: one frame, through callbacks ---------------------------------------------------------
 *
 * For streams that pass through other hands before they reach a file. Memory does not grow with the stream. The frame carries a
 * checksum; one that is cut short, damaged, followed by anything, or that asks for a window above REC_ZSTD_WINDOW is an error.
 *
 *     struct rec_zstd_writer w;                       struct rec_zstd_reader r;
 *     rec_zstd_begin(&w, 3, sink, context, &err)      rec_zstd_open(&r, source, context, name, &err)
 *     rec_zstd_write(&w, bytes, len, &err)            rec_zstd_read(&r, bytes, len, &got, &err)      // got < len: the end
 *     rec_zstd_end(&w, &err)                          rec_zstd_close(&r)
 */
#define REC_ZSTD_WINDOW (8 << 20)

typedef int rec_zstd_sink(void *context, const void *bytes, size_t len, struct rec_err *err);
/** Reads up to len bytes; *got < len only at the end. */
typedef int rec_zstd_source(void *context, void *bytes, size_t len, size_t *got, struct rec_err *err);

struct rec_zstd_writer {
    rec_zstd_sink *sink;
    void *context;
    void *encoder;                /**< private, as below */
    unsigned char *block;
};
/** @param level  1 .. 19, as of zstd(1). The bytes are compressed in a thread beside the caller's; `sink` is called in the caller's. */
int rec_zstd_begin(struct rec_zstd_writer *w, int level, rec_zstd_sink *sink, void *context, struct rec_err *err);
int rec_zstd_write(struct rec_zstd_writer *w, const void *bytes, size_t len, struct rec_err *err) REC_RESULT_USED;
/** Writes the end of the frame and frees, also when it fails. */
int rec_zstd_end(struct rec_zstd_writer *w, struct rec_err *err) REC_RESULT_USED;
/** Frees without an end. Safe on a zeroed or ended one. */
void rec_zstd_abort(struct rec_zstd_writer *w);

struct rec_zstd_reader {
    const char *name;             /**< for messages; borrowed */
    rec_zstd_source *source;
    void *context;
    void *decoder;                /**< private, as all below */
    unsigned char *block;
    size_t at, fill;
    bool dry, finished;
};
int rec_zstd_open(struct rec_zstd_reader *r, rec_zstd_source *source, void *context, const char *name, struct rec_err *err);
/** *got < len only at the end of the frame, behind which the source has nothing. */
int rec_zstd_read(struct rec_zstd_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err) REC_RESULT_USED;
void rec_zstd_close(struct rec_zstd_reader *r);

/* ---- csv: records and fields --------------------------------------------------------------------
 *
 * libcsv in strict mode defines what a record is: RFC 4180 with any one-byte delimiter, lines ended by LF, CR LF or CR, lines of
 * blanks alone skipped, blanks around an unquoted field dropped; a quote inside an unquoted field, or text after a closing
 * one, makes the record bad. Records without quotes take a scanner of our own that gives the same fields some ten times faster.
 * Where quoting is off, and for longer delimiters such as "::", it is the only one.
 *
 *     struct rec_csv csv;
 *     struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
 *     int status;
 *     if (rec_csv_open(&csv, path, &dialect, &err) < 0) ...
 *     while ((status = rec_csv_next(&csv, &err)) == REC_CSV_RECORD)
 *         use(csv.field[0].text, csv.field[0].len);               // until the next call
 *     if (status == REC_CSV_BAD)
 *         rec_csv_complain(&err, &csv);                           // "a.csv:17:3: quote inside an unquoted field"
 *     rec_csv_close(&csv);
 *
 * Memory is bounded: a field has at most REC_CSV_FIELD_MAX bytes, a record REC_CSV_RECORD_MAX, and a pipe is read by blocks.
 */
#define REC_CSV_FIELD_MAX 65536
#define REC_CSV_RECORD_MAX (1 << 20)

struct rec_csv_dialect {
    char delimiter[8];
    size_t delimiter_len;  /**< 0: any run of blanks and tabs */
    bool quotes;           /**< fields may be quoted; for one-byte delimiters */
    bool libcsv;           /**< libcsv reads every record: slow, to compare with */
    size_t record_max;     /**< 0: REC_CSV_RECORD_MAX */
};

struct rec_csv_field {
    const char *text;      /**< not NUL-terminated */
    size_t len;
};

enum rec_csv_status {
    REC_CSV_END = 0,
    REC_CSV_RECORD = 1,
    REC_CSV_BAD = 2        /**< one record is not to be read: `cause`, `line`, `column` say why; the next call goes on behind it */
};

struct rec_csv {
    const char *name;
    struct rec_csv_dialect dialect;
    /* The current record. */
    struct rec_csv_field *field;
    size_t n;              /**< fields */
    const char *record;    /**< as it stands in the file, without its line end */
    size_t record_len;
    uint64_t line;         /**< where it begins, from 1; of a bad record, where the fault is */
    size_t column;         /**< of a bad record: the field with the fault, from 1 */
    const char *cause;
    /* Private: the text in memory from the next record on, and where more comes from. */
    const char *at, *end, *stop;
    uint64_t next_line;
    bool last, skipping;
    struct rec_gzip source;
    char *buffer;
    size_t buffer_cap, cap;
    void *parser;
};

/** Reads a file or pipe that may be compressed; path as for rec_gzip_open. A UTF-8 byte order mark is skipped; UTF-16 is refused. */
int rec_csv_open(struct rec_csv *csv, const char *path, const struct rec_csv_dialect *dialect, struct rec_err *err);
/** As rec_csv_open, from a stream already open, which it takes. */
int rec_csv_take(struct rec_csv *csv, struct rec_gzip *source, const struct rec_csv_dialect *dialect, struct rec_err *err);
/** Reads the records that begin in text[0 .. stop) of a text of len bytes in memory, which is borrowed. */
int rec_csv_text(struct rec_csv *csv, const char *name, const char *text, size_t stop, size_t len,
                 const struct rec_csv_dialect *dialect, struct rec_err *err);
void rec_csv_close(struct rec_csv *csv);

/** The next record: a rec_csv_status, or -1: out of memory, or the source failed. */
int rec_csv_next(struct rec_csv *csv, struct rec_err *err);
/** Puts `name:line:column: cause` of a bad record into err. Returns -1. */
int rec_csv_complain(struct rec_err *err, const struct rec_csv *csv);

/** Plain records, many at a time: those ahead that have exactly n_fields fields and nothing odd (quotes, blanks to be dropped, control
 *  characters, lone CRs), as far as they are in memory. Field j of record i ends before byte end[1 + i * n_fields + j] of
 *  *text; it begins delimiter_len bytes after the end of the field before it, or 1 byte after the end of the record before;
 *  end[0] is set to -1 to make that so for the first one too. The last field may have a CR at its end. 32 bytes behind the last record may be read.
 *  @param end  room for REC_CSV_SCAN_MAX numbers
 *  @return how many records; 0 says that the next one is for rec_csv_next */
#define REC_CSV_SCAN_MAX (8192 + 64)
size_t rec_csv_scan(struct rec_csv *csv, const char **text, uint32_t *end, size_t n_fields);

/** Adds a field to a line being made, quoted when it holds the delimiter, a quote, a line break or outer blanks (RFC 4180). */
void rec_csv_add(struct rec_buf *out, char delimiter, const char *text, size_t len);

#endif
