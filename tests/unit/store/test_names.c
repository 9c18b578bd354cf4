/* SPDX-License-Identifier: MIT
 *
 * Ids to the numbers of rows: one, many, all, and from several programs at once.
 */
#include "both.h"

#include <pthread.h>

/* Ids "PREFIXfrom" to "PREFIXto", sorted. */
static struct rec_ids ids_of(const char *prefix, size_t from, size_t to)
{
    struct rec_hashmap map = {0};
    struct rec_ids ids;
    struct rec_err err = {0};
    char id[64];
    for (size_t i = from; i < to; i++)
        rec_hashmap_intern(&map, id, (size_t)snprintf(id, sizeof id, "%s%zu", prefix, i));
    uint32_t *rank = malloc((map.n + 1) * sizeof *rank);
    assert_int_equal(rec_ids_from_map(&ids, &map, rank, &err), 0);
    free(rank);
    rec_hashmap_clear(&map);
    return ids;
}

static int64_t intern(struct both *b, enum rec_names_of of, const char *id)
{
    int64_t row = -1;
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_names_intern(&row, &b->store, of, id, &b->err));
    both_ok(b, rec_sql_commit(b->store.db, &b->err));
    return row;
}

static uint64_t intern_all(struct both *b, enum rec_names_of of, const struct rec_ids *ids, int32_t *row)
{
    uint64_t made = 99;
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_names_intern_all(row, &b->store, of, ids, &made, &b->err));
    both_ok(b, rec_sql_commit(b->store.db, &b->err));
    return made;
}

static void interns_one(void **state)
{
    static const char *const good[] = {"1", "01", "a", "A", " ", "caf\xc3\xa9", "'; DROP TABLE users; --", "x\ny"};
    struct both *b = *state;
    int64_t row[REC_LENGTH(good)], found;
    for (size_t i = 0; i < REC_LENGTH(good); i++) {
        assert_int_equal(rec_names_find(&found, &b->store, REC_NAMES_USERS, good[i], &b->err), 0);
        row[i] = intern(b, REC_NAMES_USERS, good[i]);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(row[i], row[j]);
    }
    for (size_t i = 0; i < REC_LENGTH(good); i++) {
        assert_int_equal(intern(b, REC_NAMES_USERS, good[i]), row[i]);
        assert_int_equal(rec_names_find(&found, &b->store, REC_NAMES_USERS, good[i], &b->err), 1);
        assert_int_equal(found, row[i]);
        assert_int_equal(rec_names_find(&found, &b->store, REC_NAMES_MOVIES, good[i], &b->err), 0);
    }
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), REC_LENGTH(good));
}

static void refuses_what_is_no_id(void **state)
{
    static const struct {
        const char *id, *words;
    } bad[] = {{"", "user: its id is empty"}, {"caf\xe9", "user caf"}, {"\xed\xa0\x80", "is not UTF-8"}, {NULL, "is longer than 255 bytes"}};
    struct both *b = *state;
    char long_id[257];
    int64_t row;
    memset(long_id, 'x', 256);
    long_id[256] = 0;
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        const char *id = bad[i].id != NULL ? bad[i].id : long_id;
        int64_t offset[2] = {0, (int64_t)strlen(id)};
        struct rec_ids ids = {id, offset, 1, {NULL, NULL}};
        int32_t rows[1];
        both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
        both_fails(b, rec_names_intern(&row, &b->store, REC_NAMES_USERS, id, &b->err), REC_SQL_CONSTRAINT, bad[i].words);
        both_fails(b, rec_names_intern_all(rows, &b->store, REC_NAMES_USERS, &ids, NULL, &b->err), REC_SQL_CONSTRAINT, bad[i].words);
        assert_int_equal(rec_names_find(&row, &b->store, REC_NAMES_USERS, id, &b->err), 0);
        rec_sql_rollback(b->store.db);
    }
    long_id[255] = 0;
    assert_true(intern(b, REC_NAMES_USERS, long_id) > 0);
}

static void interns_many(void **state)
{
    struct both *b = *state;
    struct rec_ids some = ids_of("m", 500, 1500), more = ids_of("m", 0, 3000), none = ids_of("m", 0, 0);
    int32_t *row = malloc(3000 * sizeof *row), *again = malloc(3000 * sizeof *again), one[1];
    int64_t found;
    assert_true(row != NULL && again != NULL);
    assert_int_equal(intern_all(b, REC_NAMES_MOVIES, &none, one), 0);
    assert_int_equal(intern_all(b, REC_NAMES_MOVIES, &some, row), 1000);
    assert_int_equal(intern_all(b, REC_NAMES_MOVIES, &more, row), 2000);
    assert_int_equal(intern_all(b, REC_NAMES_MOVIES, &more, again), 0);
    assert_memory_equal(row, again, 3000 * sizeof *row);
    for (size_t i = 0; i < more.n; i += 97) {
        char id[16];
        size_t len;
        const char *text = rec_ids_get(&more, i, &len);
        snprintf(id, sizeof id, "%.*s", (int)len, text);
        assert_int_equal(rec_names_find(&found, &b->store, REC_NAMES_MOVIES, id, &b->err), 1);
        assert_int_equal(found, row[i]);
    }
    /* Ids that were there used no numbers up. */
    assert_int_equal(intern(b, REC_NAMES_MOVIES, "next"), 3001);
    assert_int_equal(both_int(b, "SELECT count(*) FROM movies WHERE title = '' AND genres = '' AND year = 0"), 3001);
    /* A few among many, which are looked up: one that is there, one that is not. */
    struct rec_ids few = ids_of("m", 2999, 3001);
    assert_int_equal(intern_all(b, REC_NAMES_MOVIES, &few, again), 1);
    assert_int_equal(again[0], row[rec_ids_find(&more, "m2999", 5)]);
    assert_int_equal(again[1], 3002);
    assert_int_equal(intern_all(b, REC_NAMES_MOVIES, &few, again), 0);
    assert_int_equal(again[1], 3002);
    rec_ids_clear(&few);
    /* Users and movies within one transaction, and twice the same. */
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_names_intern_all(row, &b->store, REC_NAMES_USERS, &some, NULL, &b->err));
    both_ok(b, rec_names_intern_all(again, &b->store, REC_NAMES_MOVIES, &some, NULL, &b->err));
    both_ok(b, rec_names_intern_all(again, &b->store, REC_NAMES_USERS, &some, NULL, &b->err));
    assert_memory_equal(row, again, 1000 * sizeof *row);
    rec_sql_rollback(b->store.db);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), 0);
    free(row);
    free(again);
    rec_ids_clear(&some);
    rec_ids_clear(&more);
    rec_ids_clear(&none);
}

static void lists_all_in_the_order_of_bytes(void **state)
{
    static const char *const wanted[] = {" ", "1", "10", "2", "A", "B", "a", "a b", "a-b", "ab", "\xc3\xa9", "\xf0\x9f\x8e\xac"};
    struct both *b = *state;
    struct rec_ids ids;
    int32_t *row;
    both_ok(b, rec_names_all(&ids, &row, &b->store, REC_NAMES_USERS, &b->err));
    assert_int_equal(ids.n, 0);
    assert_int_equal(ids.offset[0], 0);
    free(row);
    rec_ids_clear(&ids);
    int64_t made[REC_LENGTH(wanted)];
    for (size_t i = REC_LENGTH(wanted); i-- > 0;)
        made[i] = intern(b, REC_NAMES_USERS, wanted[i]);
    both_ok(b, rec_names_all(&ids, &row, &b->store, REC_NAMES_USERS, &b->err));
    assert_int_equal(ids.n, REC_LENGTH(wanted));
    for (size_t i = 0; i < ids.n; i++) {
        size_t len;
        const char *id = rec_ids_get(&ids, i, &len);
        assert_int_equal(len, strlen(wanted[i]));
        assert_memory_equal(id, wanted[i], len);
        assert_int_equal(row[i], made[i]);
        assert_int_equal(rec_ids_find(&ids, id, len), i);
    }
    free(row);
    rec_ids_clear(&ids);
    struct rec_ids many = ids_of("u", 0, 5000);
    int32_t *rows = malloc(many.n * sizeof *rows);
    intern_all(b, REC_NAMES_MOVIES, &many, rows);
    both_ok(b, rec_names_all(&ids, &row, &b->store, REC_NAMES_MOVIES, &b->err));
    assert_int_equal(ids.n, many.n);
    assert_memory_equal(ids.bytes, many.bytes, (size_t)many.offset[many.n]);
    assert_memory_equal(row, rows, many.n * sizeof *rows);
    free(row);
    free(rows);
    rec_ids_clear(&ids);
    rec_ids_clear(&many);
}

/* ---- several at once ---- */

struct worker {
    struct rec_store store;
    struct rec_ids ids;
    int32_t *row;
    uint64_t made;
    int status;
    struct rec_err err;
};

static int intern_work(struct rec_store *store, void *context, struct rec_err *err)
{
    struct worker *w = context;
    return rec_names_intern_all(w->row, store, REC_NAMES_USERS, &w->ids, &w->made, err);
}

static void *work(void *context)
{
    struct worker *w = context;
    w->status = rec_store_write(&w->store, intern_work, w, &w->err);
    return NULL;
}

static void several_at_once_agree(void **state)
{
    enum { WORKERS = 4, EACH = 2000, STEP = 500 };
    struct both *b = *state;
    struct worker w[WORKERS] = {0};
    pthread_t thread[WORKERS];
    uint64_t made = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        both_open(&w[i].store, b);
        w[i].ids = ids_of("u", i * STEP, i * STEP + EACH);
        w[i].row = malloc(EACH * sizeof *w[i].row);
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(thread[i], NULL);
        if (w[i].status < 0)
            fail_msg("%s", w[i].err.text);
        made += w[i].made;
    }
    assert_int_equal(made, EACH + (WORKERS - 1) * STEP);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), made);
    for (size_t i = 0; i < WORKERS; i++) {
        for (size_t j = 0; j < w[i].ids.n; j++) {
            size_t len;
            const char *id = rec_ids_get(&w[i].ids, j, &len);
            int32_t there = rec_ids_find(&w[0].ids, id, len);
            if (there >= 0)
                assert_int_equal(w[i].row[j], w[0].row[there]);
        }
    }
    for (size_t i = 0; i < WORKERS; i++) {
        rec_store_close(&w[i].store);
        rec_ids_clear(&w[i].ids);
        free(w[i].row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interns_one),
        cmocka_unit_test(refuses_what_is_no_id),
        cmocka_unit_test(interns_many),
        cmocka_unit_test(lists_all_in_the_order_of_bytes),
        cmocka_unit_test(several_at_once_agree),
    };
    return both_run(tests, REC_LENGTH(tests));
}
