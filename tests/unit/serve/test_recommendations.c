/* SPDX-License-Identifier: MIT
 *
 * Recommendations by way of requests, against what score/ says of the same model: trained users, feedback that counts at once, visitors, reasons,
 * choices, diversity; and a model that is swapped while threads ask.
 */
#include "service.h"

#include <math.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- lists ---- */

static size_t length(const struct service *s)
{
    return rec_json_length(service_get(s, "items"));
}

static const char *movie(const struct service *s, size_t i)
{
    const char *text = rec_json_string(rec_json_get(rec_json_at(service_get(s, "items"), i), "movie_id"));

    return text ? text : "";
}

static double score(const struct service *s, size_t i)
{
    double value;

    return rec_json_number(&value, rec_json_get(rec_json_at(service_get(s, "items"), i), "score")) == 0 ? value : NAN;
}

static bool has(const struct service *s, const char *id)
{
    for (size_t i = 0; i < length(s); i++)
        if (strcmp(movie(s, i), id) == 0)
            return true;
    return false;
}

/* The answer's list is this one: the same items, scores within rounding to the digits of a float. */
static void same(const struct service *s, const struct rec_model *m, const struct rec_topk_hit *hit, size_t n, const char *who)
{
    if (length(s) != n)
        fail_msg("%s: %zu items, not %zu: %s", who, length(s), n, s->text);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *id = rec_ids_get(&m->items, (size_t)hit[i].item, &len);

        if (strlen(movie(s, i)) != len || memcmp(movie(s, i), id, len) != 0)
            fail_msg("%s: place %zu: %s, not %.*s", who, i, movie(s, i), (int)len, id);
        assert_float_equal(score(s, i), hit[i].score, 1e-5 * (1 + fabs((double)hit[i].score)));
    }
}

static void read_model(struct rec_model *m, const char *name)
{
    service_ok(rec_model_read(m, service_path(name), &service_err));
}

/* With that model. */
static void begin(struct service *s, void **state, const char *model)
{
    service_begin(s, *state, NULL);
    if (!model)
        return;
    service_copy(s->model, service_path(model));
    service_ok(rec_serve_reload(s->serve, NULL, &service_err));
}

/* ---- users ---- */

static void of_the_trained(void **state)
{
    static const char *const models[] = {"ials.rec", "als.rec", "popular.rec", "itemknn.rec", "userknn.rec"};

    struct rec_topk_hit hit[SERVICE_ITEMS];
    struct rec_rank rank;
    struct rec_model m;
    struct service s;
    size_t n, len;

    begin(&s, state, NULL);
    for (size_t t = 0; t < REC_LENGTH(models); t++) {
        service_copy(s.model, service_path(models[t]));
        service_ok(rec_serve_reload(s.serve, NULL, &service_err));
        read_model(&m, models[t]);
        service_ok(rec_rank_init(&rank, &m, 20, NULL, 0, &service_err));
        for (int32_t u = 0; u < 25 && u < (int32_t)m.n_users; u++) {
            const char *id = rec_ids_get(&m.users, (size_t)u, &len);
            char target[64];

            service_ok(rec_rank_users(hit, &n, &rank, &u, 1, 1, &service_err));
            snprintf(target, sizeof target, "/recommendations/%.*s?k=20", (int)len, id);
            service_expect(&s, 200, "GET", target, s.token[SERVICE_ANALYST], NULL);
            same(&s, &m, hit, n, target);
        }
        rec_rank_clear(&rank);
        rec_model_clear(&m);
    }
    service_end(&s);
}

static void of_the_unknown(void **state)
{
    struct rec_topk_hit hit[10];
    struct rec_rank rank;
    struct rec_model m;
    struct service s;
    int32_t nobody = -1;
    size_t n;

    begin(&s, state, NULL);
    read_model(&m, "ials.rec");
    service_ok(rec_rank_init(&rank, &m, 10, NULL, 0, &service_err));
    service_ok(rec_rank_users(hit, &n, &rank, &nobody, 1, 1, &service_err));
    service_expect(&s, 200, "GET", "/recommendations/nobody-knows", s.token[SERVICE_ANALYST], NULL);
    assert_string_equal(service_text(&s, "basis"), "popular");
    same(&s, &m, hit, n, "an unknown user");
    service_expect(&s, 200, "GET", "/recommendations/me", s.token[SERVICE_SERVICE], NULL);
    same(&s, &m, hit, n, "an account without ratings");
    rec_rank_clear(&rank);
    rec_model_clear(&m);
    service_end(&s);
}

/* ---- feedback counts at once ---- */

static void after_feedback(void **state)
{
    static const char *const kinds[] = {"rating", "like", "watch", "skip"};
    struct service s;
    char first[260], body[400], target[300], before[4096];

    begin(&s, state, NULL);
    for (size_t k = 0; k < REC_LENGTH(kinds); k++) {
        service_expect(&s, 200, "GET", "/recommendations/me?k=30", s.token[SERVICE_USER], NULL);
        snprintf(first, sizeof first, "%s", movie(&s, 0));
        snprintf(before, sizeof before, "%s", s.text);
        if (k == 0)
            snprintf(body, sizeof body, "{\"movie_id\":\"%s\",\"rating\":5}", first);
        else
            snprintf(body, sizeof body, "{\"movie_id\":\"%s\",\"kind\":\"%s\"}", first, kinds[k]);
        service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_USER], body);
        service_expect(&s, 200, "GET", "/recommendations/me?k=30", s.token[SERVICE_USER], NULL);
        assert_string_equal(service_text(&s, "basis"), "folded-in");
        assert_false(has(&s, first));
        assert_string_not_equal(s.text, before);
        service_expect(&s, 200, "GET", "/recommendations/me?k=80&exclude_seen=false", s.token[SERVICE_USER], NULL);
        assert_true(has(&s, first));
        /* taken back: nothing of it is left */
        snprintf(target, sizeof target, "/feedback/%s", first);
        service_expect(&s, 204, "DELETE", target, s.token[SERVICE_USER], NULL);
        service_expect(&s, 200, "GET", "/recommendations/me?k=30", s.token[SERVICE_USER], NULL);
        assert_true(has(&s, first));
    }
    /* an account that the model does not know */
    service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_SERVICE], "[{\"movie_id\":\"3\",\"kind\":\"like\"}]");
    service_expect(&s, 200, "GET", "/recommendations/me", s.token[SERVICE_SERVICE], NULL);
    assert_string_equal(service_text(&s, "basis"), "folded-in");
    assert_false(has(&s, "3"));
    service_expect(&s, 204, "DELETE", "/feedback/3", s.token[SERVICE_SERVICE], NULL);
    service_expect(&s, 200, "GET", "/recommendations/me", s.token[SERVICE_SERVICE], NULL);
    assert_string_equal(service_text(&s, "basis"), "popular");
    service_end(&s);
}

/* Beside ratings a like is the best one, not a one. */
static void likes_beside_ratings(void **state)
{
    struct service s;
    struct rec_model m;
    char body[200], liked[8192];

    begin(&s, state, "als.rec");
    read_model(&m, "als.rec");
    snprintf(body, sizeof body, "[{\"movie_id\":\"3\",\"kind\":\"like\",\"user_id\":\"a\"},{\"movie_id\":\"3\",\"rating\":%g,\"user_id\":\"b\"}]", m.high);
    service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_SERVICE], body);
    service_expect(&s, 200, "GET", "/recommendations/a?k=40", s.token[SERVICE_SERVICE], NULL);
    snprintf(liked, sizeof liked, "%s", strstr(s.text, "\"model\""));
    service_expect(&s, 200, "GET", "/recommendations/b?k=40", s.token[SERVICE_SERVICE], NULL);
    assert_string_equal(liked, strstr(s.text, "\"model\""));
    assert_string_equal(service_text(&s, "basis"), "folded-in");
    rec_model_clear(&m);
    service_end(&s);
}

/* ---- visitors and reasons ---- */

/* A visitor's list is that of who is folded in. */
static void visitor_of(struct service *s, const char *model)
{
    int32_t item[3];
    float value[3] = {1, 1, 1};
    struct rec_visitor v = {.item = item, .value = value, .n = 3};
    struct rec_topk_hit hit[15];
    struct rec_foldin foldin;
    struct rec_model m;
    ptrdiff_t n;

    read_model(&m, model);
    service_ok(rec_foldin_init(&foldin, &m, &service_err));
    item[0] = rec_ids_find(&m.items, "1", 1), item[1] = rec_ids_find(&m.items, "11", 2), item[2] = rec_ids_find(&m.items, "2", 1);
    assert_true(item[0] >= 0 && item[1] > item[0] && item[2] > item[1]);
    service_ok(rec_foldin_user(&v, &foldin, &service_err));
    n = rec_foldin_rank(hit, 15, &m, NULL, &v, item, 3, NULL, &service_err);
    rec_foldin_forget(&v);
    service_expect(s, 200, "POST", "/recommendations", NULL,
                   "{\"k\":15,\"items\":[{\"movie_id\":\"2\"},{\"movie_id\":\"1\"},{\"movie_id\":\"1\"},{\"movie_id\":\"11\"},{\"movie_id\":\"no\"}]}");
    same(s, &m, hit, (size_t)n, "a visitor");
    assert_int_equal(service_int(s, "unknown_movies"), 1);
    assert_int_equal(rec_json_kind(service_get(s, "user_id")), REC_JSON_NULL);
    rec_foldin_clear(&foldin);
    rec_model_clear(&m);
}

static void visitors(void **state)
{
    static const char *const models[] = {"ials.rec", "itemknn.rec", "userknn.rec"};
    struct service s;

    begin(&s, state, NULL);
    for (size_t t = 0; t < REC_LENGTH(models); t++) {
        service_copy(s.model, service_path(models[t]));
        service_ok(rec_serve_reload(s.serve, NULL, &service_err));
        visitor_of(&s, models[t]);
        service_expect(&s, 200, "POST", "/recommendations", NULL, "{\"items\":[]}");
        assert_string_equal(service_text(&s, "basis"), "popular");
    }
    service_expect(&s, 422, "POST", "/recommendations", NULL, "{\"items\":[{}]}");
    assert_true(service_names_place(&s, "/items/0/movie_id"));
    service_expect(&s, 422, "POST", "/recommendations", NULL, "{\"k\":0,\"items\":[]}");
    service_expect(&s, 422, "POST", "/recommendations", NULL, "{\"k\":1001,\"items\":[]}");
    service_end(&s);
}

/* What the films of a history of two add to a score is the score. */
static void reasons_of(struct service *s)
{
    size_t whole = 0;

    service_expect(s, 200, "POST", "/recommendations", NULL,
                   "{\"k\":50,\"explain\":true,\"items\":[{\"movie_id\":\"1\"},{\"movie_id\":\"2\"}]}");
    for (size_t i = 0; i < length(s); i++) {
        const struct rec_json_value *list = rec_json_get(rec_json_at(service_get(s, "items"), i), "reasons");
        double sum = 0, last = INFINITY, part;

        for (size_t r = 0; r < rec_json_length(list); r++) {
            assert_int_equal(rec_json_number(&part, rec_json_get(rec_json_at(list, r), "contribution")), 0);
            assert_true(part > 0 && part <= last);
            sum += part;
            last = part;
        }
        if (rec_json_length(list) == 2) {
            assert_float_equal(sum, score(s, i), 1e-4);
            whole++;
        }
    }
    assert_true(whole > 5);
    service_expect(s, 200, "GET", "/recommendations/me?explain=true", s->token[SERVICE_USER], NULL);
    assert_true(rec_json_length(rec_json_get(rec_json_at(service_get(s, "items"), 0), "reasons")) > 0);
    service_expect(s, 200, "GET", "/recommendations/me", s->token[SERVICE_USER], NULL);
    assert_null(strstr(s->text, "reasons"));
}

static void reasons(void **state)
{
    static const char *const models[] = {"ials.rec", "itemknn.rec", "userknn.rec"};
    struct service s;

    begin(&s, state, NULL);
    for (size_t t = 0; t < REC_LENGTH(models); t++) {
        service_copy(s.model, service_path(models[t]));
        service_ok(rec_serve_reload(s.serve, NULL, &service_err));
        reasons_of(&s);
    }
    service_end(&s);
}

/* A model that keeps neighbours tells of them, and what an item is linked with is similar. */
static void neighbors_and_links(void **state)
{
    const struct rec_json_value *list;
    struct service s;

    begin(&s, state, "userknn.rec");
    service_expect(&s, 200, "GET", "/users/3/neighbors?k=4", s.token[SERVICE_ANALYST], NULL);
    list = service_get(&s, "neighbors");
    assert_int_equal(rec_json_length(list), 4);
    for (size_t i = 0; i < 4; i++) {
        double near, before = INFINITY;
        assert_int_equal(rec_json_number(&near, rec_json_get(rec_json_at(list, i), "score")), 0);
        if (i > 0)
            assert_int_equal(rec_json_number(&before, rec_json_get(rec_json_at(list, i - 1), "score")), 0);
        assert_true(near > 0 && near <= before);
    }
    service_copy(s.model, service_path("itemknn.rec"));
    service_ok(rec_serve_reload(s.serve, NULL, &service_err));
    service_expect(&s, 404, "GET", "/users/3/neighbors", s.token[SERVICE_ANALYST], NULL);
    service_expect(&s, 200, "GET", "/similar-movies/1?k=5", NULL, NULL);
    assert_int_equal(length(&s), 5);
    service_end(&s);
}

/* ---- choices ---- */

static void choices(void **state)
{
    struct service s;
    char genre[64], target[200], ten[10][300], other[5][300];
    int64_t year;

    begin(&s, state, NULL);
    service_expect(&s, 200, "GET", "/recommendations/me?k=10", s.token[SERVICE_USER], NULL);
    assert_int_equal(length(&s), 10);
    for (size_t i = 0; i < 10; i++)
        snprintf(ten[i], sizeof ten[i], "%s", movie(&s, i));
    snprintf(genre, sizeof genre, "%s", rec_json_string(rec_json_at(rec_json_get(rec_json_at(service_get(&s, "items"), 0), "genres"), 0)));
    service_expect(&s, 200, "GET", "/recommendations/me?k=5&offset=5", s.token[SERVICE_USER], NULL);
    assert_int_equal(length(&s), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(movie(&s, i), ten[5 + i]);
    service_expect(&s, 200, "GET", "/recommendations/me?k=1000&offset=1000", s.token[SERVICE_USER], NULL);
    assert_int_equal(length(&s), 0);
    snprintf(target, sizeof target, "/recommendations/me?k=100&genre=%s", genre);
    service_expect(&s, 200, "GET", target, s.token[SERVICE_USER], NULL);
    assert_true(length(&s) > 0 && length(&s) < SERVICE_ITEMS);
    for (size_t i = 0; i < length(&s); i++) {
        const struct rec_json_value *genres = rec_json_get(rec_json_at(service_get(&s, "items"), i), "genres");
        bool found = false;

        for (size_t g = 0; g < rec_json_length(genres); g++)
            found |= strcmp(rec_json_string(rec_json_at(genres, g)), genre) == 0;
        assert_true(found);
    }
    service_expect(&s, 422, "GET", "/recommendations/me?genre=Dramma", s.token[SERVICE_USER], NULL);
    assert_true(service_names_place(&s, "?genre"));
    service_expect(&s, 200, "GET", "/recommendations/me?k=100&year=1990..1999", s.token[SERVICE_USER], NULL);
    for (size_t i = 0; i < length(&s); i++) {
        assert_int_equal(rec_json_integer(&year, rec_json_get(rec_json_at(service_get(&s, "items"), i), "year")), 0);
        assert_in_range(year, 1990, 1999);
    }
    service_expect(&s, 422, "GET", "/recommendations/me?year=ninety", s.token[SERVICE_USER], NULL);
    service_expect(&s, 400, "GET", "/recommendations/me?k=1&k=2", s.token[SERVICE_USER], NULL);
    service_expect(&s, 422, "GET", "/recommendations/me?size=2", s.token[SERVICE_USER], NULL);
    /* diversity: the best stays the first, nothing comes twice, another choice */
    service_expect(&s, 200, "GET", "/recommendations/me?k=5&diversity=0", s.token[SERVICE_USER], NULL);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(movie(&s, i), ten[i]);
    service_expect(&s, 200, "GET", "/recommendations/me?k=5&diversity=0.9", s.token[SERVICE_USER], NULL);
    assert_int_equal(length(&s), 5);
    assert_string_equal(movie(&s, 0), ten[0]);
    for (size_t i = 0, differ = 0; i < 5; i++) {
        snprintf(other[i], sizeof other[i], "%s", movie(&s, i));
        differ += strcmp(other[i], ten[i]) != 0;
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(other[i], other[j]);
        assert_true(i < 4 || differ > 0);
    }
    service_expect(&s, 200, "GET", "/recommendations/me?k=1000&diversity=1", s.token[SERVICE_USER], NULL);
    assert_true(length(&s) > 10 && length(&s) <= SERVICE_ITEMS);
    service_end(&s);
}

/* ---- another model, while it is asked ---- */

static const char visit[] = "{\"k\":20,\"items\":[{\"movie_id\":\"1\"},{\"movie_id\":\"2\"}]}";

struct asking {
    struct service s;              /* its own answers, over the same service */
    char (*want)[16384];           /* the two answers that there may be */
    _Atomic bool *stop;
    size_t seen[2], wrong;
};

static void *ask_on(void *context)
{
    struct asking *a = context;

    while (!atomic_load(a->stop)) {
        int which = -1;

        if (service_ask(&a->s, "POST", "/recommendations", NULL, visit) == 200)
            which = strcmp(a->s.text, a->want[0]) == 0 ? 0 : strcmp(a->s.text, a->want[1]) == 0 ? 1 : -1;
        if (which < 0)
            a->wrong++;
        else
            a->seen[which]++;
    }
    service_forget_answer(&a->s);
    return NULL;
}

static void swapped(void **state)
{
    static char want[2][16384];
    struct asking asking[3];
    pthread_t thread[3];
    _Atomic bool stop = false;
    bool changed;
    struct service s;

    begin(&s, state, NULL);
    for (int i = 0; i < 2; i++) {
        service_copy(s.model, service_path(i ? "ials2.rec" : "ials.rec"));
        service_ok(rec_serve_reload(s.serve, &changed, &service_err));
        service_expect(&s, 200, "POST", "/recommendations", NULL, visit);
        snprintf(want[i], sizeof want[i], "%s", s.text);
    }
    assert_string_not_equal(want[0], want[1]);
    for (int i = 0; i < 3; i++) {
        asking[i] = (struct asking){.s = {.serve = s.serve, .peer = "192.0.2.9"}, .want = want, .stop = &stop};
        assert_int_equal(pthread_create(&thread[i], NULL, ask_on, &asking[i]), 0);
    }
    for (int turn = 0; turn < 40; turn++) {
        service_copy(s.model, service_path(turn % 2 ? "ials2.rec" : "ials.rec"));
        service_ok(rec_serve_reload(s.serve, &changed, &service_err));
        assert_true(changed);
        usleep(3000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(asking[i].wrong, 0);
        assert_true(asking[i].seen[0] > 0 && asking[i].seen[1] > 0);
    }
    service_ok(rec_serve_reload(s.serve, &changed, &service_err));
    assert_false(changed);
    service_end(&s);
}

/* A file that is not whole, another kind of file, or none: the old model stays. */
static void broken(void **state)
{
    struct service s;
    struct rec_in in;
    struct rec_out out;
    char want[16384];
    bool changed;

    begin(&s, state, NULL);
    service_expect(&s, 200, "POST", "/recommendations", NULL, visit);
    snprintf(want, sizeof want, "%s", s.text);
    service_ok(rec_in_open(&in, service_path("ials2.rec"), &service_err));
    for (size_t i = 0; i < 6; i++) {
        char *bytes = malloc(in.len);
        size_t len = i == 0 ? in.len / 2 : i == 1 ? 100 : i == 2 ? 0 : in.len;

        assert_non_null(bytes);
        memcpy(bytes, in.data, in.len);
        if (i > 2)
            bytes[in.len - 100 * i] ^= 1;
        service_ok(rec_out_open(&out, s.model, false, &service_err));
        service_ok(rec_out_write(&out, bytes, len, &service_err));
        service_ok(rec_out_commit(&out, &service_err));
        free(bytes);
        assert_int_equal(rec_serve_reload(s.serve, &changed, &service_err), -1);
        assert_false(changed);
        service_expect(&s, 200, "POST", "/recommendations", NULL, visit);
        assert_string_equal(s.text, want);
    }
    rec_in_close(&in);
    service_copy(s.model, service_path("movies.rec"));
    assert_int_equal(rec_serve_reload(s.serve, &changed, &service_err), -1);
    unlink(s.model);
    assert_int_equal(rec_serve_reload(s.serve, &changed, &service_err), -1);
    service_expect(&s, 200, "POST", "/recommendations", NULL, visit);
    assert_string_equal(s.text, want);
    service_copy(s.model, service_path("ials2.rec"));
    service_ok(rec_serve_reload(s.serve, &changed, &service_err));
    assert_true(changed);
    service_expect(&s, 200, "POST", "/recommendations", NULL, visit);
    assert_string_not_equal(s.text, want);
    /* Cut short where it lies: what was mapped is gone too. */
    assert_int_equal(truncate(s.model, 4096), 0);
    assert_int_equal(rec_serve_reload(s.serve, &changed, &service_err), -1);
    assert_true(changed);
    service_expect(&s, 503, "POST", "/recommendations", NULL, visit);
    assert_string_equal(service_field(&s, "Retry-After"), "5");
    service_expect(&s, 503, "GET", "/readyz", NULL, NULL);
    assert_string_equal(service_field(&s, "Retry-After"), "5");
    service_copy(s.model, service_path("ials.rec"));
    service_ok(rec_serve_reload(s.serve, &changed, &service_err));
    service_expect(&s, 200, "POST", "/recommendations", NULL, visit);
    assert_string_equal(s.text, want);
    service_end(&s);
}

/* ---- files that were read through before ---- */

static void reopen(struct service *s)
{
    rec_serve_close(s->serve);
    s->serve = NULL;
    service_ok(rec_serve_open(&s->serve, &s->config, &service_err));
}

/* What was verified once is not read through again, and says the same; another file is. */
static void verified_once(void **state)
{
    static const char *const paths[] = {"/movies?sort=-popularity&limit=80", "/movies?genre=drama&sort=title", "/movies/1"};
    char want[4][16384], path[96], found[400] = "", *bytes;
    struct service s;
    struct stat before;
    struct rec_in in;
    struct rec_out out;
    FILE *file;

    begin(&s, state, NULL);
    snprintf(s.catalogue, sizeof s.catalogue, "%s/movies.rec", s.b->dir);
    service_copy(s.catalogue, service_path("movies.rec"));
    s.config.catalogue = s.catalogue;
    snprintf(path, sizeof path, "%s/state", s.b->dir);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    s.config.state = path;
    for (int round = 0; round < 2; round++) {
        reopen(&s);
        for (int i = 0; i < 4; i++) {
            service_ask(&s, i == 3 ? "POST" : "GET", i == 3 ? "/recommendations" : paths[i], NULL, i == 3 ? visit : NULL);
            assert_true(s.status == 200 || s.status == 422);
            if (round == 0)
                snprintf(want[i], sizeof want[i], "%s", s.text);
            assert_string_equal(s.text, want[i]);
        }
    }
    snprintf(found, sizeof found, "%s/verified", path);
    service_ok(rec_in_open(&in, found, &service_err));
    assert_non_null(memmem(in.data, in.len, "\nrec.verified/2 ", 16));
    rec_in_close(&in);
    service_ok(rec_in_open(&in, s.catalogue, &service_err));
    bytes = malloc(in.len);
    assert_non_null(bytes);
    memcpy(bytes, in.data, in.len);
    bytes[in.len - 1] ^= 1;
    service_ok(rec_out_open(&out, s.catalogue, false, &service_err));
    service_ok(rec_out_write(&out, bytes, in.len, &service_err));
    service_ok(rec_out_commit(&out, &service_err));
    free(bytes);
    rec_in_close(&in);
    rec_serve_close(s.serve);
    assert_int_equal(rec_serve_open(&s.serve, &s.config, &service_err), -1);
    assert_non_null(strstr(service_err.text, "damaged"));
    service_copy(s.catalogue, service_path("movies.rec"));
    service_ok(rec_serve_open(&s.serve, &s.config, &service_err));
    /* Another model in the same place, of the same size and time: its digest is none that was recorded. */
    rec_serve_close(s.serve);
    assert_int_equal(stat(s.model, &before), 0);
    service_ok(rec_in_open(&in, service_path("ials2.rec"), &service_err));
    assert_int_equal(in.len, before.st_size);
    file = fopen(s.model, "r+b");
    assert_non_null(file);
    assert_int_equal(fwrite(in.data, 1, in.len - 1, file), in.len - 1);
    assert_true(fputc(in.data[in.len - 1] ^ 1, file) >= 0 && fflush(file) == 0);
    assert_int_equal(futimens(fileno(file), (struct timespec[]){before.st_atim, before.st_mtim}), 0);
    fclose(file);
    rec_in_close(&in);
    assert_int_equal(rec_serve_open(&s.serve, &s.config, &service_err), -1);
    assert_non_null(strstr(service_err.text, "damaged"));
    service_copy(s.model, service_path("ials.rec"));
    service_ok(rec_serve_open(&s.serve, &s.config, &service_err));
    service_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_trained), cmocka_unit_test(of_the_unknown), cmocka_unit_test(after_feedback), cmocka_unit_test(likes_beside_ratings),
        cmocka_unit_test(visitors), cmocka_unit_test(reasons), cmocka_unit_test(neighbors_and_links),
        cmocka_unit_test(choices), cmocka_unit_test(swapped), cmocka_unit_test(broken),
        cmocka_unit_test(verified_once),
    };

    return both_run(tests, REC_LENGTH(tests));
}
