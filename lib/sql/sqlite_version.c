/* SPDX-License-Identifier: MIT
 *
 * Whether anything was committed since, without a transaction: by the header of the index of the write-ahead log, which all processes that have
 * the database open map, and every commit writes anew (https://sqlite.org/walformat.html, section 2.3). It holds a counter of commits, the length of the
 * log, its salts, and the running checksum of its last frame. A reader of SQLite's begins by the same look: when the header is the one that it knows,
 * so is what it will read.
 *
 * The memory is asked of SQLite's own VFS (sqlite3_io_methods.xShmMap): another descriptor of that file must not be opened, as closing it would let go
 * of all locks of this process. It stays mapped as long as the connection is open.
 */
#include "sqlite_priv.h"

#include <stdatomic.h>

/* The first block of the index, and the version of its format, which stands at its beginning. */
enum { BLOCK = 32768, FORMAT = 3007000 };

enum { WORDS = sizeof(struct rec_sql_version) / sizeof(uint64_t) };
_Static_assert(WORDS * sizeof(uint64_t) == 48, "a header is 48 bytes");

static const _Atomic uint64_t *find(struct rec_sqlite *s)
{
    sqlite3_file *file = NULL;
    void volatile *block = NULL;

    if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file || !file->pMethods || file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap(file, 0, BLOCK, 0, &block) != SQLITE_OK)
        return NULL;
    return (const _Atomic uint64_t *)(uintptr_t)block;
}

/* There are two copies, written one after the other: where they differ, somebody is at it. */
bool rec_sqlite_version(struct rec_sql_version *out, struct rec_sql *db)
{
    struct rec_sqlite *s = db->handle;
    bool same = true;

    if (db->in_transaction || db->read_only)
        return false;
    if (!s->index)
        s->index = find(s);
    if (!s->index)
        return false;
    for (size_t i = 0; i < WORDS; i++)
        out->word[i] = atomic_load_explicit(&s->index[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    for (size_t i = 0; i < WORDS; i++)
        same &= out->word[i] == atomic_load_explicit(&s->index[WORDS + i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    uint32_t format;
    memcpy(&format, out->word, sizeof format);
    return same && format == FORMAT;
}
