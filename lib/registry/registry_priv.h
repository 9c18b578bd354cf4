/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share. Nothing inside a registry is reached by a path: every step is an open descriptor and a name without
 * slashes, and no step follows a link, so that a link that somebody planted leads nowhere.
 */
#ifndef REC_REGISTRY_PRIV_H
#define REC_REGISTRY_PRIV_H

#include <rec/crypto.h>
#include <rec/registry.h>
#include <sys/types.h>

/* ---- folder: a directory, held open -------------------------------------------------------------- */

struct rec_folder {
    int fd;
    char *path;                  /**< for messages */
};
/** A directory of the registry: "versions", "keys", "outbox"; NULL: the registry itself. */
int rec_folder_open(struct rec_folder *folder, const struct rec_registry *registry, const char *name, struct rec_err *err);
/** A directory in another one. */
int rec_folder_enter(struct rec_folder *folder, const struct rec_folder *in, const char *name, struct rec_err *err);
/** Makes one, which must not be there yet, and enters it. */
int rec_folder_make(struct rec_folder *folder, const struct rec_folder *in, const char *name, struct rec_err *err);
/** Safe on a zeroed one (whose fd is 0 and path NULL). */
void rec_folder_close(struct rec_folder *folder);
/** A regular file for reading: a link, a directory, a fifo are refused. @return a descriptor, or -1. */
int rec_folder_file(const struct rec_folder *folder, const char *name, struct rec_err *err);
/** A whole small file. */
#define REC_FOLDER_LONGEST ((size_t)16 << 20)
int rec_folder_get(struct rec_buf *out, const struct rec_folder *folder, const char *name, struct rec_err *err);
/** Writes a file: complete, fsynced and renamed into place, or not at all. */
int rec_folder_put(const struct rec_folder *folder, const char *name, const void *bytes, size_t n, mode_t mode, struct rec_err *err);
/** Whether there is anything of that name. */
bool rec_folder_has(const struct rec_folder *folder, const char *name);
int rec_folder_sync(const struct rec_folder *folder, struct rec_err *err);
/** The names in it, sorted, without "." and "..": texts that end in NUL, and an empty one behind the last. */
int rec_folder_names(struct rec_buf *out, const struct rec_folder *folder, struct rec_err *err);
/** Removes a directory of this one and what is in it; one that is not there is removed already. */
int rec_folder_remove(const struct rec_folder *folder, const char *name, struct rec_err *err);
/** SHA-256 and size of an open file from its beginning. */
int rec_folder_digest(struct rec_registry_file *out, int fd, const struct rec_folder *folder, const char *name, struct rec_err *err);

/* ---- names ---------------------------------------------------------------------------------------- */

#define REC_VERSION_STAGE ".new"         /* versions/.new: one that is being made */
#define REC_VERSION_GONE ".gone"         /* versions/.gone: one that is being removed */

/** 64 hexadecimal digits in lower case. */
bool rec_version_is_digest(const char *text);
/** What a file of a version may be called: no path, nothing hidden, not version.json or version.sig. */
bool rec_version_is_file(const char *name);
bool rec_alias_is_name(const char *text);

/* ---- version -------------------------------------------------------------------------------------- */

/** Reads version.json's text. @param digest  what it has to be of, or NULL */
int rec_version_parse(struct rec_version *version, const char *name, const char *text, size_t n, const char *digest, struct rec_err *err);
/** version.json and version.sig of a directory. */
int rec_version_load(struct rec_version *version, const struct rec_folder *folder, const char *digest, struct rec_err *err);
/** "KEYID SIGNATURE\n". 0 or -1. */
int rec_version_signature(char key[17], unsigned char signature[REC_SIGN_BYTES], const char *text, size_t n);
/** Adds a metric, parameter or tag. @param number  NAN: it is `text` */
int rec_version_value(struct rec_registry_value **list, size_t *n, const char *key, const char *text, double number, struct rec_err *err);
/** Adds the members of a flat JSON object; `numbers`: texts, true and false are passed over. Null is. */
int rec_version_values(struct rec_registry_value **list, size_t *n, const struct rec_json_value *object, bool numbers, const char *name,
                       struct rec_err *err);
/** The number for a new version: one more than any that there is or was. */
int rec_version_next(int64_t *number, const struct rec_registry *registry, struct rec_err *err);

/* ---- add ------------------------------------------------------------------------------------------ */

/** An empty versions/.new, for a version in the making; `registry` holds the lock. */
int rec_add_begin(struct rec_folder *stage, const struct rec_registry *registry, struct rec_err *err);
/** Makes versions/.new, whose files are all written and fsynced, the version of that digest; closes `stage`. */
int rec_add_place(struct rec_folder *stage, const struct rec_registry *registry, const char *digest, struct rec_err *err);

/* ---- signer: the key of who adds ------------------------------------------------------------------ */

struct rec_signer {
    char id[17];
    unsigned char public_key[REC_SIGN_PUBLIC], secret_key[REC_SIGN_SECRET];
};
/** Reads the file, or makes it: *made. Others may not read it. */
int rec_signer_open(struct rec_signer *signer, bool *made, const char *path, struct rec_err *err);
/** Puts the public key among those of the registry. */
int rec_signer_publish(const struct rec_signer *signer, const struct rec_registry *registry, struct rec_err *err);
/** The text of version.sig. */
int rec_signer_sign(struct rec_buf *out, const struct rec_signer *signer, const void *bytes, size_t n, struct rec_err *err);
/** The public key of that id, of the registry. */
int rec_signer_find(unsigned char public_key[REC_SIGN_PUBLIC], const struct rec_registry *registry, const char *id, struct rec_err *err);
/** Wipes it. */
void rec_signer_clear(struct rec_signer *signer);

/* ---- journal -------------------------------------------------------------------------------------- */

/** Calls `each` for every line that is whole; returns what `each` does when that is not 0. */
int rec_journal_each(const struct rec_registry *registry, int (*each)(void *context, const struct rec_json_value *line, struct rec_err *err),
                     void *context, struct rec_err *err);

/* ---- alias ---------------------------------------------------------------------------------------- */

/** What an alias pointed at, by the journal and the link: digests, the present one last. `out` holds n texts of REC_SHA256_TEXT bytes. */
int rec_alias_history(char (**out)[REC_SHA256_TEXT], size_t *n, const struct rec_registry *registry, const char *alias, struct rec_err *err);

#endif
