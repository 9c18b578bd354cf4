/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.
 */
#ifndef REC_BACKUP_PRIV_H
#define REC_BACKUP_PRIV_H

#include <rec/backup.h>

#define BACKUP_DATABASE "database/"
#define BACKUP_FILES "files/"
#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_TIME 32
enum { BACKUP_BLOCK = 256 * 1024, BACKUP_PART_LONGEST = 64 << 20 };

/** "2026-11-23T21:00:00Z". */
void rec_archive_time(char out[BACKUP_TIME], int64_t seconds);
/** What the manifest says, once it was read; files are counted by the caller. */
void rec_backup_report(struct rec_backup_report *report, const struct rec_archive_reader *r);
/** Whether a link with that target, `depth` directories below the top, leads to somewhere below the top: relative, and up by no more
 *  than its depth, at the beginning only (further on a component might be a link itself). */
bool rec_collect_link_stays(const char *target, size_t depth);

#endif
