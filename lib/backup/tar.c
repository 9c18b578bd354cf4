/* SPDX-License-Identifier: MIT
 *
 * Members of a tar archive as a stream: POSIX ustar (IEEE Std 1003.1-2017, pax, "ustar Interchange Format"), with pax extended headers
 * ("path", "linkpath", "size", "mtime") for what its fields cannot hold. Everything is in blocks of 512 bytes; two of zeros end it.
 */
#include <rec/backup.h>

enum { BLOCK = 512, PAX_LONGEST = 3 * (REC_TAR_NAME_LONGEST + 64) };

/* Fields of a header block: where, and how long. */
enum { NAME = 0, MODE = 100, UID = 108, GID = 116, SIZE = 124, MTIME = 136, SUM = 148, TYPE = 156, LINK = 157, MAGIC = 257, PREFIX = 345 };
enum { NAME_LEN = 100, ID_LEN = 8, NUMBER_LEN = 12, PREFIX_LEN = 155 };
#define OCTAL_LARGEST 077777777777

/* "ustar", NUL, and the version without one. */
static const unsigned char magic[8] = {'u', 's', 't', 'a', 'r', 0, '0', '0'};

/* ---- header blocks ---- */

/* len - 1 octal digits and a NUL. */
static void put_octal(unsigned char *field, size_t len, uint64_t value)
{
    field[--len] = '\0';
    while (len) {
        field[--len] = (unsigned char)('0' + (value & 7));
        value >>= 3;
    }
}

/* Octal digits, with blanks before and a blank or NUL behind, as various tars write them. */
static int get_octal(uint64_t *out, const unsigned char *field, size_t len)
{
    size_t i = 0, digits = 0;

    *out = 0;
    while (i < len && field[i] == ' ')
        i++;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++, digits++)
        *out = *out << 3 | (uint64_t)(field[i] - '0');
    for (; i < len; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return -1;
    return digits ? 0 : -1;
}

/* The sum of all bytes, those of the sum itself taken as blanks. */
static uint64_t sum_of(const unsigned char *block)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= SUM && i < SUM + ID_LEN ? ' ' : block[i];
    return sum;
}

static bool all_zero(const unsigned char *block)
{
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

/* ---- writing ---- */

static int put(struct rec_tar_writer *w, const void *bytes, size_t len, struct rec_err *err)
{
    w->written += len;
    return w->sink(w->context, bytes, len, err);
}

static int put_padding(struct rec_tar_writer *w, struct rec_err *err)
{
    static const unsigned char zeros[BLOCK];
    unsigned n = w->padding;

    if (w->left > 0)
        return rec_err_set(err, "tar: a member is shorter than its size by %llu bytes", (unsigned long long)w->left);
    w->padding = 0;
    return n ? put(w, zeros, n, err) : 0;
}

static void expect(struct rec_tar_writer *w, uint64_t size)
{
    w->left = size;
    w->padding = (unsigned)((BLOCK - size % BLOCK) % BLOCK);
}

/* A field that is full has no NUL. */
static void put_text(unsigned char *field, size_t cap, const char *text, size_t len)
{
    for (size_t i = 0; i < len && i < cap; i++)
        field[i] = (unsigned char)text[i];
}

static int put_header(struct rec_tar_writer *w, const struct rec_tar_member *m, char type, const char *name, size_t len, struct rec_err *err)
{
    unsigned char block[BLOCK] = {0};

    put_text(block + NAME, NAME_LEN, name, len);
    put_octal(block + MODE, ID_LEN, m->mode & 0777);
    put_octal(block + UID, ID_LEN, 0);
    put_octal(block + GID, ID_LEN, 0);
    put_octal(block + SIZE, NUMBER_LEN, m->size <= OCTAL_LARGEST ? m->size : 0);
    put_octal(block + MTIME, NUMBER_LEN, m->mtime >= 0 && m->mtime <= OCTAL_LARGEST ? (uint64_t)m->mtime : 0);
    block[TYPE] = (unsigned char)type;
    if (m->link)
        put_text(block + LINK, NAME_LEN, m->link, strlen(m->link));
    memcpy(block + MAGIC, magic, sizeof magic);
    put_octal(block + SUM, ID_LEN - 1, sum_of(block));
    block[SUM + ID_LEN - 1] = ' ';
    return put(w, block, BLOCK, err);
}

/* "LEN KEY=VALUE\n", where LEN counts itself. */
static void add_record(struct rec_buf *pax, const char *key, const char *value, size_t len)
{
    size_t rest = strlen(key) + len + 3, digits = 1, total;

    for (;; digits++) {
        char text[REC_NUM_MAX];
        total = rest + digits;
        if (rec_num_print_int64(text, (int64_t)total) == digits)
            break;
    }
    rec_buf_addf(pax, "%zu %s=", total, key);
    rec_buf_add(pax, value, len);
    rec_buf_addc(pax, '\n');
}

static void add_number(struct rec_buf *pax, const char *key, int64_t value)
{
    char text[REC_NUM_MAX];

    add_record(pax, key, text, rec_num_print_int64(text, value));
}

static int put_pax(struct rec_tar_writer *w, const struct rec_tar_member *m, const struct rec_buf *pax, struct rec_err *err)
{
    struct rec_tar_member header = {.mode = 0644, .size = pax->len, .mtime = m->mtime};
    struct rec_buf name = {0};
    int status;

    rec_buf_addf(&name, "PaxHeaders/%s", m->name);
    status = pax->failed || name.failed ? rec_err_memory(err, m->name)
                                        : put_header(w, &header, 'x', name.data, name.len < NAME_LEN ? name.len : NAME_LEN, err);
    rec_buf_clear(&name);
    if (status < 0 || put(w, pax->data, pax->len, err) < 0)
        return -1;
    expect(w, pax->len);
    w->left = 0;
    return put_padding(w, err);
}

int rec_tar_add(struct rec_tar_writer *w, const struct rec_tar_member *member, struct rec_err *err)
{
    struct rec_buf name = {0}, pax = {0};
    const char *link = member->link ? member->link : "";
    int status = -1;

    if (put_padding(w, err) < 0)
        return -1;
    rec_buf_adds(&name, member->name);
    if (member->type == REC_TAR_DIRECTORY)
        rec_buf_addc(&name, '/');
    if (name.len > REC_TAR_NAME_LONGEST || strlen(link) > REC_TAR_NAME_LONGEST) {
        rec_err_set(err, "%.100s...: the name or what it links to is too long", member->name);
        goto out;
    }
    if (name.len > NAME_LEN)
        add_record(&pax, "path", name.data, name.len);
    if (strlen(link) > NAME_LEN)
        add_record(&pax, "linkpath", link, strlen(link));
    if (member->size > OCTAL_LARGEST)
        add_number(&pax, "size", (int64_t)member->size);
    if (member->mtime < 0 || member->mtime > OCTAL_LARGEST)
        add_number(&pax, "mtime", member->mtime);
    if (name.failed || pax.failed) {
        rec_err_memory(err, member->name);
        goto out;
    }
    if (pax.len && put_pax(w, member, &pax, err) < 0)
        goto out;
    if (put_header(w, member, (char)member->type, name.data, name.len, err) < 0)
        goto out;
    expect(w, member->size);
    status = 0;
out:
    rec_buf_clear(&name);
    rec_buf_clear(&pax);
    return status;
}

int rec_tar_write(struct rec_tar_writer *w, const void *bytes, size_t len, struct rec_err *err)
{
    if (len > w->left)
        return rec_err_set(err, "tar: a member is longer than its size");
    w->left -= len;
    return put(w, bytes, len, err);
}

int rec_tar_end(struct rec_tar_writer *w, struct rec_err *err)
{
    if (put_padding(w, err) < 0)
        return -1;
    w->padding = BLOCK;
    if (put_padding(w, err) < 0)
        return -1;
    w->padding = BLOCK;
    return put_padding(w, err);
}

/* ---- reading ---- */

static int damaged(struct rec_tar_reader *r, const char *why, struct rec_err *err)
{
    return rec_err_set(err, "%s: damaged tar before byte %llu (%s)", r->name, (unsigned long long)r->offset, why);
}

/* Exactly len bytes. */
static int get(struct rec_tar_reader *r, void *bytes, size_t len, struct rec_err *err)
{
    size_t got = 0;

    if (r->source(r->context, bytes, len, &got, err) < 0)
        return -1;
    r->offset += got;
    return got == len ? 0 : damaged(r, "it is cut short", err);
}

/* Passes over what is left of the member. */
static int skip(struct rec_tar_reader *r, struct rec_err *err)
{
    unsigned char block[16 * BLOCK];

    while (r->left) {
        size_t n = r->left < sizeof block ? (size_t)r->left : sizeof block;
        if (get(r, block, n, err) < 0)
            return -1;
        r->left -= n;
    }
    if (r->padding && get(r, block, r->padding, err) < 0)
        return -1;
    r->padding = 0;
    return 0;
}

/* Behind a first block of zeros: another one, then zeros at most. */
static int read_end(struct rec_tar_reader *r, struct rec_err *err)
{
    unsigned char block[BLOCK];
    size_t got = BLOCK;

    for (bool first = true; got == BLOCK; first = false) {
        if (r->source(r->context, block, BLOCK, &got, err) < 0)
            return -1;
        r->offset += got;
        if (got == 0 && !first)
            return 0;
        if (got < BLOCK || !all_zero(block))
            return damaged(r, got < BLOCK ? "it is cut short" : "trailing bytes", err);
    }
    return 0;
}

static int set_text(struct rec_buf *out, const char *text, size_t len, const char *name, struct rec_err *err)
{
    rec_buf_reset(out);
    rec_buf_add(out, text, len);
    rec_buf_addc(out, '\0');
    out->len -= !out->failed;
    return out->failed ? rec_err_memory(err, name) : 0;
}

/* What a pax header says, taken before the header it is for. */
struct extra {
    bool path, link, size, mtime;
    int64_t size_value, mtime_value;
};

static int take_record(struct rec_tar_reader *r, struct extra *extra, const char *key, size_t key_len, const char *value, size_t len,
                       struct rec_err *err)
{
    bool path = key_len == 4 && !memcmp(key, "path", 4), link = key_len == 8 && !memcmp(key, "linkpath", 8);

    if (path || link) {
        if (len > REC_TAR_NAME_LONGEST || memchr(value, '\0', len))
            return damaged(r, "a name in a pax header", err);
        *(path ? &extra->path : &extra->link) = true;
        return set_text(path ? &r->path : &r->link, value, len, r->name, err);
    }
    if (key_len == 4 && !memcmp(key, "size", 4)) {
        extra->size = true;
        if (rec_num_int64(&extra->size_value, value, len) < 0 || extra->size_value < 0)
            return damaged(r, "a size in a pax header", err);
    } else if (key_len == 5 && !memcmp(key, "mtime", 5)) {
        const char *dot = memchr(value, '.', len);
        extra->mtime = true;
        if (rec_num_int64(&extra->mtime_value, value, dot ? (size_t)(dot - value) : len) < 0)
            return damaged(r, "a time in a pax header", err);
    }
    return 0;
}

/* The records of r->pax. */
static int take_pax(struct rec_tar_reader *r, struct extra *extra, struct rec_err *err)
{
    const char *p = r->pax.data, *end = p + r->pax.len;

    while (p < end) {
        const char *blank = memchr(p, ' ', (size_t)(end - p)), *equals;
        int64_t len;
        if (!blank || rec_num_int64(&len, p, (size_t)(blank - p)) < 0 || len <= blank - p + 1 || len > end - p || p[len - 1] != '\n')
            return damaged(r, "the length in a pax header", err);
        equals = memchr(blank + 1, '=', (size_t)(p + len - 1 - (blank + 1)));
        if (!equals)
            return damaged(r, "a record in a pax header", err);
        if (take_record(r, extra, blank + 1, (size_t)(equals - blank - 1), equals + 1, (size_t)(p + len - 1 - (equals + 1)), err) < 0)
            return -1;
        p += len;
    }
    return 0;
}

static int read_pax(struct rec_tar_reader *r, struct extra *extra, uint64_t size, struct rec_err *err)
{
    if (size > PAX_LONGEST)
        return damaged(r, "a pax header is too long", err);
    rec_buf_reset(&r->pax);
    if (rec_buf_reserve(&r->pax, (size_t)size + 1) < 0)
        return rec_err_memory(err, r->name);
    if (get(r, r->pax.data, (size_t)size, err) < 0)
        return -1;
    r->pax.len = (size_t)size;
    r->left = 0;
    r->padding = (unsigned)((BLOCK - size % BLOCK) % BLOCK);
    return skip(r, err) < 0 ? -1 : take_pax(r, extra, err);
}

/* A header block that adds up. 1, 0: a block of zeros, -1. */
static int read_block(struct rec_tar_reader *r, unsigned char *block, struct rec_err *err)
{
    uint64_t sum;

    if (get(r, block, BLOCK, err) < 0)
        return -1;
    if (all_zero(block))
        return 0;
    if (memcmp(block + MAGIC, magic, sizeof magic) != 0 || get_octal(&sum, block + SUM, ID_LEN) < 0 || sum != sum_of(block))
        return damaged(r, "a header", err);
    return 1;
}

/* prefix/name, or what a pax header said; without the '/' at the end of a directory. */
static int settle_name(struct rec_tar_reader *r, const unsigned char *block, const struct extra *extra, struct rec_err *err)
{
    size_t prefix = strnlen((const char *)block + PREFIX, PREFIX_LEN), len = strnlen((const char *)block + NAME, NAME_LEN);

    if (!extra->path) {
        char text[PREFIX_LEN + 1 + NAME_LEN];
        memcpy(text, block + PREFIX, prefix);
        text[prefix] = '/';
        prefix += prefix > 0;
        memcpy(text + prefix, block + NAME, len);
        if (set_text(&r->path, text, prefix + len, r->name, err) < 0)
            return -1;
    }
    if (!extra->link && set_text(&r->link, (const char *)block + LINK, strnlen((const char *)block + LINK, NAME_LEN), r->name, err) < 0)
        return -1;
    if (block[TYPE] == REC_TAR_DIRECTORY && r->path.len > 1 && r->path.data[r->path.len - 1] == '/')
        r->path.data[--r->path.len] = '\0';
    return 0;
}

/* Relative, and without components that are empty, "." or "..". */
static bool name_is_tame(const char *name)
{
    for (;;) {
        size_t n = strcspn(name, "/");
        if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
            return false;
        if (name[n] == '\0')
            return true;
        name += n + 1;
    }
}

static int settle(struct rec_tar_reader *r, struct rec_tar_member *m, const unsigned char *block, const struct extra *extra, struct rec_err *err)
{
    uint64_t mode, size, mtime;

    if (get_octal(&mode, block + MODE, ID_LEN) < 0 || get_octal(&size, block + SIZE, NUMBER_LEN) < 0 ||
        get_octal(&mtime, block + MTIME, NUMBER_LEN) < 0)
        return damaged(r, "a number in a header", err);
    if (settle_name(r, block, extra, err) < 0)
        return -1;
    if (!name_is_tame(r->path.data))
        return damaged(r, "a name that leads elsewhere", err);
    *m = (struct rec_tar_member){.type = (enum rec_tar_type)block[TYPE], .name = r->path.data, .link = r->link.data, .mode = mode & 0777};
    m->size = extra->size ? (uint64_t)extra->size_value : size;
    m->mtime = extra->mtime ? extra->mtime_value : (int64_t)mtime;
    if ((m->size && m->type != REC_TAR_FILE) || (m->type == REC_TAR_LINK) != (m->link[0] != '\0'))
        return damaged(r, "a member that is no file has content, or a link leads nowhere", err);
    r->left = m->size;
    r->padding = (unsigned)((BLOCK - m->size % BLOCK) % BLOCK);
    return 1;
}

int rec_tar_next(struct rec_tar_reader *r, struct rec_tar_member *member, struct rec_err *err)
{
    unsigned char block[BLOCK];
    struct extra extra = {0};

    if (skip(r, err) < 0)
        return -1;
    for (bool pax = false;; pax = true) {
        uint64_t size;
        int status = read_block(r, block, err);
        if (status < 0)
            return -1;
        if (status == 0)
            return pax ? damaged(r, "a pax header without a member", err) : read_end(r, err);
        if (block[TYPE] == REC_TAR_FILE || block[TYPE] == REC_TAR_LINK || block[TYPE] == REC_TAR_DIRECTORY)
            return settle(r, member, block, &extra, err);
        if (pax || block[TYPE] != 'x' || get_octal(&size, block + SIZE, NUMBER_LEN) < 0)
            return damaged(r, "a member of a kind that is not expected", err);
        if (read_pax(r, &extra, size, err) < 0)
            return -1;
    }
}

int rec_tar_read(struct rec_tar_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    size_t n = len < r->left ? len : (size_t)r->left;

    if (n && get(r, bytes, n, err) < 0)
        return -1;
    r->left -= n;
    *got = n;
    return 0;
}

void rec_tar_close(struct rec_tar_reader *r)
{
    rec_buf_clear(&r->path);
    rec_buf_clear(&r->link);
    rec_buf_clear(&r->pax);
    *r = (struct rec_tar_reader){0};
}
