/* SPDX-License-Identifier: MIT
 *
 * The key that signs versions, a file beside the registry that its owner alone can read, and the public keys in the registry. A key's id is
 * the beginning of the SHA-256 of its public half, so that a file of keys/ under another key's name is noticed.
 */
#include "registry_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_LONGEST = 256 };

static void key_id(char id[17], const unsigned char public_key[REC_SIGN_PUBLIC])
{
    unsigned char digest[REC_SHA256_BYTES];
    struct rec_sha256 hash;

    rec_sha256_begin(&hash);
    rec_sha256_add(&hash, public_key, REC_SIGN_PUBLIC);
    rec_sha256_end(&hash, digest);
    rec_secret_hex(id, digest, 8);
}

/* ---- the file ---- */

/* A new one appears whole: it is linked into place, which fails when another run was quicker. */
static int make(bool *made, const char *path, struct rec_err *err)
{
    unsigned char seed[REC_KEY_BYTES];
    struct rec_buf temporary = {0}, text = {0};
    int fd = -1, status = -1;

    rec_secret_random(seed, sizeof seed);
    rec_secret_base64(&text, seed, sizeof seed);
    rec_buf_addc(&text, '\n');
    rec_buf_addf(&temporary, "%s.rec-tmp.%ld", path, (long)getpid());
    if (text.failed || temporary.failed)
        rec_err_memory(err, path);
    else if ((fd = open(temporary.data, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0 ||
             write(fd, text.data, text.len) != (ssize_t)text.len || fsync(fd) < 0 ||
             (link(temporary.data, path) < 0 && errno != EEXIST))
        rec_err_errno(err, "%s: the signing key cannot be made", path);
    else
        *made = true, status = 0;
    if (fd >= 0) {
        close(fd);
        unlink(temporary.data);
    }
    rec_secret_wipe(seed, sizeof seed);
    rec_secret_clear(&text);
    rec_buf_clear(&temporary);
    return status;
}

static int check(int fd, const char *path, struct rec_err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return rec_err_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return rec_err_set(err, "%s: is no regular file", path);
    if (st.st_mode & 077)
        return rec_err_set(err, "%s: others may read the signing key (mode %04o): chmod 600 it, and make another if they may have", path,
                           (unsigned)(st.st_mode & 07777));
    return 0;
}

static int read_seed(unsigned char seed[REC_KEY_BYTES], int fd, const char *path, struct rec_err *err)
{
    char text[TEXT_LONGEST];
    ssize_t n = read(fd, text, sizeof text);

    if (n < 0)
        return rec_err_errno(err, "%s", path);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (rec_secret_unbase64(seed, REC_KEY_BYTES, text, (size_t)n) != REC_KEY_BYTES)
        n = -1;
    rec_secret_wipe(text, sizeof text);
    return n < 0 ? rec_err_set(err, "%s: is no signing key (43 letters of base64url)", path) : 0;
}

int rec_signer_open(struct rec_signer *signer, bool *made, const char *path, struct rec_err *err)
{
    unsigned char seed[REC_KEY_BYTES];
    int fd, status;

    *made = false;
    fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        if (make(made, path, err) < 0)
            return -1;
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    if (fd < 0)
        return rec_err_errno(err, "%s", path);
    status = check(fd, path, err);
    if (status == 0)
        status = read_seed(seed, fd, path, err);
    close(fd);
    if (status == 0) {
        rec_sign_keys_from(signer->public_key, signer->secret_key, seed);
        key_id(signer->id, signer->public_key);
    }
    rec_secret_wipe(seed, sizeof seed);
    return status;
}

void rec_signer_clear(struct rec_signer *signer)
{
    rec_secret_wipe(signer, sizeof *signer);
}

/* ---- the registry's ---- */

int rec_signer_publish(const struct rec_signer *signer, const struct rec_registry *registry, struct rec_err *err)
{
    unsigned char there[REC_SIGN_PUBLIC];
    struct rec_folder keys;
    struct rec_buf text = {0};
    char name[32];
    int status;

    if (rec_signer_find(there, registry, signer->id, NULL) == 0)
        return 0;
    snprintf(name, sizeof name, "%s.pub", signer->id);
    rec_secret_base64(&text, signer->public_key, REC_SIGN_PUBLIC);
    rec_buf_addc(&text, '\n');
    status = text.failed ? rec_err_memory(err, "key") : rec_folder_open(&keys, registry, "keys", err);
    if (status == 0) {
        status = rec_folder_put(&keys, name, text.data, text.len, 0444, err);
        rec_folder_close(&keys);
    }
    rec_buf_clear(&text);
    return status;
}

int rec_signer_find(unsigned char public_key[REC_SIGN_PUBLIC], const struct rec_registry *registry, const char *id, struct rec_err *err)
{
    struct rec_folder keys;
    struct rec_buf text = {0};
    char name[32], is[17];
    int status = -1;

    if (rec_folder_open(&keys, registry, "keys", err) < 0)
        return -1;
    snprintf(name, sizeof name, "%.16s.pub", id);
    if (!rec_folder_has(&keys, name))
        rec_err_set(err, "%s/%s: there is no such key: who signed is not known here", keys.path, name);
    else if (rec_folder_get(&text, &keys, name, err) == 0)
        status = 0;
    if (status == 0) {
        if (text.len > 0 && text.data[text.len - 1] == '\n')
            text.len--;
        if (rec_secret_unbase64(public_key, REC_SIGN_PUBLIC, text.data ? text.data : "", text.len) != REC_SIGN_PUBLIC)
            status = rec_err_set(err, "%s/%s: is no public key", keys.path, name);
        else if (key_id(is, public_key), strcmp(is, id))
            status = rec_err_set(err, "%s/%s: holds another key, %s", keys.path, name, is);
    }
    rec_buf_clear(&text);
    rec_folder_close(&keys);
    return status;
}

int rec_signer_sign(struct rec_buf *out, const struct rec_signer *signer, const void *bytes, size_t n, struct rec_err *err)
{
    unsigned char signature[REC_SIGN_BYTES];

    rec_sign(signature, bytes, n, signer->secret_key);
    rec_buf_addf(out, "%s ", signer->id);
    rec_secret_base64(out, signature, sizeof signature);
    rec_buf_addc(out, '\n');
    return out->failed ? rec_err_memory(err, "signature") : 0;
}
