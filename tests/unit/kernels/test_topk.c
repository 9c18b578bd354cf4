/* SPDX-License-Identifier: MIT
 *
 * The k best items against sorting all of them: ties, exclusions, NaN, every k.
 */
#include "reference.h"

static int better(const void *a, const void *b)
{
    const struct rec_topk_hit *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static int is_seen(const struct rec_topk_seen *seen, int32_t item)
{
    for (size_t i = 0; seen && i < seen->n; i++)
        if (seen->item[i] == item)
            return 1;
    return 0;
}

/* What should come out, by sorting. */
static size_t sorted(struct rec_topk_hit *out, size_t k, const float *score, size_t n,
                     const struct rec_topk_seen *seen, const uint8_t *allowed)
{
    struct rec_topk_hit *all = calloc(n + 1, sizeof *all);
    size_t count = 0;

    for (size_t j = 0; j < n; j++)
        if (score[j] > -INFINITY && !is_seen(seen, (int32_t)j) && (!allowed || allowed[j]))
            all[count++] = (struct rec_topk_hit){(int32_t)j, score[j]};
    qsort(all, count, sizeof *all, better);
    count = count < k ? count : k;
    memcpy(out, all, count * sizeof *out);
    free(all);
    return count;
}

static void assert_hits(const struct rec_topk_hit *got, size_t n, const struct rec_topk_hit *want, size_t want_n)
{
    assert_int_equal(n, want_n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got[i].item, want[i].item);
        assert_true(got[i].score == want[i].score);
    }
}

/* Scores with many ties, and now and then one that is no number or infinite. */
static float odd_score(unsigned levels)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f};

    if (random_bits() % 16 == 0)
        return odd[random_bits() % 5];
    return (float)(random_bits() % levels) - (float)(levels / 2);
}

static size_t some_seen(int32_t *item, size_t n, unsigned one_in)
{
    size_t count = 0;

    for (size_t j = 0; j < n; j++)
        if (random_bits() % one_in == 0)
            item[count++] = (int32_t)j;
    return count;
}

static void scan_once(size_t n, size_t k, unsigned levels, int exclude)
{
    float *score = fenced(n * sizeof *score);
    uint8_t *allowed = fenced(n);
    int32_t *item = calloc(n + 1, sizeof *item);
    size_t room = k < n ? k : n;
    struct rec_topk_hit *got = fenced(room * sizeof *got), *want = calloc(k + 1, sizeof *want);

    for (size_t j = 0; j < n; j++) {
        score[j] = odd_score(levels);
        allowed[j] = random_bits() % 4 != 0;
    }
    struct rec_topk_seen seen = {item, some_seen(item, n, 3)}, *s = exclude & 1 ? &seen : NULL;
    const uint8_t *a = exclude & 2 ? allowed : NULL;
    size_t count = sorted(want, k, score, n, s, a);
    assert_hits(got, rec_topk_scan(got, k, score, n, s, a), want, count);
    free_floats(score, n);
    unfence(allowed, n);
    unfence(got, room * sizeof *got);
    free(item);
    free(want);
}

static void scan_equals_sorting(void **state)
{
    static const size_t ns[] = {0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 500, 3000}, ks[] = {0, 1, 2, 10, 63, 64, 100, 499, 5000};
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
                for (int exclude = 0; exclude < 4; exclude++) {
                    scan_once(ns[i], ks[k], 5, exclude);
                    scan_once(ns[i], ks[k], 1000000, exclude);
                }
}

/* Scores already in order, either way, and all alike: no selection may be slow or wrong on them. */
static void scan_of_ordered_scores(void **state)
{
    enum { N = 20000 };
    static float score[N];
    static struct rec_topk_hit got[N], want[N];
    const char *name;

    (void)state;
    EACH_SET(name)
        for (int slope = -1; slope <= 1; slope++)
            for (size_t k = 1; k <= N; k *= 7) {
                for (size_t j = 0; j < N; j++)
                    score[j] = (float)(slope * (int)j);
                size_t n = sorted(want, k, score, N, NULL, NULL);
                assert_hits(got, rec_topk_scan(got, k, score, N, NULL, NULL), want, n);
            }
    assert_int_equal(rec_topk_scan(got, SIZE_MAX, score, N, NULL, NULL), N);
}

static void scan_of_nothing_listable(void **state)
{
    const float score[20] = {[0 ... 9] = NAN, [10 ... 19] = -INFINITY};
    const struct rec_topk_seen none = {NULL, 0};
    struct rec_topk_hit hit[20];
    const char *name;

    (void)state;
    EACH_SET(name)
        assert_int_equal(rec_topk_scan(hit, 20, score, 20, &none, NULL), 0);
}

/* One set of panels and users, and the scores they should give. */
struct problem {
    size_t n, m, f;
    float *v, *u, *bias, *score;
    void *mem, *scratch;
    struct rec_topk_panels panels;
};

static void problem_new(struct problem *p, size_t n, size_t m, size_t f, int biased)
{
    *p = (struct problem){.n = n, .m = m, .f = f};
    p->v = random_floats(n * f, -1, 1);
    p->u = random_floats(m * f, -1, 1);
    p->bias = random_floats(n, -1, 1);
    p->score = fenced(m * n * sizeof(float));
    p->mem = fenced(rec_topk_panels_size(n, f));
    p->scratch = fenced(rec_topk_tile_scratch(m, f));
    rec_topk_pack(&p->panels, p->mem, p->v, n, f, f, biased ? p->bias : NULL);
    rec_topk_score(p->score, n, &p->panels, 0, n, p->u, f, m, p->scratch);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double want = biased ? p->bias[j] : 0, size = fabs(want);
            for (size_t k = 0; k < f; k++) {
                want += (double)p->u[i * f + k] * p->v[j * f + k];
                size += fabs((double)p->u[i * f + k] * p->v[j * f + k]);
            }
            assert_sum(p->score[i * n + j], want, size, f + 1);
        }
}

static void problem_free(struct problem *p)
{
    free_floats(p->v, p->n * p->f);
    free_floats(p->u, p->m * p->f);
    free_floats(p->bias, p->n);
    free_floats(p->score, p->m * p->n);
    unfence(p->mem, rec_topk_panels_size(p->n, p->f));
    unfence(p->scratch, rec_topk_tile_scratch(p->m, p->f));
}

/* A block anywhere is a part of the whole, to the byte. */
static void check_blocks(const struct problem *p)
{
    for (int turn = 0; turn < 4 && p->n; turn++) {
        size_t from = random_bits() % p->n, to = from + random_bits() % (p->n - from + 1), w = to - from;
        size_t first = random_bits() % p->m, m = 1 + random_bits() % (p->m - first);
        float *c = fenced(m * w * sizeof *c);
        rec_topk_score(c, w, &p->panels, from, to, p->u + first * p->f, p->f, m, p->scratch);
        for (size_t i = 0; i < m && w; i++)
            assert_memory_equal(c + i * w, p->score + (first + i) * p->n + from, w * sizeof *c);
        free_floats(c, m * w);
    }
}

static void check_lists(const struct problem *p, size_t k, int exclude)
{
    struct rec_topk_seen *seen = calloc(p->m, sizeof *seen);
    struct rec_topk_hit *got = fenced(p->m * k * sizeof *got), *want = calloc(k + 1, sizeof *want);
    size_t *count = calloc(p->m, sizeof *count);
    int32_t *item = calloc(p->m * p->n + 1, sizeof *item);
    uint8_t *allowed = fenced(p->n);

    for (size_t j = 0; j < p->n; j++)
        allowed[j] = random_bits() % 3 != 0;
    for (size_t i = 0; i < p->m; i++)
        seen[i] = (struct rec_topk_seen){item + i * p->n, some_seen(item + i * p->n, p->n, 2 + (unsigned)i % 9)};
    const uint8_t *a = exclude & 2 ? allowed : NULL;
    rec_topk_tile(got, count, k, &p->panels, p->u, p->f, p->m, exclude & 1 ? seen : NULL, a, p->scratch);
    for (size_t i = 0; i < p->m; i++) {
        size_t n = sorted(want, k, p->score + i * p->n, p->n, exclude & 1 ? seen + i : NULL, a);
        assert_hits(got + i * k, count[i], want, n);
    }
    unfence(got, p->m * k * sizeof *got);
    unfence(allowed, p->n);
    free(seen);
    free(want);
    free(count);
    free(item);
}

static void tiles_of_all_shapes(void **state)
{
    static const size_t ns[] = {0, 1, 5, 15, 24, 47, 48, 49, 150}, ms[] = {1, 3, 8, 9, 21};
    struct problem p;
    const char *name;
    unsigned turn = 0;

    (void)state;
    EACH_SET(name)
        for (size_t i = 0; i < LENGTHS; i++)
            for (size_t n = 0; n < sizeof ns / sizeof *ns; n++) {
                problem_new(&p, ns[n], ms[turn / 3 % 5], lengths[i], turn % 2);
                check_blocks(&p);
                for (int exclude = 0; exclude < 4; exclude++)
                    check_lists(&p, (size_t[]){0, 1, 4, 60, 400}[turn % 5], exclude);
                problem_free(&p);
                turn++;
            }
}

/* Factors that are small whole numbers give ties everywhere; NaN factors and a bias of -infinity give unlisted items. */
static void ties_and_nan_in_tiles(void **state)
{
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name) {
        problem_new(&p, 300, 13, 9, 1);
        for (size_t i = 0; i < p.n * p.f; i++)
            p.v[i] = (float)(random_bits() % 3) - 1;
        for (size_t i = 0; i < p.m * p.f; i++)
            p.u[i] = (float)(random_bits() % 3) - 1;
        for (size_t j = 0; j < p.n; j++)
            p.bias[j] = random_bits() % 7 ? 0 : -INFINITY;
        p.v[17 * p.f] = p.v[299 * p.f + 8] = p.u[5 * p.f + 2] = NAN;
        rec_topk_pack(&p.panels, p.mem, p.v, p.n, p.f, p.f, p.bias);
        rec_topk_score(p.score, p.n, &p.panels, 0, p.n, p.u, p.f, p.m, p.scratch);
        for (int exclude = 0; exclude < 4; exclude++) {
            check_lists(&p, 7, exclude);
            check_lists(&p, 300, exclude);
        }
        problem_free(&p);
    }
}

static void panels_remember_their_set(void **state)
{
    struct problem p;
    const char *name;
    size_t turn = 0;

    (void)state;
    EACH_SET(name) {
        problem_new(&p, 100, 5, 20, 0);
        assert_int_equal(rec_kernels_use(turn++ % 2 ? "plain" : NULL), 0);
        check_blocks(&p);
        check_lists(&p, 3, 1);
        problem_free(&p);
    }
}

static void sizes_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(rec_topk_panels_size(SIZE_MAX, 1), 0);
    assert_int_equal(rec_topk_panels_size(1, SIZE_MAX), 0);
    assert_int_equal(rec_topk_panels_size(SIZE_MAX / 64, 64), 0);
    assert_true(rec_topk_panels_size(1000, 64) >= 1000 * 65 * sizeof(float));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_equals_sorting),
        cmocka_unit_test(scan_of_ordered_scores),
        cmocka_unit_test(scan_of_nothing_listable),
        cmocka_unit_test(tiles_of_all_shapes),
        cmocka_unit_test(ties_and_nan_in_tiles),
        cmocka_unit_test(panels_remember_their_set),
        cmocka_unit_test(sizes_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
