/* SPDX-License-Identifier: MIT
 *
 * Which archives are kept: of each of the last N periods that have one, the newest. The rule of restic and borg (`--keep-daily` ...), in UTC, with ISO
 * weeks (ISO 8601: from Monday). An archive that several rules keep is kept once; a file that is no archive of the store is never touched.
 */
#include "backup_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAY = 86400, MOST = 100000 };

/* ---- periods ---- */

typedef int64_t period_fn(int64_t seconds);

static int64_t day_of(int64_t seconds)
{
    return seconds / DAY - (seconds % DAY < 0);
}

/* Day 0 was a Thursday, so that weeks begin three days before. */
static int64_t week_of(int64_t seconds)
{
    int64_t day = day_of(seconds) + 3;
    return day / 7 - (day % 7 < 0);
}

static int64_t month_of(int64_t seconds)
{
    int64_t year;
    unsigned month, day;
    rec_date_to_civil(seconds, &year, &month, &day);
    return year * 12 + month - 1;
}

static int64_t year_of(int64_t seconds)
{
    int64_t year;
    unsigned month, day;
    rec_date_to_civil(seconds, &year, &month, &day);
    return year;
}

/* Each archive is a period of its own: NULL. */
static const struct rule {
    const char *word;
    size_t offset;
    period_fn *period;
} rules[] = {
    {"last", offsetof(struct rec_retention, last), NULL},
    {"daily", offsetof(struct rec_retention, daily), day_of},
    {"weekly", offsetof(struct rec_retention, weekly), week_of},
    {"monthly", offsetof(struct rec_retention, monthly), month_of},
    {"yearly", offsetof(struct rec_retention, yearly), year_of},
};

static unsigned count_of(const struct rec_retention *r, const struct rule *rule)
{
    return *(const unsigned *)(const void *)((const char *)r + rule->offset);
}

/* ---- parsing ---- */

static int parse_one(struct rec_retention *out, const char *text, size_t len, struct rec_err *err)
{
    const char *equals = memchr(text, '=', len);
    int64_t n;

    for (size_t i = 0; equals && i < REC_LENGTH(rules); i++) {
        size_t word = (size_t)(equals - text);
        unsigned *count = (unsigned *)(void *)((char *)out + rules[i].offset);
        if (word != strlen(rules[i].word) || memcmp(text, rules[i].word, word) != 0)
            continue;
        if (*count)
            return rec_err_set(err, "%s: is there twice", rules[i].word);
        if (rec_num_int64(&n, equals + 1, len - word - 1) < 0 || n < 1 || n > MOST)
            return rec_err_set(err, "%.*s: must be a number from 1 to %d", (int)len, text, MOST);
        *count = (unsigned)n;
        return 0;
    }
    return rec_err_set(err, "\"%.*s\": is none of last=N, daily=N, weekly=N, monthly=N, yearly=N", (int)(len < 100 ? len : 100), text);
}

int rec_retention_parse(struct rec_retention *out, const char *text, struct rec_err *err)
{
    *out = (struct rec_retention){0};
    for (;;) {
        size_t len = strcspn(text, ",");
        if (parse_one(out, text, len, err) < 0)
            return -1;
        if (text[len] == '\0')
            return 0;
        text += len + 1;
    }
}

/* ---- choosing ---- */

struct at {
    int64_t created;
    size_t i;
};

static int newest_first(const void *a, const void *b)
{
    const struct at *x = a, *y = b;

    if (x->created != y->created)
        return x->created < y->created ? 1 : -1;
    return (x->i > y->i) - (x->i < y->i);
}

/* The next archive that is the newest of its period, from order[*from] on. */
static bool next_period(size_t *from, const struct at *order, size_t n, period_fn *period)
{
    size_t i = *from;

    if (i > 0 && period)
        while (i < n && period(order[i].created) == period(order[i - 1].created))
            i++;
    *from = i;
    return i < n;
}

void rec_retention_choose(bool *keep, const int64_t *created, size_t n, const struct rec_retention *retention)
{
    struct at *order = rec_calloc(n, sizeof *order, "archives", NULL);

    for (size_t i = 0; i < n; i++)
        keep[i] = !order; /* without memory to choose, nothing goes */
    if (!order || n == 0) {
        free(order);
        return;
    }
    for (size_t i = 0; i < n; i++)
        order[i] = (struct at){created[i], i};
    qsort(order, n, sizeof *order, newest_first);
    keep[order[0].i] = true;
    for (const struct rule *rule = rules; rule < rules + REC_LENGTH(rules); rule++) {
        unsigned left = count_of(retention, rule);
        for (size_t at = 0; left > 0 && next_period(&at, order, n, rule->period); at++, left--)
            keep[order[at].i] = true;
    }
    free(order);
}

/* When, at one archive a day from `created` on, that period has `count` newer ones: the first archive of the last of them is made. It
 *  counts only when `created` is the last of its own period; a day later it is the newest no more. */
static int64_t pushed_out(int64_t created, const struct rule *rule, unsigned count)
{
    int64_t mine, days = 1, most;

    if (!rule->period)
        return created + (int64_t)count * DAY;
    mine = rule->period(created);
    if (rule->period(created + DAY) == mine)
        return created + DAY;
    /* Bisection over days, as periods only grow; a year has at most 366. */
    for (most = (int64_t)count * 366 + 1; days < most;) {
        int64_t middle = days + (most - days) / 2;
        if (rule->period(created + middle * DAY) >= mine + (int64_t)count)
            most = middle;
        else
            days = middle + 1;
    }
    return created + days * DAY;
}

int64_t rec_retention_until(int64_t created, const struct rec_retention *retention)
{
    int64_t until = created + DAY;

    for (const struct rule *rule = rules; rule < rules + REC_LENGTH(rules); rule++) {
        unsigned count = count_of(retention, rule);
        int64_t at = count ? pushed_out(created, rule, count) : 0;
        if (count && at > until)
            until = at;
    }
    return until;
}

/* ---- a directory ---- */

struct found {
    char *name;
    int64_t created;
    bool keep;
};
struct list {
    struct found *item;
    size_t n, cap;
};

static bool has_suffix(const char *name)
{
    size_t n = strlen(name), m = strlen(REC_BACKUP_SUFFIX);
    return n > m && name[0] != '.' && !strcmp(name + n - m, REC_BACKUP_SUFFIX);
}

/* Whether it is an archive of that store, by its first line. What cannot be read is not ours to judge, and stays. */
static bool is_ours(int dir, const char *name, const char *store_id, int64_t *created)
{
    struct rec_archive_head head;
    struct stat st;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = -1;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = pread(fd, head.line, sizeof head.line, 0);
    close(fd);
    if (n <= 0)
        return false;
    char text[sizeof head.line];
    memcpy(text, head.line, (size_t)n);
    if (rec_archive_parse(&head, name, text, (size_t)n, NULL) < 0 || strcmp(head.store, store_id) != 0)
        return false;
    *created = head.created;
    return true;
}

static int add_found(struct list *list, const char *name, int64_t created, struct rec_err *err)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        if (rec_realloc(&list->item, cap, sizeof *list->item, "archives", err) < 0)
            return -1;
        list->cap = cap;
    }
    list->item[list->n] = (struct found){strdup(name), created, true};
    if (!list->item[list->n].name)
        return rec_err_memory(err, "archives");
    list->n++;
    return 0;
}

static int read_list(struct list *list, DIR *dir, const char *directory, const char *store_id, struct rec_err *err)
{
    for (;;) {
        int64_t created;
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            return errno ? rec_err_errno(err, "%s", directory) : 0;
        if (has_suffix(entry->d_name) && is_ours(dirfd(dir), entry->d_name, store_id, &created) &&
            add_found(list, entry->d_name, created, err) < 0)
            return -1;
    }
}

static int found_order(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->created != y->created)
        return x->created < y->created ? 1 : -1;
    return strcmp(y->name, x->name);
}

static int choose(struct list *list, const struct rec_retention *retention, struct rec_err *err)
{
    int64_t *created = rec_calloc(list->n, sizeof *created, "archives", err);
    bool *keep = rec_calloc(list->n, sizeof *keep, "archives", err);
    int status = created && keep ? 0 : -1;

    if (list->n)
        qsort(list->item, list->n, sizeof *list->item, found_order);
    for (size_t i = 0; status == 0 && i < list->n; i++)
        created[i] = list->item[i].created;
    if (status == 0)
        rec_retention_choose(keep, created, list->n, retention);
    for (size_t i = 0; status == 0 && i < list->n; i++)
        list->item[i].keep = keep[i];
    free(created);
    free(keep);
    return status;
}

int rec_retention_apply(const char *directory, const char *store_id, const struct rec_retention *retention, bool dry,
                        void (*each)(void *context, const char *name, int64_t created, bool kept), void *context, struct rec_err *err)
{
    DIR *dir = opendir(directory);
    struct list list = {0};
    int status = -1;

    if (!dir)
        return rec_err_errno(err, "%s", directory);
    if (read_list(&list, dir, directory, store_id, err) < 0 || choose(&list, retention, err) < 0)
        goto out;
    status = 0;
    for (size_t i = 0; i < list.n; i++) {
        struct found *f = &list.item[i];
        if (!f->keep && !dry && unlinkat(dirfd(dir), f->name, 0) < 0 && errno != ENOENT) {
            status = rec_err_errno(err, "%s/%s", directory, f->name);
            f->keep = true;
        }
        if (each)
            each(context, f->name, f->created, f->keep);
    }
    (void)fsync(dirfd(dir));
out:
    for (size_t i = 0; i < list.n; i++)
        free(list.item[i].name);
    free(list.item);
    closedir(dir);
    return status;
}
