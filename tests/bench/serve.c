/* SPDX-License-Identifier: MIT
 *
 * What tests/bench/serve measures of ours without a socket, and what it makes ready.
 *
 *     serve prepare DIR RATINGS.rec MOVIES.rec   DIR/rec.db with them and an account tied to the user "1", DIR/rec.keys; prints a token that is good for a day
 *     serve run DIR MODEL MOVIES TOKEN SECONDS PATH MB   requests a second on one thread, by rec_connection_input, with answers kept in so much memory
 *     serve model FILE ITEMS FACTORS             a model with factors drawn at random
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <rec/score.h>
#include <rec/serve.h>

static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, NULL};
static const struct rec_sql_options options = {.drivers = drivers, .create = true, .busy_timeout = 60};

static double clock_of(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const struct rec_err *err)
{
    fprintf(stderr, "serve: %s\n", err->text);
    return 1;
}

/* ---- prepare ---- */

static int migrate(const char *url, struct rec_err *err)
{
    struct rec_migrate_set set = {0};
    struct rec_sql *db = NULL;
    size_t applied;
    int status = rec_sql_open(&db, url, &options, err);

    if (status == 0)
        status = rec_migrate_builtin(&set, rec_sql_dialect(db), err);
    if (status == 0)
        status = rec_migrate_up(db, &set, 0, &applied, NULL, NULL, err);
    rec_migrate_clear(&set);
    rec_sql_close(db);
    return status;
}

static int load(struct rec_store *store, const char *ratings_path, const char *movies_path, struct rec_err *err)
{
    const struct rec_load_options how = {.source = "bench", .now = time(NULL)};
    struct rec_load_report report;
    struct rec_ratings ratings = {0};
    struct rec_catalogue movies = {0};
    int status = -1;

    if (rec_ratings_read(&ratings, ratings_path, err) == 0 && rec_catalogue_read(&movies, movies_path, err) == 0 &&
        rec_load_ratings(store, &ratings, &how, &report, err) == 0)
        status = rec_load_movies(store, &movies, &how, &report, err);
    rec_ratings_clear(&ratings);
    rec_catalogue_clear(&movies);
    return status;
}

static int issue(const struct rec_store *store, const char *account, struct rec_err *err)
{
    struct rec_token_keys keys;
    struct rec_token_claims claims = {.kind = REC_TOKEN_ACCESS, .issued = time(NULL), .expires = time(NULL) + 86400};
    struct rec_buf text = {0};
    int status = rec_token_keys_from(&keys, store->keys, REC_TOKEN_HS256, "rec", "rec", err);

    snprintf(claims.subject, sizeof claims.subject, "%s", account);
    if (status == 0 && (status = rec_token_issue(&text, &keys, &claims, err)) == 0)
        printf("%.*s\n", (int)text.len, text.data);
    rec_secret_clear(&text);
    return status;
}

static int prepare(const char *dir, const char *ratings, const char *movies)
{
    const struct rec_accounts_new spec = {.name = "bench", .email = "bench@example.org", .role = REC_ROLE_USER};
    char url[4096], keys[4096];
    struct rec_store store = {0};
    struct rec_account account;
    struct rec_err err = {0};
    int status;

    snprintf(url, sizeof url, "%s/rec.db", dir);
    snprintf(keys, sizeof keys, "%s/rec.keys", dir);
    status = rec_keyring_create(keys, time(NULL), &err) < 0 || migrate(url, &err) < 0 ||
             rec_store_open(&store, url, keys, &options, &err) < 0 || load(&store, ratings, movies, &err) < 0 ||
             rec_accounts_add(&account, &store, &spec, time(NULL) - 60, &err) < 0 ||
             rec_accounts_tie(&store, account.id, "1", time(NULL), &err) < 0 || issue(&store, account.id, &err) < 0;
    rec_store_close(&store);
    return status ? fail(&err) : 0;
}

/* ---- run ---- */

static int run(char **arg)
{
    char url[4096], keys[4096], request[4096], *end;
    const struct rec_limit_rate none = {1e6, 1e6};
    struct rec_serve_config config = {.model = arg[1], .catalogue = arg[2][0] ? arg[2] : NULL, .store = url, .keys = keys, .drivers = drivers,
                                      .workers = 1, .answers = strtoul(arg[6], &end, 10) << 20, .per_address = none, .per_account = none, .log_fd = -1};
    struct rec_connection connection;
    struct rec_serve *serve;
    struct rec_err err = {0};
    double seconds = strtod(arg[4], &end), begun, cpu;
    struct rusage usage;
    size_t n = 0, len;

    snprintf(url, sizeof url, "%s/rec.db", arg[0]);
    snprintf(keys, sizeof keys, "%s/rec.keys", arg[0]);
    len = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", arg[5], arg[3]);
    if (rec_serve_open(&serve, &config, &err) < 0)
        return fail(&err);
    rec_connection_begin(&connection, rec_serve_handler(serve), &rec_message_limits, "127.0.0.1", false, SIZE_MAX);
    rec_connection_input(&connection, request, len);
    printf("%.*s\n", (int)connection.out.len, connection.out.data);
    begun = clock_of(CLOCK_MONOTONIC);
    cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    for (; clock_of(CLOCK_MONOTONIC) - begun < seconds; n++) {
        rec_buf_reset(&connection.out);
        rec_connection_input(&connection, request, len);
    }
    cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    getrusage(RUSAGE_SELF, &usage);
    printf("%zu requests, %.0f a CPU second, %.2f us each, peak %ld MB\n", n, (double)n / cpu, cpu * 1e6 / (double)n, usage.ru_maxrss / 1024);
    rec_connection_clear(&connection);
    rec_serve_close(serve);
    return 0;
}

/* ---- model ---- */

/* "00000001" ...: in the order of bytes. */
static int number_ids(struct rec_ids *ids, size_t n, struct rec_err *err)
{
    char text[24], *bytes = rec_malloc(n, 8, "ids", err);
    int64_t *offset = rec_malloc(n + 1, sizeof *offset, "ids", err);

    *ids = (struct rec_ids){.n = n, .bytes = bytes, .offset = offset, .owned = {bytes, offset}};
    if (!bytes || !offset)
        return -1;
    for (size_t i = 0; i <= n; i++) {
        snprintf(text, sizeof text, "%08zu", i + 1);
        if (i < n)
            memcpy(bytes + 8 * i, text, 8);
        offset[i] = (int64_t)(8 * i);
    }
    return 0;
}

static float *draw(size_t n, uint64_t seed, struct rec_err *err)
{
    float *x = rec_malloc(n, sizeof *x, "factors", err);

    for (size_t i = 0; x && i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        x[i] = (float)((double)(seed >> 40) * 0x1p-24 - 0.5);
    }
    return x;
}

static int make_model(const char *path, size_t items, size_t factors)
{
    enum { USERS = 1000 };
    struct rec_model m = {.type = "ials", .n_users = USERS, .n_items = items, .factors = factors};
    struct rec_err err = {0};
    struct rec_out out;
    int status = -1;

    if (number_ids(&m.users, USERS, &err) == 0 && number_ids(&m.items, items, &err) == 0 &&
        (m.owned[0] = draw(USERS * factors, 1, &err)) && (m.owned[1] = draw(items * factors, 2, &err)) &&
        (m.owned[2] = rec_calloc(items, sizeof(float), "popularity", &err)) &&
        (m.owned[3] = rec_calloc(USERS + 1, sizeof(int64_t), "seen", &err)) && (m.owned[4] = rec_calloc(1, sizeof(int32_t), "seen", &err))) {
        m.user_factors = m.owned[0];
        m.item_factors = m.owned[1];
        m.popularity = m.owned[2];
        m.seen_ptr = m.owned[3];
        m.seen_item = m.owned[4];
        if (rec_out_open(&out, path, true, &err) == 0) {
            status = rec_model_write(&m, NULL, &out, &err) < 0 || rec_out_commit(&out, &err) < 0 ? -1 : 0;
            if (status < 0)
                rec_out_abort(&out);
        }
    }
    rec_model_clear(&m);
    return status < 0 ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "model") == 0)
        return make_model(argv[2], (size_t)strtoul(argv[3], NULL, 10), (size_t)strtoul(argv[4], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "prepare") == 0)
        return prepare(argv[2], argv[3], argv[4]);
    if (argc == 9 && strcmp(argv[1], "run") == 0)
        return run(argv + 2);
    fprintf(stderr, "usage: serve prepare DIR RATINGS MOVIES | run DIR MODEL MOVIES TOKEN SECONDS PATH MB | model FILE ITEMS FACTORS\n");
    return 2;
}
