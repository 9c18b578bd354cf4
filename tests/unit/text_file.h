/* SPDX-License-Identifier: MIT
 *
 * A text as a file that rec_gzip_open can map, or as a pipe.
 */
#ifndef TEST_TEXT_FILE_H
#define TEST_TEXT_FILE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <rec/ingest.h>

#include <sys/mman.h>
#include <unistd.h>

struct text_file {
    int fd;
    char path[64];
};

static inline struct text_file text_file(const char *text, size_t len)
{
    struct text_file file = {.fd = memfd_create("text", 0)};

    assert_true(file.fd >= 0);
    for (size_t at = 0; at < len;) {
        ssize_t n = write(file.fd, text + at, len - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

#endif
