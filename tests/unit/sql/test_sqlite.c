/* SPDX-License-Identifier: MIT
 *
 * What is SQLite's alone: paths, the file and its modes, settings, files that are absent, foreign, damaged or may not be written, full disks,
 * processes that open a new file at once, one that is killed. What both databases do alike is in test_sql.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <rec/sql.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, NULL};
static char folder[] = "/tmp/rec-test-sqlite.XXXXXX";
static struct rec_err err;

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static size_t at;

    at = (at + 1) % REC_LENGTH(path);
    snprintf(path[at], sizeof path[at], "%s/%s", folder, name);
    return path[at];
}

static void ok(int status)
{
    if (status < 0)
        fail_msg("%s", err.text);
}

static struct rec_sql *open_as(const char *path, struct rec_sql_options options)
{
    struct rec_sql *db = NULL;

    options.drivers = drivers;
    ok(rec_sql_open(&db, path, &options, &err));
    return db;
}

static struct rec_sql *make(const char *path)
{
    return open_as(path, (struct rec_sql_options){.create = true});
}

static void refused_as(const char *url, struct rec_sql_options options, enum rec_sql_fault fault, const char *saying)
{
    struct rec_sql *db = NULL;

    options.drivers = drivers;
    assert_int_equal(rec_sql_open(&db, url, &options, &err), -1);
    assert_null(db);
    if (rec_sql_open_fault() != fault || !strstr(err.text, saying))
        fail_msg("fault %d, not %d with \"%s\": %s", rec_sql_open_fault(), fault, saying, err.text);
    assert_null(strchr(err.text, '\n'));
}

static void refused(const char *url, enum rec_sql_fault fault, const char *saying)
{
    refused_as(url, (struct rec_sql_options){0}, fault, saying);
}

static int64_t get(struct rec_sql *db, const char *sql)
{
    int64_t x;
    int status = rec_sql_get_int(&x, db, sql, REC_SQL_NONE, &err);

    ok(status);
    assert_int_equal(status, 1);
    return x;
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void fill(struct rec_sql *db, int rows)
{
    ok(rec_sql_script(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT)", &err));
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    for (int i = 0; i < rows; i++)
        ok(rec_sql_exec(db, NULL, "INSERT INTO t (word) VALUES ($1)", REC_SQL(rec_sql_text("a word that takes some room in the file")), &err));
    ok(rec_sql_commit(db, &err));
}

/* ---- names --------------------------------------------------------------------------------------- */

static void urls_name_files(void **state)
{
    char url[300];
    struct rec_sql *db;
    (void)state;
    snprintf(url, sizeof url, "sqlite://%s/with%%20blank%%3F.db", folder);
    db = make(url);
    assert_string_equal(rec_sql_path(db), in_folder("with blank?.db"));
    assert_string_equal(rec_sql_name(db), url);
    rec_sql_close(db);
    /* Names that mean something else to SQLite are names of files here. */
    assert_int_equal(chdir(folder), 0);
    rec_sql_close(make("sqlite:relative.db"));
    rec_sql_close(make(":memory:"));
    rec_sql_close(make("file:x.db"));
    rec_sql_close(make("-"));
    assert_int_equal(chdir("/"), 0);
    assert_true(size_of(in_folder("relative.db")) >= 0 && size_of(in_folder(":memory:")) >= 0 && size_of(in_folder("file:x.db")) >= 0);
    refused("", REC_SQL_OTHER, "has no name");
    refused("sqlite:", REC_SQL_OTHER, "names no file");
    refused("sqlite://relative/path", REC_SQL_OTHER, "three slashes");
    refused("sqlite:///a%zz", REC_SQL_OTHER, "hexadecimal");
    refused("sqlite:///a%00b", REC_SQL_OTHER, "hexadecimal");
    refused("sqlite:///a?mode=ro", REC_SQL_OTHER, "options");
    refused("mysql://host/rec", REC_SQL_OTHER, "is no database");
    refused("postgresql://host/rec", REC_SQL_OTHER, "without that kind");
}

static void passwords_are_masked(void **state)
{
    static const char *const urls[][2] = {
        {"postgresql://ann:geheim@host/rec", "postgresql://ann:***@host/rec"},
        {"postgres://ann:ge%40heim@host:5432/rec?a=b", "postgres://ann:***@host:5432/rec?a=b"},
        {"postgresql://ann:ge@heim@host/rec", "postgresql://ann:***@host/rec"},
        {"postgresql://ann:ge/heim@host/rec", "postgresql://ann:***@host/rec"},
        {"postgresql:///rec?user=ann&password=geheim&x=1", "postgresql:///rec?user=ann&password=***&x=1"},
        {"postgresql://host/rec?sslpassword=geheim", "postgresql://host/rec?sslpassword=***"},
        {"mysql://ann:geheim@host/rec", "mysql://ann:***@host/rec"},
    };
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(urls); i++) {
        refused(urls[i][0], REC_SQL_OTHER, urls[i][1]);
        assert_null(strstr(err.text, "heim"));
    }
}

/* ---- the file ------------------------------------------------------------------------------------ */

static void a_file_is_made_only_when_asked(void **state)
{
    const char *path = in_folder("made.db");
    mode_t before = umask(0);
    struct rec_sql *db;
    (void)state;
    refused(path, REC_SQL_ABSENT, "rec-db init");
    refused_as(path, (struct rec_sql_options){.create = true, .read_only = true}, REC_SQL_ABSENT, "no such file");
    refused_as(in_folder("no/folder.db"), (struct rec_sql_options){.create = true}, REC_SQL_ABSENT, "cannot be made");
    refused(folder, REC_SQL_OTHER, "directory");
    refused("/dev/null", REC_SQL_OTHER, "no regular file");
    assert_int_equal(size_of(path), -1);
    db = make(path);
    fill(db, 10);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(mode_of(in_folder("made.db-wal")), 0600);
    assert_int_equal(mode_of(in_folder("made.db-shm")), 0600);
    rec_sql_close(db);
    umask(before);
    db = make(path); /* it is there: opened */
    assert_int_equal(get(db, "SELECT count(*) FROM t"), 10);
    rec_sql_close(db);
}

static void settings_are_the_safe_ones(void **state)
{
    struct rec_sql *db = make(in_folder("settings.db"));
    struct rec_sql_rows rows;
    (void)state;
    assert_int_equal(get(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(get(db, "PRAGMA synchronous"), 2);
    assert_int_equal(get(db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(get(db, "PRAGMA cell_size_check"), 1);
    assert_int_equal(get(db, "PRAGMA secure_delete"), 1);
    ok(rec_sql_query(&rows, db, "PRAGMA journal_mode", REC_SQL_NONE, &err));
    assert_int_equal(rec_sql_next(&rows, &err), 1);
    assert_string_equal(rows.value[0].text, "wal");
    rec_sql_done(&rows);
    /* "a" is a column that is not there, not a text. */
    assert_int_equal(rec_sql_script(db, "SELECT \"a\"", &err), -1);
    rec_sql_close(db);
}

static void one_shot_leaves_the_log(void **state)
{
    const char *path = in_folder("shot.db"), *log = in_folder("shot.db-wal");
    struct rec_sql *db = make(path);
    (void)state;
    fill(db, 10);
    rec_sql_close(db);
    assert_true(size_of(log) <= 0);
    db = open_as(path, (struct rec_sql_options){.one_shot = true});
    ok(rec_sql_script(db, "INSERT INTO t (word) VALUES ('last')", &err));
    rec_sql_close(db);
    assert_true(size_of(log) > 0);
    db = open_as(path, (struct rec_sql_options){.read_only = true});
    assert_int_equal(get(db, "SELECT count(*) FROM t"), 11);
    rec_sql_close(db);
}

/* ---- what is no good ----------------------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static void foreign_and_damaged_files_are_told(void **state)
{
    static const char text[] = "userId,movieId,rating,timestamp\n1,2,3.5,4\n";
    const char *path = in_folder("damaged.db");
    char *junk = malloc(8192);
    struct rec_sql *db;
    int64_t x;
    int fd;
    (void)state;
    write_file(in_folder("ratings.csv"), text, sizeof text - 1);
    refused(in_folder("ratings.csv"), REC_SQL_CORRUPT, "no SQLite database");
    assert_int_equal(size_of(in_folder("ratings.csv")), sizeof text - 1);
    db = make(path);
    fill(db, 5000);
    rec_sql_close(db);
    assert_non_null(junk);
    memset(junk, 0xa5, 8192);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, junk, 8192, 8 * 4096), 8192);
    close(fd);
    db = open_as(path, (struct rec_sql_options){0});
    assert_int_equal(rec_sql_get_int(&x, db, "SELECT sum(length(word)) FROM t", REC_SQL_NONE, &err), -1);
    assert_int_equal(rec_sql_fault(db), REC_SQL_CORRUPT);
    assert_non_null(strstr(err.text, "is damaged"));
    rec_sql_close(db);
    assert_int_equal(truncate(path, 4096 + 100), 0);
    db = NULL;
    if (rec_sql_open(&db, path, &(struct rec_sql_options){.drivers = drivers}, &err) == 0) {
        assert_int_equal(rec_sql_get_int(&x, db, "SELECT sum(length(word)) FROM t", REC_SQL_NONE, &err), -1);
        assert_int_equal(rec_sql_fault(db), REC_SQL_CORRUPT);
        rec_sql_close(db);
    } else {
        assert_int_equal(rec_sql_open_fault(), REC_SQL_CORRUPT);
    }
    free(junk);
}

/* Runs as somebody who is not root and owns nothing here; returns what `work` does. */
static int as_nobody(int (*work)(const char *path), const char *path)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(99);
        _exit(work(path));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int fault_of_open(const char *path)
{
    struct rec_sql *db;
    if (rec_sql_open(&db, path, &(struct rec_sql_options){.drivers = drivers, .create = true}, &err) < 0)
        return (int)rec_sql_open_fault();
    rec_sql_close(db);
    return 0;
}

static int reads_ten(const char *path)
{
    struct rec_sql *db;
    int64_t n = 0;
    if (rec_sql_open(&db, path, &(struct rec_sql_options){.drivers = drivers, .read_only = true}, &err) < 0)
        return 1;
    rec_sql_get_int(&n, db, "SELECT count(*) FROM t", REC_SQL_NONE, &err);
    rec_sql_close(db);
    return n == 10 ? 0 : 2;
}

static void permissions_are_told(void **state)
{
    const char *path = in_folder("mode.db");
    struct rec_sql *db = make(path);
    (void)state;
    fill(db, 10);
    rec_sql_close(db);
    /* A file that others may read, where they may write nothing. */
    assert_int_equal(chmod(folder, 0555), 0);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(as_nobody(fault_of_open, path), REC_SQL_READONLY);
    assert_int_equal(as_nobody(fault_of_open, in_folder("new.db")), REC_SQL_DENIED);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(as_nobody(fault_of_open, path), REC_SQL_DENIED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(reads_ten(path), 0);
}

static void a_full_disk_is_told(void **state)
{
    const char *path = in_folder("full.db");
    struct rec_sql *db = make(path);
    struct rlimit before, small = {.rlim_cur = 300000};
    int status = 0;
    (void)state;
    fill(db, 1000);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    for (int i = 0; status == 0 && i < 200000; i++)
        status = rec_sql_exec(db, NULL, "INSERT INTO t (word) VALUES ($1)", REC_SQL(rec_sql_text("a word that takes some room in the file")), &err);
    if (status == 0)
        status = rec_sql_commit(db, &err);
    assert_int_equal(status, -1);
    assert_int_equal(rec_sql_fault(db), REC_SQL_FULL);
    assert_non_null(strstr(err.text, "no space left"));
    rec_sql_rollback(db);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(get(db, "SELECT count(*) FROM t"), 1000);
    ok(rec_sql_script(db, "INSERT INTO t (word) VALUES ('there is room again')", &err));
    /* The same, said by SQLite itself. */
    ok(rec_sql_script(db, "PRAGMA max_page_count = 1", &err));
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    assert_int_equal(rec_sql_script(db, "CREATE TABLE u (x); INSERT INTO u VALUES (zeroblob(1000000))", &err), -1);
    assert_int_equal(rec_sql_fault(db), REC_SQL_FULL);
    rec_sql_close(db);
}

/* ---- processes ----------------------------------------------------------------------------------- */

static void one_more(const char *path, int times)
{
    struct rec_sql *db;
    int status = rec_sql_open(&db, path, &(struct rec_sql_options){.drivers = drivers, .create = true, .busy_timeout = 60}, &err);

    if (status == 0)
        status = rec_sql_script(db, "CREATE TABLE IF NOT EXISTS counts (n INTEGER NOT NULL)", &err);
    for (int i = 0; status == 0 && i < times; i++)
        status = rec_sql_exec(db, NULL, "INSERT INTO counts VALUES (1)", REC_SQL_NONE, &err);
    if (status < 0)
        fprintf(stderr, "%s\n", err.text);
    _exit(status < 0);
}

static void many_open_a_new_file_at_once(void **state)
{
    enum { MANY = 8, TIMES = 10, ROUNDS = 5 };
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pids[MANY];
        char name[32];
        int status;
        snprintf(name, sizeof name, "new%d.db", round);
        for (int i = 0; i < MANY; i++)
            if ((pids[i] = fork()) == 0)
                one_more(in_folder(name), TIMES);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        struct rec_sql *db = make(in_folder(name));
        assert_int_equal(get(db, "SELECT count(*) FROM counts"), MANY * TIMES);
        rec_sql_close(db);
    }
}

/* Each transaction adds two rows and tells of its commit through a pipe; what was told of is there after the kill, and no half. */
static void what_was_committed_outlives_a_kill(void **state)
{
    const char *path = in_folder("killed.db");
    (void)state;
    rec_sql_close(make(path));
    for (int round = 0; round < 10; round++) {
        int ends[2], status;
        int64_t told = 0, x, had;
        struct rec_sql *db = make(path);
        ok(rec_sql_script(db, "CREATE TABLE IF NOT EXISTS pairs (id INTEGER PRIMARY KEY, n INTEGER)", &err));
        had = get(db, "SELECT count(*) FROM pairs");
        rec_sql_close(db);
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            db = make(path);
            for (x = 1;; x++)
                if (rec_sql_begin(db, REC_SQL_WRITE, &err) < 0 ||
                    rec_sql_exec(db, NULL, "INSERT INTO pairs (n) VALUES ($1)", REC_SQL(rec_sql_int(x)), &err) < 0 ||
                    rec_sql_exec(db, NULL, "INSERT INTO pairs (n) VALUES (-$1)", REC_SQL(rec_sql_int(x)), &err) < 0 ||
                    rec_sql_commit(db, &err) < 0 || write(ends[1], &x, sizeof x) != sizeof x)
                    _exit(1);
        }
        close(ends[1]);
        usleep(5000 + (useconds_t)round * 3331);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        while (read(ends[0], &x, sizeof x) == sizeof x)
            told = x;
        close(ends[0]);
        db = make(path);
        x = get(db, "SELECT count(*) FROM pairs") - had;
        assert_true(x % 2 == 0 && (x == 2 * told || x == 2 * told + 2));
        assert_int_equal(get(db, "SELECT coalesce(sum(n), 0) FROM pairs"), 0);
        rec_sql_close(db);
    }
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_it(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static void exec(struct rec_sql *db, const char *sql)
{
    ok(rec_sql_exec(db, NULL, sql, REC_SQL_NONE, &err));
}

static bool same_version(struct rec_sql_version *was, struct rec_sql *db)
{
    struct rec_sql_version now;
    bool same;

    assert_true(rec_sql_version(&now, db));
    same = memcmp(&now, was, sizeof now) == 0;
    *was = now;
    return same;
}

/* A child of its own commits: a process that has the file open for the first time. */
static void commit_elsewhere(const char *path)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        char statement[] = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('INSERT INTO t VALUES (7)'); db.commit()";

        execlp("python3", "python3", "-c", statement, path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Another one after every commit, whoever made it, and none without. */
static void the_version_is_that_of_the_last_commit(void **state)
{
    const char *path = in_folder("version.db");
    struct rec_sql *db, *other, *reader;
    struct rec_sql_version version, ignored;
    int64_t n;

    (void)state;
    db = make(path);
    other = make(path);
    exec(db, "CREATE TABLE t (x INTEGER)");
    (void)same_version(&version, db);
    for (int i = 0; i < 3; i++) {
        ok(rec_sql_get_int(&n, other, "SELECT count(*) FROM t", REC_SQL_NONE, &err));
        assert_true(same_version(&version, db));
        assert_true(same_version(&version, other));
    }
    for (int i = 0; i < 300; i++) {
        exec(i % 2 ? db : other, "INSERT INTO t VALUES (1)");
        assert_false(same_version(&version, i % 3 ? db : other));
        assert_true(same_version(&version, i % 3 ? other : db));
    }
    /* Not for what is not committed, and not for one who is within a transaction. */
    ok(rec_sql_begin(other, REC_SQL_WRITE, &err));
    exec(other, "INSERT INTO t VALUES (2)");
    assert_true(same_version(&version, db));
    assert_false(rec_sql_version(&ignored, other));
    rec_sql_rollback(other);
    assert_true(same_version(&version, other));
    ok(rec_sql_begin(other, REC_SQL_WRITE, &err));
    exec(other, "INSERT INTO t VALUES (2)");
    ok(rec_sql_commit(other, &err));
    assert_false(same_version(&version, db));
    /* The log begins anew. */
    ok(rec_sql_get_int(&n, other, "PRAGMA wal_checkpoint(RESTART)", REC_SQL_NONE, &err));
    (void)same_version(&version, db);
    exec(other, "UPDATE t SET x = 3");
    assert_false(same_version(&version, db));
    commit_elsewhere(path);
    assert_false(same_version(&version, db));
    ok(rec_sql_get_int(&n, db, "SELECT count(*) FROM t WHERE x = 7", REC_SQL_NONE, &err));
    assert_int_equal(n, 1);
    reader = open_as(path, (struct rec_sql_options){.read_only = true});
    assert_false(rec_sql_version(&ignored, reader));
    rec_sql_close(reader);
    rec_sql_close(other);
    exec(db, "UPDATE t SET x = 4");
    assert_false(same_version(&version, db));
    rec_sql_close(db);
}

/* With no connection of ours open; a moment after the last write. */
static bool look(struct rec_sql_glance *out, const char *path, struct rec_sql *db)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < 10; i++, usleep(15000))
        if (rec_sql_glance(out, path, drivers, db))
            return true;
    return false;
}

/* A process that has the file open until its standard input ends. */
static pid_t hold(int *end, const char *path)
{
    char ready;
    int in[2], out[2];
    pid_t child;

    assert_true(pipe(in) == 0 && pipe(out) == 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char statement[] = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM t').fetchall();"
                           "sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()";

        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        execlp("python3", "python3", "-c", statement, path, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    assert_int_equal(read(out[0], &ready, 1), 1);
    close(out[0]);
    *end = in[1];
    return child;
}

static void a_glance_tells_commits_apart(void **state)
{
    const char *path = in_folder("glance.db"), *name = in_folder("glance-link.db");
    struct rec_sql_glance first, now;
    struct rec_sql *db = make(path);
    char url[300];
    int end, status;
    pid_t child;

    (void)state;
    exec(db, "CREATE TABLE t (x INTEGER)");
    child = hold(&end, path);
    /* With a connection, and without: the same. */
    assert_true(look(&first, path, db));
    assert_false(look(&now, path, NULL)); /* not beside a connection of this process */
    rec_sql_close(db);
    assert_true(look(&now, path, NULL));
    assert_memory_equal(&first, &now, sizeof now);
    snprintf(url, sizeof url, "sqlite://%s%s", path[0] == '/' ? "" : "/", path);
    assert_true(look(&now, url, NULL));
    assert_memory_equal(&first, &now, sizeof now);
    for (int i = 0; i < 5; i++) {
        commit_elsewhere(path);
        assert_true(look(&now, path, NULL));
        assert_memory_not_equal(&first, &now, sizeof now);
        first = now;
        assert_true(look(&now, path, NULL));
        assert_memory_equal(&first, &now, sizeof now);
    }
    /* Nobody tells of what was written a moment ago, of a file with two names, or of one without a log. */
    snprintf(url, sizeof url, "%s-wal", path);
    assert_int_equal(utimensat(AT_FDCWD, url, NULL, 0), 0);
    assert_false(rec_sql_glance(&now, path, drivers, NULL));
    assert_int_equal(symlink(path, name), 0);
    assert_false(look(&now, name, NULL));
    assert_int_equal(unlink(name), 0);
    assert_int_equal(link(path, name), 0);
    assert_false(look(&now, path, NULL));
    assert_int_equal(unlink(name), 0);
    assert_true(look(&now, path, NULL));
    close(end);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(look(&now, path, NULL));
    assert_false(look(&now, in_folder("nothing.db"), NULL));
    assert_false(look(&now, "postgresql://nowhere/x", NULL));
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(folder, remove_it, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_name_files),
        cmocka_unit_test(passwords_are_masked),
        cmocka_unit_test(a_file_is_made_only_when_asked),
        cmocka_unit_test(settings_are_the_safe_ones),
        cmocka_unit_test(one_shot_leaves_the_log),
        cmocka_unit_test(foreign_and_damaged_files_are_told),
        cmocka_unit_test(permissions_are_told),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(many_open_a_new_file_at_once),
        cmocka_unit_test(what_was_committed_outlives_a_kill),
        cmocka_unit_test(the_version_is_that_of_the_last_commit),
        cmocka_unit_test(a_glance_tells_commits_apart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
