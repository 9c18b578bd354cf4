/* SPDX-License-Identifier: MIT
 *
 * Which archives are kept: made-up histories against the rule told plainly, and what is done in a directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/backup.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAY = 86400, YEARS = 3 * 365 + 40 };

static struct rec_err err;

/* 2021-01-01, a Friday, at 02:30. */
#define START (rec_date_from_civil(2021, 1, 1) + 9000)

static struct rec_retention parsed(const char *text)
{
    struct rec_retention r;
    assert_int_equal(rec_retention_parse(&r, text, &err), 0);
    return r;
}

static void parses(void **state)
{
    static const char *const bad[] = {"", "daily", "daily=", "daily=0", "daily=-1", "daily=1,", "daily=1,daily=2", "hourly=3", "daily=1.5", "daily=9999999",
                                      "daily=1 weekly=2"};
    struct rec_retention r = parsed("daily=7,weekly=4,monthly=12,yearly=2,last=3");

    (void)state;
    assert_int_equal(r.daily, 7);
    assert_int_equal(r.weekly, 4);
    assert_int_equal(r.monthly, 12);
    assert_int_equal(r.yearly, 2);
    assert_int_equal(r.last, 3);
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        err = (struct rec_err){0};
        assert_int_equal(rec_retention_parse(&r, bad[i], &err), -1);
        assert_true(strlen(err.text) > 5);
    }
}

/* The period as text, by another way than ours: strftime's. */
static void label(char out[32], char period, int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    size_t n;

    assert_non_null(gmtime_r(&t, &tm));
    n = period == 'd' ? strftime(out, 32, "%Y-%m-%d", &tm) : period == 'w' ? strftime(out, 32, "%G-W%V", &tm)
        : period == 'm' ? strftime(out, 32, "%Y-%m", &tm) : strftime(out, 32, "%Y", &tm);
    assert_true(n > 0);
}

/* The newest `count` labels keep their newest archive. created[] is ascending. */
static void keep_by(bool *keep, const int64_t *created, size_t n, char period, unsigned count)
{
    char last[32] = "", now[32];

    for (size_t i = n; i-- > 0 && count > 0;) {
        label(now, period, created[i]);
        if (strcmp(now, last) != 0) {
            keep[i] = true;
            count--;
        }
        memcpy(last, now, sizeof last);
    }
}

static void chooses_as_the_calendar_says(void **state)
{
    static const char *const texts[] = {"daily=7,weekly=4,monthly=12,yearly=2,last=3", "daily=7,weekly=4", "yearly=10", "last=1", "weekly=60", "monthly=5,daily=1"};
    struct rec_rng rng;

    (void)state;
    rec_rng_seed(&rng, 7, 0);
    for (size_t k = 0; k < 60; k++) {
        struct rec_retention r = parsed(texts[k % REC_LENGTH(texts)]);
        int64_t created[YEARS], shuffled[YEARS];
        size_t n = 0, place[YEARS];
        bool keep[YEARS], expected[YEARS] = {false};
        /* Daily, but for days without any and days with two. */
        for (int64_t day = 0; day < YEARS - (int64_t)(k * 3) && n < YEARS; day++)
            if (k < 6 || rec_rng_below(&rng, 4) > 0)
                created[n++] = START + day * DAY + (k < 6 ? 0 : (int64_t)rec_rng_below(&rng, DAY / 2));
        keep_by(expected, created, n, 'd', r.daily);
        keep_by(expected, created, n, 'w', r.weekly);
        keep_by(expected, created, n, 'm', r.monthly);
        keep_by(expected, created, n, 'y', r.yearly);
        for (size_t i = n, left = r.last; i-- > 0 && left-- > 0;)
            expected[i] = true;
        for (size_t i = 0; i < n; i++)
            place[i] = i;
        for (size_t i = n; i-- > 1;) {
            size_t j = rec_rng_below(&rng, i + 1), t = place[i];
            place[i] = place[j];
            place[j] = t;
        }
        for (size_t i = 0; i < n; i++)
            shuffled[i] = created[place[i]];
        rec_retention_choose(keep, shuffled, n, &r);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(keep[i], expected[place[i]]);
    }
}

static void keeps_one_at_least(void **state)
{
    const int64_t created[] = {5, 100 * DAY, -3 * DAY};
    struct rec_retention none = {0};
    bool keep[3];

    (void)state;
    rec_retention_choose(keep, created, 3, &none);
    assert_true(!keep[0] && keep[1] && !keep[2]);
    rec_retention_choose(keep, created, 0, &none);
}

/* Lets the days go by: an archive a day, and what is not kept is gone. until() must say when each one went. */
static void says_until_when(void **state)
{
    static const char *const texts[] = {"daily=7,weekly=4,monthly=3", "daily=3", "weekly=5", "monthly=14", "yearly=1,last=2", "last=10,monthly=2"};

    (void)state;
    for (size_t k = 0; k < REC_LENGTH(texts); k++) {
        struct rec_retention r = parsed(texts[k]);
        int64_t there[YEARS];
        bool keep[YEARS];
        size_t n = 0;
        for (int64_t day = 0; day < YEARS; day++) {
            int64_t now = START + day * DAY;
            there[n++] = now;
            rec_retention_choose(keep, there, n, &r);
            size_t kept = 0;
            for (size_t i = 0; i < n; i++) {
                if (keep[i]) {
                    assert_true(there[i] == now || rec_retention_until(there[i], &r) > now);
                    there[kept++] = there[i];
                } else {
                    assert_int_equal(rec_retention_until(there[i], &r), now);
                }
            }
            n = kept;
        }
    }
}

/* ---- a directory ---- */

static const char store[] = "0123456789abcdef0123456789abcdef", other[] = "0123456789abcdef0123456789abcdee";

static void make(const char *dir, const char *name, const char *id, int64_t created, const char *instead)
{
    struct rec_archive_head head = {.key = 1, .created = created};
    char path[256];

    memcpy(head.store, id, sizeof head.store);
    rec_archive_print(&head);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(instead ? instead : head.line, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool there(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

struct seen {
    size_t kept, dropped;
    int64_t last;
};

static void see(void *context, const char *name, int64_t created, bool kept)
{
    struct seen *seen = context;

    assert_true(strlen(name) > strlen(REC_BACKUP_SUFFIX));
    assert_true(seen->last == 0 || created <= seen->last);
    seen->last = created;
    *(kept ? &seen->kept : &seen->dropped) += 1;
}

static void deletes_its_own_alone(void **state)
{
    struct rec_retention r = parsed("daily=2");
    struct seen seen = {0};
    char dir[] = "/tmp/rec-test-retention-XXXXXX", path[256];

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "day%d" REC_BACKUP_SUFFIX, i);
        make(dir, name, store, START + i * DAY, NULL);
    }
    make(dir, "foreign" REC_BACKUP_SUFFIX, other, START - 50 * DAY, NULL);
    make(dir, "broken" REC_BACKUP_SUFFIX, store, 0, "rec.backup/1 nonsense\n");
    make(dir, "empty" REC_BACKUP_SUFFIX, store, 0, "");
    make(dir, "newer" REC_BACKUP_SUFFIX, store, 0, "rec.backup/2 0123456789abcdef0123456789abcdef 1 2021-01-01T00:00:00Z\n");
    make(dir, "other.txt", store, START - 60 * DAY, NULL);
    make(dir, ".hidden" REC_BACKUP_SUFFIX, store, START - 60 * DAY, NULL);
    snprintf(path, sizeof path, "%s/link" REC_BACKUP_SUFFIX, dir);
    assert_int_equal(symlink("day0" REC_BACKUP_SUFFIX, path), 0);

    assert_int_equal(rec_retention_apply(dir, store, &r, true, see, &seen, &err), 0);
    assert_int_equal(seen.kept, 2);
    assert_int_equal(seen.dropped, 3);
    assert_true(there(dir, "day0" REC_BACKUP_SUFFIX));
    seen = (struct seen){0};
    assert_int_equal(rec_retention_apply(dir, store, &r, false, see, &seen, &err), 0);
    assert_int_equal(seen.dropped, 3);
    assert_false(there(dir, "day0" REC_BACKUP_SUFFIX) || there(dir, "day1" REC_BACKUP_SUFFIX) || there(dir, "day2" REC_BACKUP_SUFFIX));
    static const char *const stay[] = {"day3" REC_BACKUP_SUFFIX, "day4" REC_BACKUP_SUFFIX, "foreign" REC_BACKUP_SUFFIX, "broken" REC_BACKUP_SUFFIX,
                                       "empty" REC_BACKUP_SUFFIX, "newer" REC_BACKUP_SUFFIX, "other.txt", ".hidden" REC_BACKUP_SUFFIX};
    for (size_t i = 0; i < REC_LENGTH(stay); i++) {
        assert_true(there(dir, stay[i]));
        snprintf(path, sizeof path, "%s/%s", dir, stay[i]);
        assert_int_equal(unlink(path), 0);
    }
    snprintf(path, sizeof path, "%s/link" REC_BACKUP_SUFFIX, dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(rec_retention_apply(dir, store, &r, false, see, &seen, &err), -1);
    assert_true(strstr(err.text, dir) == err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(chooses_as_the_calendar_says),
        cmocka_unit_test(keeps_one_at_least),
        cmocka_unit_test(says_until_when),
        cmocka_unit_test(deletes_its_own_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
