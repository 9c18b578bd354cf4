/* SPDX-License-Identifier: MIT
 *
 * The rec.checkpoint file (rec-format(5)): the parts of a training's state as tensors of bytes, and in the metadata which training it is of.
 */
#include <rec/tune.h>

#include <errno.h>
#include <unistd.h>

/* The names of the parts, in their order, with blanks between them: tensors of a file are sorted. */
static int list_names(struct rec_buf *out, const struct rec_checkpoint *c, struct rec_err *err)
{
    for (size_t i = 0; i < c->n_parts; i++)
        rec_buf_addf(out, "%s%s", i ? " " : "", c->part[i].name);
    return out->failed ? rec_err_memory(err, "checkpoint") : 0;
}

int rec_checkpoint_write(const struct rec_checkpoint *c, const char *path, struct rec_err *err)
{
    struct rec_safetensors_out file = {0};
    struct rec_buf names = {0};
    struct rec_out out = {0};
    char step[REC_NUM_MAX + 1];
    int rc = -1;

    step[rec_num_print_int64(step, (int64_t)c->step)] = 0;
    if (list_names(&names, c, err) < 0)
        goto out;
    rec_safetensors_put_meta(&file, "format", "rec.checkpoint/1");
    rec_safetensors_put_meta(&file, "step", step);
    rec_safetensors_put_meta(&file, "parts", names.len ? names.data : "");
    for (size_t i = 0; i < c->n_same; i++)
        rec_safetensors_put_meta(&file, c->same[i].key, c->same[i].value);
    for (size_t i = 0; i < c->n_note; i++)
        rec_safetensors_put_meta(&file, c->note[i].key, c->note[i].value);
    for (size_t i = 0; i < c->n_parts; i++)
        rec_safetensors_put(&file, c->part[i].name, REC_U8, 1, (uint64_t[]){c->part[i].size}, c->part[i].data);
    if (rec_out_open(&out, path, true, err) == 0 && rec_safetensors_write(&file, &out, err) == 0)
        rc = rec_out_commit(&out, err);
out:
    rec_out_abort(&out);
    rec_buf_clear(&names);
    rec_safetensors_out_clear(&file);
    return rc;
}

static int check_same(const struct rec_checkpoint *c, struct rec_err *err)
{
    for (size_t i = 0; i < c->n_same; i++) {
        const char *there = rec_safetensors_meta(&c->file, c->same[i].key);
        if (!there || strcmp(there, c->same[i].value) != 0)
            return rec_err_set(err, "%s: of another training (%s: %.80s there, %.80s here); remove it, or name another file", c->file.name,
                               c->same[i].key, there ? there : "none", c->same[i].value);
    }
    return 0;
}

static int take_parts(struct rec_checkpoint *c, struct rec_err *err)
{
    const char *names = rec_safetensors_meta(&c->file, "parts"), *name;
    char *rest;
    uint64_t size;

    c->words = strdup(names ? names : "");
    if (!c->words)
        return rec_err_memory(err, c->file.name);
    for (rest = c->words; (name = strsep(&rest, " ")) != NULL && *name; c->n_parts++) {
        if (c->n_parts == REC_CHECKPOINT_PARTS)
            return rec_err_set(err, "%s: more than %d parts", c->file.name, REC_CHECKPOINT_PARTS);
        const void *data = rec_safetensors_get(&c->file, name, REC_U8, 1, &size, err);
        if (!data)
            return -1;
        c->part[c->n_parts] = (struct rec_train_part){name, (void *)(uintptr_t)data, (size_t)size};
    }
    return 0;
}

int rec_checkpoint_read(struct rec_checkpoint *c, const char *path, struct rec_err *err)
{
    const char *text;
    int64_t step;

    c->n_parts = 0;
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    if (rec_safetensors_open(&c->file, path, err) < 0) {
        c->file = (struct rec_safetensors){0};
        return -1;
    }
    text = rec_safetensors_meta(&c->file, "step");
    if (rec_safetensors_expect(&c->file, "rec.checkpoint", 1, err) < 0 || check_same(c, err) < 0 || take_parts(c, err) < 0)
        goto fail;
    if (!text || rec_num_int64(&step, text, strlen(text)) < 0 || step < 1) {
        rec_err_set(err, "%s: header: metadata step is missing, or no number of steps", path);
        goto fail;
    }
    c->step = (size_t)step;
    return 1;
fail:
    rec_checkpoint_clear(c);
    return -1;
}

const char *rec_checkpoint_note(const struct rec_checkpoint *c, const char *key)
{
    return rec_safetensors_meta(&c->file, key);
}

void rec_checkpoint_clear(struct rec_checkpoint *c)
{
    if (c->file.name)
        rec_safetensors_close(&c->file);
    c->file = (struct rec_safetensors){0};
    free(c->words);
    c->words = NULL;
    c->n_parts = 0;
}
