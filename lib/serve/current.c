/* SPDX-License-Identifier: MIT
 *
 * The model in use. A file is verified in full once: when it is swapped in, or by the first process that meets it; the record of that lies in
 * the state directory, by device, inode, size and time of change, so that a process that lives for one request need not read all of it.
 * Requests keep the model they began with; the last one to let go of an old model closes it.
 */
#include "service_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- the record of having verified ---- */

/* "rec.verified/2 DIGEST DEVICE INODE SIZE SECONDS NANOSECONDS", a line for the model and one for the catalogue: what the files were when they were
 * read through, and the digest of their data that they carry. */
enum { LINE = 160 };

static size_t describe(char out[LINE], const struct stat *st, uint32_t digest)
{
    return (size_t)snprintf(out, LINE, "rec.verified/2 %08lx %llu %llu %lld %lld %ld\n", (unsigned long)digest, (unsigned long long)st->st_dev,
                            (unsigned long long)st->st_ino, (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* `found` stays "" where there is no record. */
static void read_record(char found[2 * LINE], const struct rec_serve *serve)
{
    char path[4096];
    int fd;
    ssize_t n;

    found[0] = 0;
    if (!serve->config.state)
        return;
    snprintf(path, sizeof path, "%s/verified", serve->config.state);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    n = read(fd, found, 2 * LINE - 1);
    close(fd);
    found[n > 0 ? n : 0] = 0;
}

static bool is_recorded(const char *found, const struct stat *st, uint32_t digest)
{
    char want[LINE];
    size_t n = describe(want, st, digest);

    for (; *found; found += strcspn(found, "\n"), found += *found == '\n')
        if (strncmp(found, want, n) == 0)
            return true;
    return false;
}

/* Failing to record costs time and nothing else. */
static void record(struct rec_serve *serve, const struct rec_current *current)
{
    char path[4096], text[2 * LINE];
    struct rec_out out;
    struct rec_err err;
    size_t n = describe(text, &current->stat, current->model.digest);

    if (!serve->config.state)
        return;
    if (current->has_labels)
        n += describe(text + n, &current->catalogue_stat, current->labels.catalogue.digest);
    snprintf(path, sizeof path, "%s/verified", serve->config.state);
    if (rec_out_open(&out, path, false, &err) < 0 || rec_out_write(&out, text, n, &err) < 0 || rec_out_commit(&out, &err) < 0) {
        rec_serve_say(serve, "%s", err.text);
        rec_out_abort(&out);
    }
}

/* ---- opening ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void close_current(struct rec_current *current)
{
    if (atomic_load(&current->similar_ready) == 2)
        rec_similar_clear(&current->similar);
    rec_foldin_clear(&current->foldin);
    free(current->screen_memory);
    rec_film_close(current);
    if (current->has_labels)
        rec_labels_clear(&current->labels);
    free(current->item_of);
    rec_model_clear(&current->model);
    pthread_mutex_destroy(&current->making);
    free(current);
}

/* Opens a file without reading what was read through before: its head alone says what it claims to be, and the record whether it was found to be that.
 * What is looked at is what is mapped, whatever takes the place of the file meanwhile. */
static int open_file(struct rec_safetensors *file, struct stat *st, bool *verified, const char *path, const char *found, struct rec_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), status = -1;
    struct rec_in in;

    *verified = found[0] != 0;
    if (fd < 0 || fstat(fd, st) < 0) {
        rec_err_errno(err, "%s", path);
        goto out;
    }
    if (*verified) {
        if (rec_in_descriptor(&in, fd, path, err) < 0 || rec_safetensors_parse(file, &in, REC_SAFETENSORS_VERIFIED, err) < 0)
            goto out;
        status = 0;
        *verified = is_recorded(found, st, file->crc32c);
        if (*verified)
            goto out;
        rec_safetensors_close(file);
    }
    status = rec_in_descriptor(&in, fd, path, err) < 0 ? -1 : rec_safetensors_parse(file, &in, 0, err);
out:
    if (fd >= 0)
        close(fd);
    return status;
}

static int read_files(struct rec_current *current, struct rec_serve *serve, struct rec_err *err)
{
    const char *catalogue = serve->config.catalogue;
    char found[2 * LINE];
    struct rec_safetensors file;
    bool verified, also = true;

    read_record(found, serve);
    if (open_file(&file, &current->stat, &verified, serve->config.model, found, err) < 0 || rec_model_load(&current->model, &file, err) < 0)
        return -1;
    if (catalogue) {
        if (open_file(&file, &current->catalogue_stat, &also, catalogue, found, err) < 0 ||
            rec_labels_load(&current->labels, &file, &current->model.items, err) < 0)
            return -1;
        current->has_labels = true;
    }
    if (!(verified && also))
        record(serve, current);
    return 0;
}

/* The model's number of each film of the catalogue. */
static int invert(struct rec_current *current, struct rec_err *err)
{
    size_t n = current->labels.catalogue.n;

    current->item_of = rec_malloc(n, sizeof *current->item_of, "catalogue", err);
    if (!current->item_of)
        return -1;
    for (size_t e = 0; e < n; e++)
        current->item_of[e] = -1;
    for (size_t i = 0; i < current->model.n_items; i++)
        if (current->labels.entry[i] >= 0)
            current->item_of[current->labels.entry[i]] = (int32_t)i;
    return 0;
}

int rec_current_join(struct rec_current *current, struct rec_err *err)
{
    int status = 0;

    if (!current->has_labels || atomic_load(&current->joined))
        return 0;
    pthread_mutex_lock(&current->making);
    if (!atomic_load(&current->joined)) {
        if (!current->labels.entry)
            status = rec_labels_join(&current->labels, &current->model.items, err);
        if (status == 0)
            status = invert(current, err);
        if (status == 0)
            atomic_store(&current->joined, true);
    }
    pthread_mutex_unlock(&current->making);
    return status;
}

/* Memory that this process has for itself: of a model that is larger than this there is one copy, the file's. */
enum { SCREEN_MOST = 4 << 20 };

/* Items in bytes, for a process that lives long. It does without when there is no memory for them. */
static void open_screen(struct rec_current *current)
{
    const struct rec_model *m = &current->model;
    size_t bytes = m->item_factors ? rec_screen_size(m->n_items, m->factors) : 0;

    if (!bytes || bytes > SCREEN_MOST)
        return;
    current->screen_memory = malloc(bytes);
    current->has_screen = current->screen_memory && rec_screen_pack(&current->screen, current->screen_memory, m->item_factors, m->n_items, m->factors,
                                                                    m->factors, m->item_bias);
}

static struct rec_current *open_current(struct rec_serve *serve, struct rec_err *err)
{
    struct rec_current *current = rec_calloc(1, sizeof *current, "model", err);
    struct timespec t;

    if (!current)
        return NULL;
    pthread_mutex_init(&current->making, NULL);
    atomic_store(&current->users, 1);
    /* A process that lives for one request joins model and catalogue only when all films are asked for. */
    if (read_files(current, serve, err) < 0 || (serve->config.workers && (rec_current_join(current, err) < 0 || rec_film_open(current, err) < 0)))
        goto failed;
    if (serve->config.workers)
        open_screen(current);
    snprintf(current->version, sizeof current->version, "%s-%08x", current->model.type, (unsigned)current->model.digest);
    clock_gettime(CLOCK_REALTIME, &t);
    current->loaded = t.tv_sec;
    return current;
failed:
    close_current(current);
    return NULL;
}

/* ---- holding and swapping ---- */

struct rec_current *rec_current_take(struct rec_serve *serve)
{
    struct rec_current *current;

    pthread_mutex_lock(&serve->swap);
    current = serve->current;
    if (current)
        atomic_fetch_add(&current->users, 1);
    pthread_mutex_unlock(&serve->swap);
    return current;
}

void rec_current_give(struct rec_current *current)
{
    if (atomic_fetch_sub(&current->users, 1) == 1)
        close_current(current);
}

static void put(struct rec_serve *serve, struct rec_current *next)
{
    struct rec_current *old;

    pthread_mutex_lock(&serve->swap);
    old = serve->current;
    serve->current = next;
    pthread_mutex_unlock(&serve->swap);
    if (old)
        rec_current_give(old);
}

/* Whether the files are those in use. One that cannot be looked at is another one: opening it will say why. */
static bool is_current(struct rec_serve *serve)
{
    struct rec_current *current = rec_current_take(serve);
    struct stat model, catalogue;
    bool same;

    if (!current)
        return false;
    same = stat(serve->config.model, &model) == 0 && same_file(&model, &current->stat);
    if (same && serve->config.catalogue)
        same = stat(serve->config.catalogue, &catalogue) == 0 && same_file(&catalogue, &current->catalogue_stat);
    rec_current_give(current);
    return same;
}

/* Whether the file is the one that is mapped, and is not what it was: written to, or cut short, where it lies. */
static bool is_changed(const char *path, const struct stat *was)
{
    struct stat now;

    return path && stat(path, &now) == 0 && now.st_dev == was->st_dev && now.st_ino == was->st_ino && !same_file(&now, was);
}

/* A file that was changed in place changed in our memory too: what it was is no more, and what it is was refused. */
static bool drop_changed(struct rec_serve *serve)
{
    struct rec_current *current = rec_current_take(serve);
    bool changed = current && (is_changed(serve->config.model, &current->stat) ||
                               (current->has_labels && is_changed(serve->config.catalogue, &current->catalogue_stat)));

    if (current)
        rec_current_give(current);
    if (changed)
        rec_current_drop(serve);
    return changed;
}

int rec_current_load(struct rec_serve *serve, bool *changed, struct rec_err *err)
{
    struct rec_current *next;

    if (changed)
        *changed = false;
    if (!serve->config.model || is_current(serve))
        return 0;
    next = open_current(serve, err);
    rec_service_add(serve, &rec_service_reloads, "outcome", next ? "taken" : "refused");
    if (!next) {
        bool dropped = drop_changed(serve);

        if (changed)
            *changed = dropped;
        return -1;
    }
    rec_stats_set(rec_stats_series(serve->stats, &rec_service_loaded, ""), next->loaded);
    put(serve, next);
    if (changed)
        *changed = true;
    return 0;
}

void rec_current_drop(struct rec_serve *serve)
{
    put(serve, NULL);
}

/* ---- what is made when it is first needed ---- */

const struct rec_similar *rec_current_similar(struct rec_current *current, struct rec_err *err)
{
    if (atomic_load(&current->similar_ready))
        return &current->similar;
    pthread_mutex_lock(&current->making);
    if (!atomic_load(&current->similar_ready) &&
        rec_similar_init(&current->similar, &current->model, REC_CURRENT_SIMILAR, NULL, 0, err) == 0)
        atomic_store(&current->similar_ready, 2);
    pthread_mutex_unlock(&current->making);
    return atomic_load(&current->similar_ready) == 2 ? &current->similar : NULL;
}

const struct rec_foldin *rec_current_foldin(struct rec_current *current, struct rec_err *err)
{
    if (atomic_load(&current->foldin_ready))
        return &current->foldin;
    pthread_mutex_lock(&current->making);
    if (!atomic_load(&current->foldin_ready) && rec_foldin_init(&current->foldin, &current->model, err) == 0)
        atomic_store(&current->foldin_ready, 1);
    pthread_mutex_unlock(&current->making);
    return atomic_load(&current->foldin_ready) ? &current->foldin : NULL;
}
