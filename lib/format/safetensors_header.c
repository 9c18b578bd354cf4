/* SPDX-License-Identifier: MIT
 *
 * The JSON header of a safetensors file, read in one pass: https://github.com/huggingface/safetensors, RFC 8259.
 *
 * A header has one form: an object of tensors, each an object of dtype, shape and data_offsets, and beside them __metadata__, an object of texts. So it is read
 * as that form and nothing else, and never deeper than the form is: what is elsewhere in JSON legal (a fraction, a list in a list) is an error where it
 * stands. All names and texts lie in one piece of memory, which is no longer than the header; a text is UTF-8, without NUL.
 */
#include "safetensors_priv.h"

#include <inttypes.h>

#define MEMBERS_MAX 262144

/* Types of the public format; bits, since some newer ones are smaller than a byte. */
static const struct {
    const char *name;
    enum rec_dtype dtype;
    unsigned bits;
} types[] = {
    {"F32", REC_F32, 32}, {"F64", REC_F64, 64}, {"I32", REC_I32, 32}, {"I64", REC_I64, 64}, {"U8", REC_U8, 8},
    {"BOOL", REC_DTYPE_OTHER, 8}, {"I8", REC_DTYPE_OTHER, 8}, {"U16", REC_DTYPE_OTHER, 16}, {"I16", REC_DTYPE_OTHER, 16},
    {"U32", REC_DTYPE_OTHER, 32}, {"U64", REC_DTYPE_OTHER, 64}, {"F16", REC_DTYPE_OTHER, 16}, {"BF16", REC_DTYPE_OTHER, 16},
    {"C64", REC_DTYPE_OTHER, 64}, {"F8_E5M2", REC_DTYPE_OTHER, 8}, {"F8_E4M3", REC_DTYPE_OTHER, 8}, {"F8_E8M0", REC_DTYPE_OTHER, 8},
    {"F6_E2M3", REC_DTYPE_OTHER, 6}, {"F6_E3M2", REC_DTYPE_OTHER, 6}, {"F4", REC_DTYPE_OTHER, 4},
};

const char *rec_safetensors_header_type(enum rec_dtype dtype, size_t *size)
{
    for (size_t i = 0; i < REC_LENGTH(types); i++)
        if (types[i].dtype == dtype && dtype != REC_DTYPE_OTHER) {
            *size = types[i].bits / 8;
            return types[i].name;
        }
    return NULL;
}

struct reader {
    struct rec_safetensors *file;
    const unsigned char *text;    /* of the file: byte 8 is the header's first */
    size_t at, end;
    char *arena;                  /* where the next text goes */
    size_t cap_tensors, cap_meta;
    struct rec_err *err;
};

static int bad(const struct reader *r, const char *what)
{
    return rec_err_set(r->err, "%s: header: byte %zu: %s", r->file->name, r->at, what);
}

static int bad_tensor(const struct reader *r, const char *name, const char *what)
{
    return rec_err_set(r->err, "%s: header: byte %zu: tensor %.64s: %s", r->file->name, r->at, name, what);
}

/* ---- tokens --------------------------------------------------------------------------------------- */

/* The next byte that is no blank; '\0' at the end, where no token begins. */
static unsigned char peek(struct reader *r)
{
    while (r->at < r->end && (r->text[r->at] == ' ' || r->text[r->at] == '\n' || r->text[r->at] == '\r' || r->text[r->at] == '\t'))
        r->at++;
    return r->at < r->end ? r->text[r->at] : '\0';
}

static int expect(struct reader *r, unsigned char c, const char *what)
{
    if (peek(r) != c)
        return bad(r, what);
    r->at++;
    return 0;
}

/* Whether another member or element follows: 1, or 0 behind the closing bracket; -1. */
static int more(struct reader *r, bool first, unsigned char close)
{
    unsigned char c = peek(r);

    if (c == close) {
        r->at++;
        return 0;
    }
    if (first)
        return 1;
    if (c != ',')
        return bad(r, close == ']' ? "',' or ']' is missing" : "',' or '}' is missing");
    r->at++;
    return peek(r) == close ? bad(r, "nothing behind a ','") : 1;
}

/* The length of the UTF-8 sequence that begins at text[at], of which there are n bytes: RFC 3629's table; 0: there is none. */
static size_t sequence(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;

    if (len == 0 || n < len || (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

/* The four digits of \uXXXX. */
static int hex(uint32_t *out, struct reader *r)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        unsigned char c = r->at < r->end ? r->text[r->at] : '\0', low = c | 0x20;

        if (!(c >= '0' && c <= '9') && !(low >= 'a' && low <= 'f'))
            return bad(r, "\\u without four hexadecimal digits");
        *out = *out << 4 | (uint32_t)(c <= '9' ? c - '0' : low - 'a' + 10);
    }
    return 0;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        if (c < 0x10000) {
            *to++ = (char)(0xE0 | c >> 12);
        } else {
            *to++ = (char)(0xF0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* What follows a backslash. */
static int escape(struct reader *r)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    unsigned char c = r->at < r->end ? r->text[r->at] : '\0';
    const char *letter = c ? strchr(letters, c) : NULL;
    uint32_t code, low;

    if (letter) {
        r->at++;
        *r->arena++ = bytes[letter - letters];
        return 0;
    }
    if (c != 'u')
        return bad(r, "an escape that JSON does not have");
    r->at++;
    if (hex(&code, r) < 0)
        return -1;
    if (code >= 0xD800 && code < 0xDC00) {
        if (r->end - r->at < 2 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u')
            return bad(r, "half a surrogate pair");
        r->at += 2;
        if (hex(&low, r) < 0)
            return -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return bad(r, "half a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
        return bad(r, "half a surrogate pair");
    }
    if (code == 0)
        return bad(r, "\\u0000 in a text");
    r->arena = put_utf8(r->arena, code);
    return 0;
}

/* A text that begins here, into the arena, NUL-terminated: with its quotes it is longer in the header than there. */
static int string(const char **out, struct reader *r)
{
    *out = r->arena;
    if (expect(r, '"', "a text is missing") < 0)
        return -1;
    for (;;) {
        unsigned char c = r->at < r->end ? r->text[r->at] : '\0';
        size_t len = 1;

        if (c == '"')
            break;
        if (c < ' ')
            return bad(r, r->at < r->end ? "a control character in a text" : "a text without an end");
        if (c == '\\') {
            r->at++;
            if (escape(r) < 0)
                return -1;
            continue;
        }
        if (c >= 0x80 && (len = sequence(r->text + r->at, r->end - r->at)) == 0)
            return bad(r, "no UTF-8");
        for (; len > 0; len--)
            *r->arena++ = (char)r->text[r->at++];
    }
    r->at++;
    *r->arena++ = '\0';
    return 0;
}

/* Digits alone, of a number below 2^63, without a zero before others. */
static bool number(uint64_t *out, struct reader *r)
{
    size_t begin = r->at;

    *out = 0;
    for (; r->at < r->end && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++) {
        unsigned digit = r->text[r->at] - '0';

        if (*out > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return r->at > begin && (r->text[begin] != '0' || r->at == begin + 1) &&
           !(r->at < r->end && strchr(".eE+-", r->text[r->at]) && r->text[r->at] != '\0');
}

/* ---- tensors -------------------------------------------------------------------------------------- */

/* [n, n, ...] of at most `most`; *n is how many. */
static int numbers(uint64_t *out, unsigned *n, unsigned most, struct reader *r, const char *name, const char *no_list, const char *no_number)
{
    int status;

    *n = 0;
    if (peek(r) != '[')
        return bad_tensor(r, name, no_list);
    r->at++;
    while ((status = more(r, *n == 0, ']')) > 0) {
        unsigned char c = peek(r);

        if (c == '[' || c == '{')
            return rec_err_set(r->err, "%s: header: nested deeper than 3 at byte %zu", r->file->name, r->at);
        if (*n == most)
            return bad_tensor(r, name, no_list);
        if (!number(&out[*n], r))
            return bad_tensor(r, name, no_number);
        ++*n;
    }
    return status;
}

/* What is read of a tensor before it is known to be whole. */
struct parts {
    const char *dtype;
    uint64_t extent[3];
    unsigned n_extent;
    bool shape, offsets;
};

static int member(struct parts *parts, struct rec_tensor *t, struct reader *r)
{
    static const char duplicate[] = "duplicate member";
    const char *key;

    if (string(&key, r) < 0 || expect(r, ':', "':' is missing") < 0)
        return -1;
    if (strcmp(key, "dtype") == 0) {
        if (parts->dtype)
            return bad_tensor(r, t->name, duplicate);
        return peek(r) != '"' ? bad_tensor(r, t->name, "dtype is not a string") : string(&parts->dtype, r);
    }
    if (strcmp(key, "shape") == 0) {
        if (parts->shape)
            return bad_tensor(r, t->name, duplicate);
        parts->shape = true;
        return numbers(t->shape, &t->rank, REC_RANK_MAX, r, t->name, "shape is not an array of at most 8 sizes",
                       "shape holds something that is not a size");
    }
    if (strcmp(key, "data_offsets") == 0) {
        if (parts->offsets)
            return bad_tensor(r, t->name, duplicate);
        parts->offsets = true;
        return numbers(parts->extent, &parts->n_extent, 2, r, t->name, "data_offsets is not two offsets", "data_offsets is not two offsets");
    }
    return bad_tensor(r, t->name, "does not have exactly dtype, shape and data_offsets");
}

static int set_type(struct rec_tensor *t, unsigned *bits, const char *name, const struct reader *r)
{
    for (size_t i = 0; i < REC_LENGTH(types); i++)
        if (strcmp(types[i].name, name) == 0) {
            t->dtype_name = types[i].name;
            t->dtype = types[i].dtype;
            *bits = types[i].bits;
            return 0;
        }
    return rec_err_set(r->err, "%s: header: tensor %.64s: unknown type %.16s", r->file->name, t->name, name);
}

/* *bytes: the product of the shape with the size of an element. */
static int count_bytes(uint64_t *bytes, const struct rec_tensor *t, unsigned bits, const struct reader *r)
{
    uint64_t product = bits;
    bool empty = false;

    for (unsigned i = 0; i < t->rank; i++) {
        empty |= t->shape[i] == 0;
        if (t->shape[i] > 0 && __builtin_mul_overflow(product, t->shape[i], &product))
            return bad_tensor(r, t->name, "the product of its shape overflows");
    }
    if (product % 8 != 0 && !empty)
        return bad_tensor(r, t->name, "not a whole number of bytes");
    *bytes = empty ? 0 : product / 8;
    return 0;
}

/* Leaves the first byte, counted from the start of the data, in t->data until all extents are known to be right. */
static int tensor(struct rec_tensor *t, struct reader *r)
{
    static const char exactly[] = "does not have exactly dtype, shape and data_offsets";
    struct parts parts = {0};
    uint64_t bytes = 0;
    unsigned bits = 0;
    int status;

    if (peek(r) != '{')
        return bad_tensor(r, t->name, exactly);
    r->at++;
    for (bool first = true; (status = more(r, first, '}')) > 0; first = false)
        if (member(&parts, t, r) < 0)
            return -1;
    if (status < 0)
        return -1;
    if (!parts.dtype || !parts.shape || !parts.offsets)
        return bad_tensor(r, t->name, exactly);
    if (set_type(t, &bits, parts.dtype, r) < 0 || count_bytes(&bytes, t, bits, r) < 0)
        return -1;
    if (parts.n_extent != 2)
        return bad_tensor(r, t->name, "data_offsets is not two offsets");
    if (parts.extent[1] < parts.extent[0])
        return bad_tensor(r, t->name, "data_offsets end before they begin");
    t->data = (const void *)(uintptr_t)parts.extent[0];
    t->bytes = parts.extent[1] - parts.extent[0];
    if (bytes != t->bytes)
        return rec_err_set(r->err, "%s: header: tensor %.64s: %" PRIu64 " bytes by its shape, %" PRIu64 " by its data_offsets",
                           r->file->name, t->name, bytes, t->bytes);
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

/* Room for one more of `n`. */
static int grow(void *array, size_t *cap, size_t n, size_t size, const struct reader *r)
{
    size_t wanted = *cap ? 2 * *cap : 16;

    if (n < *cap)
        return 0;
    if (n >= MEMBERS_MAX)
        return rec_err_set(r->err, "%s: header: more than %d members at byte %zu", r->file->name, MEMBERS_MAX, r->at);
    if (rec_realloc(array, wanted, size, r->file->name, r->err) < 0)
        return -1;
    *cap = wanted;
    return 0;
}

static int compare_meta(const void *a, const void *b)
{
    return strcmp(((const struct rec_meta *)a)->key, ((const struct rec_meta *)b)->key);
}

static int metadata(struct reader *r)
{
    struct rec_safetensors *file = r->file;
    struct rec_meta one;
    int status;

    if (peek(r) != '{')
        return rec_err_set(r->err, "%s: header: __metadata__ is not an object", file->name);
    r->at++;
    while ((status = more(r, file->n_meta == 0, '}')) > 0) {
        if (string(&one.key, r) < 0 || expect(r, ':', "':' is missing") < 0)
            return -1;
        if (peek(r) != '"')
            return rec_err_set(r->err, "%s: header: metadata %.64s is not a string", file->name, one.key);
        if (string(&one.value, r) < 0 || grow(&file->meta, &r->cap_meta, file->n_meta, sizeof one, r) < 0)
            return -1;
        file->meta[file->n_meta++] = one;
    }
    if (status < 0)
        return -1;
    if (file->n_meta > 1)
        qsort(file->meta, file->n_meta, sizeof *file->meta, compare_meta);
    for (size_t i = 1; i < file->n_meta; i++)
        if (strcmp(file->meta[i - 1].key, file->meta[i].key) == 0)
            return rec_err_set(r->err, "%s: header: duplicate metadata %.64s", file->name, file->meta[i].key);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A few are compared with each other; more are sorted. */
static int check_names(const struct reader *r)
{
    enum { FEW = 32 };
    const struct rec_safetensors *file = r->file;
    const char **name, *twice = NULL;

    for (size_t i = 1; i < file->n_tensors && file->n_tensors <= FEW; i++)
        for (size_t j = 0; j < i && !twice; j++)
            if (strcmp(file->tensor[i].name, file->tensor[j].name) == 0)
                twice = file->tensor[i].name;
    if (file->n_tensors > FEW) {
        name = rec_malloc(file->n_tensors, sizeof *name, file->name, r->err);
        if (!name)
            return -1;
        for (size_t i = 0; i < file->n_tensors; i++)
            name[i] = file->tensor[i].name;
        qsort(name, file->n_tensors, sizeof *name, compare_names);
        for (size_t i = 1; i < file->n_tensors && !twice; i++)
            if (strcmp(name[i - 1], name[i]) == 0)
                twice = name[i];
        free(name);
    }
    return twice ? rec_err_set(r->err, "%s: header: duplicate tensor %.64s", file->name, twice) : 0;
}

int rec_safetensors_header_read(struct rec_safetensors *file, struct rec_err *err)
{
    struct reader r = {.file = file, .text = file->in.data, .at = 8, .end = 8 + file->header_bytes, .err = err};
    bool first = true, described = false;
    const char *key;
    int status;

    file->texts = r.arena = rec_malloc(file->header_bytes, 1, file->name, err);
    if (!file->texts || expect(&r, '{', "'{' is missing") < 0)
        return -1;
    for (; (status = more(&r, first, '}')) > 0; first = false) {
        if (string(&key, &r) < 0 || expect(&r, ':', "':' is missing") < 0)
            return -1;
        if (strcmp(key, "__metadata__") == 0) {
            if (described)
                return bad(&r, "duplicate __metadata__");
            described = true;
            status = metadata(&r);
        } else {
            status = grow(&file->tensor, &r.cap_tensors, file->n_tensors, sizeof *file->tensor, &r);
            if (status == 0) {
                file->tensor[file->n_tensors] = (struct rec_tensor){.name = key};
                status = tensor(&file->tensor[file->n_tensors++], &r);
            }
        }
        if (status < 0)
            return -1;
    }
    if (status < 0)
        return -1;
    if (peek(&r) != '\0' || r.at < r.end)
        return bad(&r, "something behind the header's object");
    return check_names(&r);
}
