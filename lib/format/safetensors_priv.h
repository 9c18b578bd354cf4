/* SPDX-License-Identifier: MIT
 *
 * What reading and writing safetensors files share.
 */
#ifndef REC_SAFETENSORS_PRIV_H
#define REC_SAFETENSORS_PRIV_H

#include <rec/format.h>

#define REC_SAFETENSORS_HEADER_MAX (16 << 20)

/** The name of a type of ours and the size of its elements; NULL for REC_DTYPE_OTHER, with size left alone. */
const char *rec_safetensors_header_type(enum rec_dtype dtype, size_t *size);
/** Reads the JSON of file->header_bytes at byte 8: fills tensor, meta (sorted by key) and texts, also when it fails. A tensor's data is its first offset, and its
 *  bytes are what its shape says; where they lie is not yet looked at. */
int rec_safetensors_header_read(struct rec_safetensors *file, struct rec_err *err);

/** Where in the JSON text the 8 digits of header_crc32c are; 0 when they are not there. */
size_t rec_safetensors_priv_digits(const char *text, size_t len);

#endif
