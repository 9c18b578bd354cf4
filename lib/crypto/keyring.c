/* SPDX-License-Identifier: MIT
 *
 * Versioned keys in a file. What is read is held to the letter: whoever can read or change the file owns all that is sealed. What is
 * written goes to `.NAME.rec-tmp` beside it, made for this run alone (0600 from its first byte), and is renamed into place after fsync: the
 * old file or the new one is there at every moment. The temporary file is locked, so that two runs that change the keys take turns, and
 * each begins from what the other left. Comments stay.
 */
#include "crypto_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_LONGEST = 64 * 1024, LINE_LONGEST = 128, WAIT_MS = 2, WAIT_LONGEST_MS = 5000 };

static const char preface[] = "# The keys of a rec store (crypto_kdf): keep a copy apart from the backups, which are of no use without them.\n";

/* ---- lines ---- */

struct key_line {
    uint32_t version;
    int64_t created;
    unsigned char key[REC_KEY_BYTES];
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of [*at, end). */
static size_t word(const char **text, const char **at, const char *end)
{
    while (*at < end && blank(**at))
        ++*at;
    *text = *at;
    while (*at < end && !blank(**at))
        ++*at;
    return (size_t)(*at - *text);
}

static int parse_version(uint32_t *out, const char *text, size_t len)
{
    int64_t n;

    if (len == 0 || text[0] < '1' || text[0] > '9' || rec_num_int64(&n, text, len) < 0 || n > UINT32_MAX)
        return -1;
    *out = (uint32_t)n;
    return 0;
}

static int parse_created(int64_t *out, const char *text, size_t len)
{
    char date[sizeof "2026-11-23T21:00:00Z"];

    if (len != sizeof date - 1 || text[10] != 'T' || text[len - 1] != 'Z')
        return -1;
    memcpy(date, text, len);
    date[len] = '\0';
    return rec_date_parse(out, date, "", NULL);
}

/* 1: a key; 0: nothing but a comment; -1, and no message holds what stands there. */
static int parse_line(struct key_line *out, const char *text, size_t len, const char *path, size_t number, struct rec_err *err)
{
    const char *comment = memchr(text, '#', len), *end = comment ? comment : text + len, *at = text, *w;
    size_t n = word(&w, &at, end);

    if (n == 0)
        return 0;
    if (parse_version(&out->version, w, n) < 0)
        return rec_err_set(err, "%s:%zu: does not begin with the number of a version", path, number);
    n = word(&w, &at, end);
    if (parse_created(&out->created, w, n) < 0)
        return rec_err_set(err, "%s:%zu: has no time such as 2026-11-23T21:00:00Z behind the version", path, number);
    n = word(&w, &at, end);
    if (rec_secret_unbase64(out->key, REC_KEY_BYTES, w, n) != REC_KEY_BYTES)
        return rec_err_set(err, "%s:%zu: has no key of 43 letters of base64url behind the time", path, number);
    if (word(&w, &at, end) > 0)
        return rec_err_set(err, "%s:%zu: has something behind the key", path, number);
    return 1;
}

static int add_key(struct rec_keyring *keys, const struct key_line *line, const char *path, size_t number, struct rec_err *err)
{
    for (size_t i = 0; i < keys->n; i++)
        if (keys->version[i] == line->version)
            return rec_err_set(err, "%s:%zu: version %lu is there twice", path, number, (unsigned long)line->version);
    if (keys->n == REC_KEYRING_MAX)
        return rec_err_set(err, "%s:%zu: more than %d keys", path, number, REC_KEYRING_MAX);
    keys->version[keys->n] = line->version;
    keys->created[keys->n] = line->created;
    memcpy(keys->key[keys->n], line->key, REC_KEY_BYTES);
    keys->n++;
    if (line->version > keys->newest)
        keys->newest = line->version;
    return 0;
}

/* Versions that stay when others are dropped: the newest, and those that something still needs. */
struct stay {
    uint32_t newest;
    const uint32_t *needed;
    size_t n;
};

static bool stays(const struct stay *stay, uint32_t version)
{
    bool found = !stay || version == stay->newest;

    for (size_t i = 0; !found && i < stay->n; i++)
        found = stay->needed[i] == version;
    return found;
}

/* The keys of a text; and into `kept` (may be NULL) its lines, without those of versions that do not stay (NULL: all do). */
static int parse(struct rec_keyring *keys, struct rec_buf *kept, const struct rec_buf *text, const struct stay *stay, const char *path,
                 struct rec_err *err)
{
    const char *at = text->data, *end = text->data + text->len;
    struct key_line line;
    int status = 0;

    for (size_t number = 1; at < end && status >= 0; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        status = parse_line(&line, at, len, path, number, err);
        if (status > 0 && add_key(keys, &line, path, number, err) < 0)
            status = -1;
        if (kept && (status == 0 || stays(stay, line.version))) {
            rec_buf_add(kept, at, len);
            rec_buf_addc(kept, '\n');
        }
        at += len + (newline != NULL);
    }
    rec_secret_wipe(&line, sizeof line);
    if (status >= 0 && keys->n == 0)
        status = rec_err_set(err, "%s: holds no key", path);
    return status < 0 ? -1 : 0;
}

/* ---- reading ---- */

static int check_file(const struct stat *st, const char *path, struct rec_err *err)
{
    if (S_ISDIR(st->st_mode))
        return rec_err_set(err, "%s: is a directory", path);
    if (!S_ISREG(st->st_mode))
        return rec_err_set(err, "%s: is no regular file", path);
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return rec_err_set(err, "%s: belongs to another user (%lu): run as that one, or chown it", path,
                           (unsigned long)st->st_uid);
    if (st->st_mode & 077)
        return rec_err_set(err, "%s: others may use it (mode %04o): chmod 600 it, and change the keys if they may have been read", path,
                           (unsigned)(st->st_mode & 07777));
    if (st->st_size > FILE_LONGEST)
        return rec_err_set(err, "%s: is no keyring, %lld bytes long", path, (long long)st->st_size);
    return 0;
}

/* O_NONBLOCK: a fifo is refused, not waited for. */
static int open_file(const char *path, struct rec_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 && errno == ELOOP)
        rec_err_set(err, "%s: is a symbolic link: name the file itself", path);
    else if (fd < 0 && errno == ENOENT)
        rec_err_set(err, "%s: there is no keyring: name its file (--keys), or put back the copy of it; a new store's is made by rec-db init", path);
    else if (fd < 0)
        rec_err_errno(err, "%s", path);
    return fd;
}

/* Into storage that does not move (a line may be added to it): no copy is left behind. */
static int read_text(struct rec_buf *text, const char *path, struct rec_err *err)
{
    struct stat st;
    size_t longest;
    ssize_t n = 0;
    int status = -1, fd = open_file(path, err);

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0) {
        rec_err_errno(err, "%s", path);
        goto out;
    }
    if (check_file(&st, path, err) < 0)
        goto out;
    if (rec_buf_reserve(text, (size_t)st.st_size + LINE_LONGEST + 1) < 0) {
        rec_err_memory(err, path);
        goto out;
    }
    longest = (size_t)st.st_size + 1;
    while (text->len < longest && (n = read(fd, text->data + text->len, longest - text->len)) != 0)
        if (n > 0)
            text->len += (size_t)n;
        else if (errno != EINTR)
            break;
    if (n < 0)
        rec_err_errno(err, "%s", path);
    else if (text->len == longest)
        rec_err_set(err, "%s: was changed while it was read: try again", path);
    else
        status = 0;
out:
    close(fd);
    return status;
}

int rec_keyring_read(struct rec_keyring *keys, const char *path, struct rec_err *err)
{
    struct rec_buf text = {0};
    int status;

    *keys = (struct rec_keyring){0};
    status = read_text(&text, path, err);
    if (status == 0)
        status = parse(keys, NULL, &text, NULL, path, err);
    if (status < 0)
        rec_keyring_clear(keys);
    rec_secret_clear(&text);
    return status;
}

/* ---- writing ---- */

struct replacement {
    const char *path;
    struct rec_buf temporary;
    size_t directory; /* bytes of `temporary` that are the directory's, with its slash */
    int fd;
};

static void drop(struct replacement *r)
{
    if (r->fd >= 0) {
        unlink(r->temporary.data);
        close(r->fd);
    }
    rec_buf_clear(&r->temporary);
    r->fd = -1;
}

/* A change takes milliseconds: for one that another makes a while is waited. */
static bool wait_for_turn(int *waits)
{
    struct timespec pause = {.tv_nsec = WAIT_MS * 1000000L};

    nanosleep(&pause, NULL);
    return ++*waits < WAIT_LONGEST_MS / WAIT_MS;
}

/* What a killed run left is taken away; one that is locked is being written. @return 1: try again, -1. */
static int reclaim(const struct replacement *r, int *waits, struct rec_err *err)
{
    struct stat ours, named;
    int status = 1, fd = open(r->temporary.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 && errno == ENOENT)
        return 1;
    if (fd < 0)
        return rec_err_errno(err, "%s", r->temporary.data);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        status = wait_for_turn(waits) ? 1 : rec_err_set(err, "%s: is being changed by another process: try again", r->path);
    else if (fstat(fd, &ours) == 0 && lstat(r->temporary.data, &named) == 0 && ours.st_dev == named.st_dev && ours.st_ino == named.st_ino &&
             unlink(r->temporary.data) < 0)
        status = rec_err_errno(err, "%s", r->temporary.data);
    close(fd);
    return status;
}

/* Between its making and its lock a file may be taken for a leftover: then its name is gone, and it is made again. */
static int begin(struct replacement *r, const char *path, struct rec_err *err)
{
    const char *slash = strrchr(path, '/');
    struct stat st;
    int waits = 0;

    *r = (struct replacement){.path = path, .directory = slash ? (size_t)(slash - path) + 1 : 0, .fd = -1};
    rec_buf_add(&r->temporary, path, r->directory);
    rec_buf_addf(&r->temporary, ".%s.rec-tmp", path + r->directory);
    if (r->temporary.failed) {
        rec_buf_clear(&r->temporary);
        return rec_err_memory(err, path);
    }
    for (;;) {
        r->fd = open(r->temporary.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (r->fd >= 0 && flock(r->fd, LOCK_EX | LOCK_NB) == 0 && fstat(r->fd, &st) == 0 && st.st_nlink > 0)
            return 0;
        if (r->fd >= 0) {
            close(r->fd);
            r->fd = -1;
        } else if (errno != EEXIST) {
            rec_err_errno(err, "%s", path);
            break;
        } else if (reclaim(r, &waits, err) < 0) {
            break;
        }
    }
    drop(r);
    return -1;
}

/* Without the directory's fsync the new name could be lost with the power. */
static int sync_directory(const struct replacement *r, struct rec_err *err)
{
    char *dir = r->directory ? strndup(r->temporary.data, r->directory) : strdup(".");
    int status = 0, fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    /* Not every file system can: then there is nothing more to be done. */
    if (fd >= 0 && fsync(fd) < 0 && errno != EINVAL)
        status = rec_err_errno(err, "%s", dir);
    if (fd >= 0)
        close(fd);
    free(dir);
    return status;
}

/* @param fresh  the file must not be there. A link cannot replace one; the temporary name goes after it. */
static int commit(struct replacement *r, const struct rec_buf *text, bool fresh, struct rec_err *err)
{
    size_t at = 0;

    while (at < text->len) {
        ssize_t n = write(r->fd, text->data + at, text->len - at);
        if (n < 0 && errno != EINTR)
            return rec_err_errno(err, "%s", r->path);
        if (n > 0)
            at += (size_t)n;
    }
    if (fsync(r->fd) < 0)
        return rec_err_errno(err, "%s", r->path);
    if (fresh ? link(r->temporary.data, r->path) < 0 : rename(r->temporary.data, r->path) < 0) {
        if (errno == EEXIST)
            return rec_err_set(err, "%s: is there already: keys in use must not be replaced", r->path);
        return rec_err_errno(err, "%s", r->path);
    }
    if (fresh)
        unlink(r->temporary.data);
    close(r->fd);
    r->fd = -1;
    return sync_directory(r, err);
}

/* A new key of that version as a line of the file. */
static int add_line(struct rec_buf *text, uint32_t version, int64_t now, const char *path, struct rec_err *err)
{
    unsigned char key[REC_KEY_BYTES];
    char time[REC_NUM_MAX];

    if (now < 0 || strlen(rec_date_print_time(time, now)) != sizeof "2026-11-23T21:00:00Z" - 1)
        return rec_err_set(err, "%s: the clock is wrong, it says %lld", path, (long long)now);
    rec_secret_random(key, sizeof key);
    rec_buf_addf(text, "%lu %s ", (unsigned long)version, time);
    rec_secret_base64(text, key, sizeof key);
    rec_buf_addc(text, '\n');
    rec_secret_wipe(key, sizeof key);
    return text->failed ? rec_err_memory(err, path) : 0;
}

int rec_keyring_create(const char *path, int64_t now, struct rec_err *err)
{
    struct replacement r;
    struct rec_buf text = {0};
    struct stat st;
    int status = -1;

    if (lstat(path, &st) == 0)
        return rec_err_set(err, "%s: is there already: keys in use must not be replaced", path);
    if (begin(&r, path, err) < 0)
        return -1;
    if (rec_buf_reserve(&text, sizeof preface + LINE_LONGEST) < 0) {
        rec_err_memory(err, path);
        goto out;
    }
    rec_buf_adds(&text, preface);
    if (add_line(&text, 1, now, path, err) == 0)
        status = commit(&r, &text, true, err);
out:
    drop(&r);
    rec_secret_clear(&text);
    return status;
}

/* Reads the file as it is now, under the lock, writes it without the versions that do not stay (NULL: all do), with a new one when
 * `now` >= 0, and reads it back into `keys`. */
static int rewrite(struct rec_keyring *keys, const char *path, const struct stay *stay, int64_t now, struct rec_err *err)
{
    struct replacement r;
    struct rec_buf text = {0}, kept = {0};
    struct rec_keyring there = {0};
    int status = -1;

    if (begin(&r, path, err) < 0)
        return -1;
    if (read_text(&text, path, err) < 0)
        goto out;
    if (rec_buf_reserve(&kept, text.len + LINE_LONGEST) < 0) {
        rec_err_memory(err, path);
        goto out;
    }
    if (parse(&there, &kept, &text, stay, path, err) < 0)
        goto out;
    if (stay && there.newest != stay->newest) {
        rec_err_set(err, "%s: has a newer key than %lu, made meanwhile: begin again", path, (unsigned long)stay->newest);
        goto out;
    }
    if (now >= 0 && (there.n == REC_KEYRING_MAX || there.newest == UINT32_MAX)) {
        rec_err_set(err, "%s: is full, %zu keys: drop those that are no longer needed first", path, there.n);
        goto out;
    }
    if (now >= 0 && add_line(&kept, there.newest + 1, now, path, err) < 0)
        goto out;
    if (commit(&r, &kept, false, err) == 0)
        status = rec_keyring_read(keys, path, err);
out:
    drop(&r);
    rec_keyring_clear(&there);
    rec_secret_clear(&text);
    rec_secret_clear(&kept);
    return status;
}

int rec_keyring_add(struct rec_keyring *keys, const char *path, int64_t now, struct rec_err *err)
{
    if (now < 0)
        return rec_err_set(err, "%s: the clock is wrong, it says %lld", path, (long long)now);
    return rewrite(keys, path, NULL, now, err);
}

int rec_keyring_prune(struct rec_keyring *keys, const char *path, const uint32_t *needed, size_t n, struct rec_err *err)
{
    struct stay stay = {.newest = keys->newest, .needed = needed, .n = n};

    if (keys->n == 0)
        return rec_err_set(err, "%s: holds no key", path);
    return rewrite(keys, path, &stay, -1, err);
}

/* ---- use ---- */

int rec_keyring_derive(unsigned char out[REC_KEY_BYTES], const struct rec_keyring *keys, uint32_t version,
                       enum rec_key_purpose purpose, struct rec_err *err)
{
    static const char context[crypto_kdf_CONTEXTBYTES + 1] = "rec.keys";

    rec_secret_ready();
    for (size_t i = 0; i < keys->n; i++)
        if (keys->version[i] == version) {
            crypto_kdf_derive_from_key(out, REC_KEY_BYTES, (uint64_t)purpose, context, keys->key[i]);
            return 0;
        }
    return rec_err_set(err, "key %lu is not in the keyring", (unsigned long)version);
}

void rec_keyring_clear(struct rec_keyring *keys)
{
    rec_secret_wipe(keys, sizeof *keys);
}
