/* SPDX-License-Identifier: MIT
 *
 * A disk that fails: each read, write, sync or lock of SQLite's in turn, by a file system between SQLite and the true one
 * (https://www.sqlite.org/vfs.html). A write that fails has written its first half.
 */
#include "sweep.h"

enum { READS = 1, WRITES = 2, SYNCS = 4, LOCKS = 8 };

static unsigned bad;             /* what may fail */
static int code;                 /* what a failed write says */
static sqlite3_vfs *real;

struct file {
    sqlite3_file base;
    sqlite3_file *real;          /* right behind it */
};

#define REAL(f) (((struct file *)(f))->real)
#define CALL(f, method, ...) REAL(f)->pMethods->method(REAL(f), __VA_ARGS__)

static bool breaks(unsigned kind)
{
    return (bad & kind) && fails();
}

static int close_file(sqlite3_file *f)
{
    return REAL(f)->pMethods->xClose(REAL(f));
}

static int read_file(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    return breaks(READS) ? SQLITE_IOERR_READ : CALL(f, xRead, out, n, at);
}

static int write_file(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
    if (!breaks(WRITES))
        return CALL(f, xWrite, bytes, n, at);
    if (n > 1)
        (void)CALL(f, xWrite, bytes, n / 2, at);
    return code;
}

static int truncate_file(sqlite3_file *f, sqlite3_int64 size)
{
    return breaks(WRITES) ? SQLITE_IOERR_TRUNCATE : CALL(f, xTruncate, size);
}

static int sync_file(sqlite3_file *f, int flags)
{
    return breaks(SYNCS) ? SQLITE_IOERR_FSYNC : CALL(f, xSync, flags);
}

static int size_of_file(sqlite3_file *f, sqlite3_int64 *size)
{
    return breaks(READS) ? SQLITE_IOERR_FSTAT : CALL(f, xFileSize, size);
}

static int lock_file(sqlite3_file *f, int level)
{
    return breaks(LOCKS) ? SQLITE_IOERR_LOCK : CALL(f, xLock, level);
}

static int unlock_file(sqlite3_file *f, int level)
{
    return CALL(f, xUnlock, level);
}

static int check_lock(sqlite3_file *f, int *out)
{
    return CALL(f, xCheckReservedLock, out);
}

static int control_file(sqlite3_file *f, int op, void *arg)
{
    return CALL(f, xFileControl, op, arg);
}

static int sector(sqlite3_file *f)
{
    return REAL(f)->pMethods->xSectorSize(REAL(f));
}

static int characteristics(sqlite3_file *f)
{
    return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}

static int shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return breaks(WRITES) ? SQLITE_IOERR_SHMSIZE : CALL(f, xShmMap, page, size, extend, out);
}

static int shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    /* To give back a lock always succeeds. */
    return (flags & SQLITE_SHM_LOCK) && breaks(LOCKS) ? SQLITE_IOERR_SHMLOCK : CALL(f, xShmLock, offset, n, flags);
}

static void shm_barrier(sqlite3_file *f)
{
    REAL(f)->pMethods->xShmBarrier(REAL(f));
}

static int shm_unmap(sqlite3_file *f, int remove)
{
    return CALL(f, xShmUnmap, remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, .xClose = close_file, .xRead = read_file, .xWrite = write_file, .xTruncate = truncate_file, .xSync = sync_file,
    .xFileSize = size_of_file, .xLock = lock_file, .xUnlock = unlock_file, .xCheckReservedLock = check_lock, .xFileControl = control_file,
    .xSectorSize = sector, .xDeviceCharacteristics = characteristics, .xShmMap = shm_map, .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier, .xShmUnmap = shm_unmap,
};

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
    struct file *mine = (struct file *)f;
    int rc;

    (void)vfs;
    mine->base.pMethods = NULL;
    mine->real = (sqlite3_file *)(mine + 1);
    if (breaks(WRITES))
        return SQLITE_CANTOPEN;
    rc = real->xOpen(real, name, mine->real, flags, out);
    if (rc == SQLITE_OK)
        mine->base.pMethods = &methods;
    return rc;
}

static int install(void)
{
    static sqlite3_vfs mine;

    real = sqlite3_vfs_find(NULL);
    if (!real)
        return -1;
    mine = *real;
    mine.zName = "failing";
    mine.pNext = NULL;
    mine.szOsFile = (int)sizeof(struct file) + real->szOsFile;
    mine.xOpen = open_file;
    return sqlite3_vfs_register(&mine, 1) == SQLITE_OK ? 0 : -1;
}

/* ---- the cases ----------------------------------------------------------------------------------- */

static void of_kind(unsigned kind, int says)
{
    bad = kind;
    code = says;
    sweep(false);
    sweep(true);
}

static void a_full_disk(void **state)
{
    (void)state;
    of_kind(WRITES, SQLITE_FULL);
}

static void writes_that_fail(void **state)
{
    (void)state;
    of_kind(WRITES | SYNCS, SQLITE_IOERR_WRITE);
}

static void syncs_that_fail(void **state)
{
    (void)state;
    of_kind(SYNCS, SQLITE_OK);
}

static void reads_that_fail(void **state)
{
    (void)state;
    of_kind(READS, SQLITE_OK);
}

static void locks_that_fail(void **state)
{
    (void)state;
    of_kind(LOCKS, SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(writes_that_fail),
        cmocka_unit_test(syncs_that_fail),
        cmocka_unit_test(reads_that_fail),
        cmocka_unit_test(locks_that_fail),
    };

    if (install() < 0)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
