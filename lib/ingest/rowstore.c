/* SPDX-License-Identifier: MIT
 *
 * Memory for the rows of a piece: mapped, on large pages where the system has them, and grown by moving pages, not bytes.
 */
#include "ingest_priv.h"

#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, ROW_SLACK = 64 };

/* Pages that appear when they are touched, large ones where the system has them. */
static void *map_rows(size_t *size)
{
    size_t want;
    char *p;

    if (rec_size_add(&want, *size, 2 * HUGE_PAGE) < 0)
        return NULL;
    *size = want = want / HUGE_PAGE * HUGE_PAGE;
    p = mmap(NULL, want + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (before)
        munmap(p, before);
    munmap(p + before + want, HUGE_PAGE - before);
    (void)madvise(p + before, want, MADV_HUGEPAGE);
    return p + before;
}

/* Moves the rows to a mapping for `rows` rows, by moving pages. */
static int grow_rows(struct piece *p, size_t rows)
{
    size_t size;
    char *to;

    if (rows > UINT32_MAX || rec_size_mul(&size, rows + ROW_SLACK, p->layout.size) < 0 || !(to = map_rows(&size)))
        return -1;
    if (p->rows && mremap(p->rows, p->mapped, p->mapped, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
        munmap(to, size);
        return -1;
    }
    p->rows = to;
    p->mapped = size;
    p->room = size / p->layout.size - ROW_SLACK;
    return 0;
}

int rec_rowstore_room(struct piece *p, size_t more)
{
    if (p->room - p->n < more && grow_rows(p, p->room + p->room / 2 + more) < 0)
        return -1;
    if (p->cap_runs - p->n_runs < more) {
        size_t cap = p->cap_runs * 2 + more;
        if (rec_realloc(&p->run, cap, sizeof *p->run, "rows", NULL) < 0)
            return -1;
        p->cap_runs = cap;
    }
    return 0;
}

int rec_rowstore_widen(struct piece *p)
{
    struct row_layout old = p->layout;
    size_t size = (p->room + ROW_SLACK) * (old.size + 4);
    char *to = map_rows(&size);

    if (!to)
        return -1;
    p->layout.wide = true;
    p->layout.size += 4;
    for (size_t i = 0; i < p->n; i++) {
        uint32_t narrow;
        memcpy(&narrow, p->rows + i * old.size + old.time, sizeof narrow);
        int64_t time = narrow;
        memcpy(to + i * p->layout.size, p->rows + i * old.size, old.time);
        memcpy(to + i * p->layout.size + old.time, &time, sizeof time);
    }
    munmap(p->rows, p->mapped);
    p->rows = to;
    p->mapped = size;
    return 0;
}

int rec_rowstore_start(struct piece *p, size_t rows, struct rec_err *err)
{
    const int *column = p->detect->column;

    p->layout.size = 4;
    if (column[REC_DETECT_RATING] >= 0) {
        p->layout.value = p->layout.size;
        p->layout.size += 4;
    }
    if (column[REC_DETECT_TIME] >= 0) {
        p->layout.time = p->layout.size;
        p->layout.size += 4;
    }
    p->user = ID_NONE;
    if (rec_idtable_start(&p->users) < 0 || rec_idtable_start(&p->items) < 0 || grow_rows(p, rows) < 0)
        return rec_err_memory(err, p->csv.name);
    return 0;
}

void rec_rowstore_clear(struct piece *p)
{
    if (p->rows)
        munmap(p->rows, p->mapped);
    rec_idtable_clear(&p->users);
    rec_idtable_clear(&p->items);
    free(p->run);
    for (size_t i = 0; i < p->n_bad; i++)
        free(p->bad[i].record);
    free(p->bad);
    rec_csv_close(&p->csv);
    *p = (struct piece){0};
}
