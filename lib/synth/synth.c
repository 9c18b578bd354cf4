/* SPDX-License-Identifier: MIT
 *
 * Made-up ratings: the choices users make in the world of synth_world.c, as CSV or as ratings.
 *
 * Users are made in blocks by several threads; blocks are written in the order of the users, a batch at a time.
 */
#include "synth_priv.h"

enum {
    BLOCK_RATINGS = 16384,  /* about so many a piece of work */
    BATCH_BLOCKS = 16       /* pieces made, then written in order */
};

struct job {
    struct rec_synth_world world;
    struct rec_synth_scratch *scratch;
    const uint32_t *item_rank;  /* rows sorted by this instead of the item's own order */
    size_t block_at[BATCH_BLOCKS + 1];
    struct rec_buf text[BATCH_BLOCKS];
    /* ratings: where rows go */
    const uint32_t *user_rank;
    int64_t *user_ptr;
    int32_t *item;
    float *value;
    int64_t *time;
};

void rec_synth_defaults(struct rec_synth_options *o)
{
    memset(o, 0, sizeof *o);
    o->n_users = o->n_items = 1000;
    o->n_ratings = 50000;
    o->factors = 8;
    o->noise = 0.5;
    o->structure = 0.9;
    o->mean = 2.8;
    o->since = 1104537600; /* 2005-01-01 */
    o->until = 1735603200; /* 2024-12-31 */
    o->threads = 1;
}

/* The user's slots in the order of their items: s->slot[i] for each bit i of s->sorted. Ends with no item taken. */
static void sort_user(const struct job *job, struct rec_synth_scratch *s, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        size_t i = (size_t)s->item[j], r = job->item_rank ? job->item_rank[i] : i;

        s->taken[i / 64] = 0;
        s->sorted[r / 64] |= (uint64_t)1 << (r % 64);
        s->slot[r] = (int32_t)j;
    }
}

/* ---- as CSV ------------------------------------------------------------------------------------- */

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static void write_user(const struct job *job, struct rec_synth_scratch *s, size_t u, struct rec_buf *text)
{
    static const char half[] = "0.00.51.01.52.02.53.03.54.04.55.0";
    const struct rec_synth_world *w = &job->world;
    char name[REC_NUM_MAX], *at;
    size_t name_len = rec_num_print_int64(name, (int64_t)u + 1);

    if (rec_buf_reserve(text, w->count[u] * (w->id_longest + 3 * REC_NUM_MAX)) < 0)
        return;
    at = text->data + text->len;
    for (size_t k = 0; k < (w->o.n_items + 63) / 64; k++) {
        for (uint64_t bits = s->sorted[k]; bits; bits &= bits - 1) {
            size_t i = k * 64 + (size_t)__builtin_ctzll(bits), j = (size_t)s->slot[i];

            at = put(at, name, name_len);
            *at++ = ',';
            at = put(at, w->id_bytes + w->id_at[i], w->id_at[i + 1] - w->id_at[i]);
            *at++ = ',';
            if (!w->o.implicit) {
                at = put(at, half + 3 * (size_t)(2 * s->value[j]), 3);
                *at++ = ',';
            }
            at += rec_num_print_int64(at, s->time[j]);
            *at++ = '\n';
        }
        s->sorted[k] = 0;
    }
    text->len = (size_t)(at - text->data);
    *at = '\0';
}

/* ---- as ratings --------------------------------------------------------------------------------- */

static void store_user(struct job *job, struct rec_synth_scratch *s, size_t u)
{
    size_t p = (size_t)job->user_ptr[job->user_rank[u]];

    for (size_t k = 0; k < (job->world.o.n_items + 63) / 64; k++) {
        for (uint64_t bits = s->sorted[k]; bits; bits &= bits - 1, p++) {
            size_t i = k * 64 + (size_t)__builtin_ctzll(bits), j = (size_t)s->slot[i];

            job->item[p] = (int32_t)i;
            job->value[p] = s->value[j];
            job->time[p] = s->time[j];
        }
        s->sorted[k] = 0;
    }
}

/* ---- all users, in batches of blocks ------------------------------------------------------------ */

static int make_block(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct job *job = context;
    struct rec_synth_scratch *s = &job->scratch[thread];

    for (size_t b = begin; b < end; b++) {
        rec_buf_reset(&job->text[b]);
        for (size_t u = job->block_at[b]; u < job->block_at[b + 1]; u++) {
            rec_synth_choose(&job->world, s, u);
            sort_user(job, s, job->world.count[u]);
            if (job->user_ptr)
                store_user(job, s, u);
            else
                write_user(job, s, u, &job->text[b]);
        }
        if (job->text[b].failed)
            return rec_err_memory(err, "made-up ratings");
    }
    return 0;
}

/* Cuts the next users into blocks of about BLOCK_RATINGS ratings; returns how many blocks. */
static size_t plan_batch(struct job *job, size_t user, uint64_t *ratings)
{
    const struct rec_synth_world *w = &job->world;
    size_t blocks = 0;

    job->block_at[0] = user;
    while (blocks < BATCH_BLOCKS && user < w->o.n_users) {
        size_t sum = 0;

        while (user < w->o.n_users && sum < BLOCK_RATINGS)
            sum += w->count[user++];
        job->block_at[++blocks] = user;
        *ratings += sum;
    }
    return blocks;
}

static int make_all(struct job *job, struct rec_out *out, struct rec_err *err)
{
    const struct rec_synth_options *o = &job->world.o;
    uint64_t done = 0;

    for (size_t user = 0; user < o->n_users;) {
        size_t blocks = plan_batch(job, user, &done);

        if (rec_pool_run(o->threads, blocks, 1, make_block, job, err) < 0)
            return -1;
        for (size_t b = 0; out && b < blocks; b++)
            if (rec_out_write(out, job->text[b].data, job->text[b].len, err) < 0)
                return -1;
        user = job->block_at[blocks];
        if (o->progress)
            o->progress(o->context, done, o->n_ratings);
    }
    return 0;
}

static void job_clear(struct job *job)
{
    for (unsigned t = 0; job->scratch && t < job->world.o.threads; t++)
        rec_synth_choose_clear(&job->scratch[t]);
    free(job->scratch);
    for (size_t b = 0; b < BATCH_BLOCKS; b++)
        rec_buf_clear(&job->text[b]);
    rec_synth_world_clear(&job->world);
}

static int job_make(struct job *job, const struct rec_synth_options *o, bool csv, struct rec_err *err)
{
    if (rec_synth_world_make(&job->world, o, csv, err) < 0)
        return -1;
    job->world.o.threads = o->threads ? o->threads : 1;
    if (!(job->scratch = rec_calloc(job->world.o.threads, sizeof *job->scratch, "made-up ratings", err)))
        return -1;
    for (unsigned t = 0; t < job->world.o.threads; t++)
        if (rec_synth_choose_make(&job->scratch[t], &job->world, err) < 0)
            return -1;
    return 0;
}

int rec_synth_csv(const struct rec_synth_options *o, struct rec_out *out, struct rec_err *err)
{
    const char *header = o->implicit ? "userId,movieId,timestamp\n" : "userId,movieId,rating,timestamp\n";
    struct job job = {0};
    int rc = -1;

    if (job_make(&job, o, true, err) == 0 && rec_out_write(out, header, strlen(header), err) == 0)
        rc = make_all(&job, out, err);
    job_clear(&job);
    return rc;
}

/* The table of n names in byte order; rank gets each one's place there. */
static int rank_ids(struct rec_ids *ids, uint32_t **rank, const struct rec_synth_world *w, size_t n, const bool *keep,
                    bool items, struct rec_err *err)
{
    struct rec_hashmap map = {0};
    char number[REC_NUM_MAX];
    int rc = -1;

    if (!(*rank = rec_malloc(n, sizeof **rank, "made-up ids", err)))
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *id = items ? w->id_bytes + w->id_at[i] : number;
        size_t len = items ? w->id_at[i + 1] - w->id_at[i] : rec_num_print_int64(number, (int64_t)i + 1);

        if ((!keep || keep[i]) && rec_hashmap_intern(&map, id, len) == REC_HASHMAP_NONE) {
            rec_err_memory(err, "made-up ids");
            goto out;
        }
    }
    rc = rec_ids_from_map(ids, &map, *rank, err);
out:
    rec_hashmap_clear(&map);
    return rc;
}

/* Leaves items without ratings out of the table, as a reader of the CSV never hears of them. Order is kept. */
static int drop_unrated(struct rec_ratings *r, struct job *job, const uint32_t *item_rank, struct rec_err *err)
{
    size_t n = job->world.o.n_items;
    int32_t *to = rec_calloc(n, sizeof *to, "made-up items", err);
    bool *keep = rec_calloc(n, sizeof *keep, "made-up items", err);
    uint32_t *rank = NULL;
    int32_t kept = 0;
    int rc = -1;

    if (!to || !keep)
        goto out;
    for (size_t p = 0; p < r->nnz; p++)
        to[job->item[p]] = 1;
    for (size_t i = 0; i < n; i++)
        keep[i] = to[item_rank[i]];
    for (size_t i = 0; i < n; i++)
        to[i] = to[i] ? kept++ : -1;
    for (size_t p = 0; p < r->nnz; p++)
        job->item[p] = to[job->item[p]];
    r->n_items = (size_t)kept;
    rec_ids_clear(&r->items);
    rc = rank_ids(&r->items, &rank, &job->world, n, keep, true, err);
out:
    free(to);
    free(keep);
    free(rank);
    return rc;
}

/* Arrays for all of them, rows in the order of the user table. */
static int make_room(struct rec_ratings *r, struct job *job, struct rec_err *err)
{
    const struct rec_synth_world *w = &job->world;
    size_t nnz = w->o.n_ratings;

    r->n_users = w->o.n_users;
    r->n_items = w->o.n_items;
    r->nnz = nnz;
    r->owned[0] = job->user_ptr = rec_calloc(r->n_users + 1, sizeof *job->user_ptr, "made-up ratings", err);
    r->owned[1] = job->item = rec_malloc(nnz, sizeof *job->item, "made-up ratings", err);
    r->owned[2] = job->value = rec_malloc(nnz, sizeof *job->value, "made-up ratings", err);
    r->owned[3] = job->time = rec_malloc(nnz, sizeof *job->time, "made-up ratings", err);
    r->history = rec_calloc(1, 1, "made-up ratings", err);
    if (!job->user_ptr || !job->item || !job->value || !job->time || !r->history)
        return -1;
    for (size_t u = 0; u < r->n_users; u++)
        job->user_ptr[job->user_rank[u] + 1] = w->count[u];
    for (size_t u = 0; u < r->n_users; u++)
        job->user_ptr[u + 1] += job->user_ptr[u];
    r->user_ptr = job->user_ptr;
    r->item = job->item;
    r->value = job->value;
    r->time = job->time;
    return 0;
}

int rec_synth_ratings(struct rec_ratings *r, const struct rec_synth_options *o, struct rec_err *err)
{
    struct job job = {0};
    uint32_t *user_rank = NULL, *item_rank = NULL;
    int rc = -1;

    memset(r, 0, sizeof *r);
    if (job_make(&job, o, false, err) < 0 ||
        rank_ids(&r->users, &user_rank, &job.world, o->n_users, NULL, false, err) < 0 ||
        rank_ids(&r->items, &item_rank, &job.world, o->n_items, NULL, true, err) < 0)
        goto out;
    job.user_rank = user_rank;
    job.item_rank = item_rank;
    if (make_room(r, &job, err) < 0 || make_all(&job, NULL, err) < 0 || drop_unrated(r, &job, item_rank, err) < 0)
        goto out;
    rc = 0;
out:
    free(user_rank);
    free(item_rank);
    job_clear(&job);
    if (rc < 0)
        rec_ratings_clear(r);
    return rc;
}

/* ---- the items ---------------------------------------------------------------------------------- */

int rec_synth_movies(const struct rec_synth_options *o, struct rec_out *out, struct rec_err *err)
{
    static const char *const genres[] = {"Drama", "Comedy", "Thriller", "Action", "Romance", "Adventure", "Crime",
        "Science Fiction", "Horror", "Fantasy", "Children", "Animation", "Mystery", "Documentary", "War", "Musical",
        "Western", "Noir"};
    struct rec_synth_world w;
    struct rec_buf text = {0};
    int rc = -1;

    if (rec_synth_world_make(&w, o, true, err) < 0)
        return -1;
    rec_buf_adds(&text, "movieId,title,genres\n");
    for (size_t i = 0; i < w.o.n_items; i++) {
        char separator = ',';
        int64_t year;
        unsigned month, day;

        rec_date_to_civil(w.release[i], &year, &month, &day);
        rec_buf_addf(&text, "%zu,Film %zu (%lld)", i + 1, i + 1, (long long)year);
        for (size_t g = 0; g < REC_LENGTH(genres); g++) {
            if (w.genres[i] >> g & 1) {
                rec_buf_addc(&text, separator);
                rec_buf_adds(&text, genres[g]);
                separator = '|';
            }
        }
        rec_buf_addc(&text, '\n');
    }
    rc = text.failed ? rec_err_memory(err, "made-up items") : rec_out_write(out, text.data, text.len, err);
    rec_buf_clear(&text);
    rec_synth_world_clear(&w);
    return rc;
}
