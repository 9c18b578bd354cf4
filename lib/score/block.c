/* SPDX-License-Identifier: MIT
 *
 * Ids that are asked for, in blocks: as many as fit, or as many as a pipe has brought so far. */
#include <rec/score.h>

int rec_block_init(struct rec_block *block, size_t cap, struct rec_err *err)
{
    *block = (struct rec_block){.cap = cap};
    block->offset = rec_malloc(cap + 1, sizeof *block->offset, "block of ids", err);
    block->number = rec_malloc(cap, sizeof *block->number, "block of ids", err);
    if (block->offset && block->number) {
        rec_block_reset(block);
        return 0;
    }
    rec_block_clear(block);
    return -1;
}

void rec_block_reset(struct rec_block *block)
{
    rec_buf_reset(&block->text);
    block->n = 0;
    block->offset[0] = 0;
}

int rec_block_add(struct rec_block *block, const char *text, size_t len, int32_t number, struct rec_err *err)
{
    rec_buf_add(&block->text, text, len);
    if (block->text.failed)
        return rec_err_memory(err, "block of ids");
    block->number[block->n++] = number;
    block->offset[block->n] = block->text.len;
    return 0;
}

const char *rec_block_get(const struct rec_block *block, size_t i, size_t *len)
{
    *len = block->offset[i + 1] - block->offset[i];
    return block->text.data + block->offset[i];
}

int rec_block_fill(struct rec_block *block, struct rec_lines *lines, const struct rec_ids *ids, struct rec_err *err)
{
    const char *text;
    size_t len;
    int status = 1;

    rec_block_reset(block);
    while (block->n < block->cap && (block->n == 0 || rec_lines_ready(lines))) {
        status = rec_lines_next(lines, &text, &len, err);
        if (status <= 0)
            break;
        if (len > 0 && rec_block_add(block, text, len, rec_ids_find(ids, text, len), err) < 0)
            return -1;
    }
    return status < 0 ? -1 : block->n > 0;
}

void rec_block_clear(struct rec_block *block)
{
    rec_buf_clear(&block->text);
    free(block->offset);
    free(block->number);
    *block = (struct rec_block){0};
}
