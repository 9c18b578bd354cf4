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
enum { BACKUP_BLOCK = 256 * 1024 };

/** "2026-11-23T21:00:00Z". */
void rec_archive_time(char out[BACKUP_TIME], int64_t seconds);

#endif
