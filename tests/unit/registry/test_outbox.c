/* SPDX-License-Identifier: MIT
 *
 * The outbox, without a server: entries are in order and whole, names that MLflow would never take are not among them, nothing goes while
 * nobody answers; what nobody needs to be told of goes. And the files for mlflow.pyfunc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rec/registry.h>

static struct rec_err err;
static char folder[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rec-outbox.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_it(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(folder, remove_it, 8, FTW_DEPTH | FTW_PHYS);
}

static void ok(int status)
{
    if (status < 0)
        fail_msg("%s", err.text);
}

static void open_registry(struct rec_registry *registry)
{
    ok(rec_registry_open(registry, folder, REC_REGISTRY_CREATE, &err));
}

static struct rec_version some_version(int digit)
{
    static char model[] = "ials";
    struct rec_version version = {.number = 7, .created = 1700000000, .model = model};

    memset(version.digest, digit, REC_SHA256_TEXT - 1);
    return version;
}

/* The text of an entry, or "" when there is none. */
static const char *entry(const char *name)
{
    static char text[512];
    char path[128];

    snprintf(path, sizeof path, "%s/outbox/%s", folder, name);
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[n] = 0;
    if (file)
        fclose(file);
    return text;
}

static void entries_are_in_order(void **state)
{
    struct rec_version version = some_version('a');
    struct rec_registry registry;

    (void)state;
    open_registry(&registry);
    ok(rec_outbox_put(&registry, "add", &version, NULL, 1700000000, &err));
    ok(rec_outbox_put(&registry, "alias", &version, "production", 1700000000, &err));
    assert_non_null(strstr(entry("00000001.json"), "\"event\":\"add\""));
    assert_non_null(strstr(entry("00000002.json"), "\"alias\":\"production\""));
    assert_non_null(strstr(entry("00000002.json"), version.digest));
    assert_non_null(strstr(entry("00000002.json"), "2023-11-14T22:13:20Z"));
    rec_registry_close(&registry);
}

static void names_that_mlflow_keeps_are_refused(void **state)
{
    static const char *const kept[] = {"latest", "v3", "V12"};
    struct rec_version version = some_version('b');
    struct rec_registry registry;

    (void)state;
    open_registry(&registry);
    for (size_t i = 0; i < REC_LENGTH(kept); i++) {
        assert_int_equal(rec_outbox_put(&registry, "alias", &version, kept[i], 0, &err), -1);
        assert_non_null(strstr(err.text, "MLflow keeps this name"));
    }
    ok(rec_outbox_put(&registry, "alias", &version, "vip", 0, &err));
    assert_string_not_equal(entry("00000001.json"), "");
    rec_registry_close(&registry);
}

/* Nothing is told of a version that was removed since; what no sender can make sense of keeps back the rest, and is told. */
static void what_cannot_be_sent(void **state)
{
    struct rec_mlflow nobody = {.url = "http://127.0.0.1:1", .timeout = 1};
    struct rec_version gone = some_version('c');
    struct rec_registry registry;
    char path[128];
    size_t left = 9;

    (void)state;
    open_registry(&registry);
    ok(rec_outbox_send(&registry, &nobody, &left, &err)); // empty: no server is asked
    assert_int_equal(left, 0);
    rec_registry_close(&registry);

    open_registry(&registry);
    ok(rec_outbox_put(&registry, "add", &gone, NULL, 0, &err));
    ok(rec_outbox_send(&registry, &nobody, &left, &err));
    assert_int_equal(left, 0);
    assert_int_equal(registry.lock, -1);
    rec_registry_close(&registry);

    snprintf(path, sizeof path, "%s/outbox/00000005.json", folder);
    FILE *file = fopen(path, "w");
    fputs("{\"event\":\"add\",\"digest\":\"../../etc\"}", file);
    fclose(file);
    open_registry(&registry);
    assert_int_equal(rec_outbox_send(&registry, &nobody, &left, &err), -1);
    assert_non_null(strstr(err.text, "00000005.json: it is no entry"));
    assert_int_equal(left, 1);
    rec_registry_close(&registry);
}

static void addresses(void **state)
{
    static const struct { const char *url, *why; } bad[] = {
        {NULL, "neither http"}, {"", "neither http"}, {"file:///tmp/mlruns", "neither http"}, {"databricks", "neither http"},
        {"http://127.0.0.1:1/?a=b", "has a '?'"}, {"http://ann:s3cret@127.0.0.1:1/x#y", "http://127.0.0.1:1/x#y"},
    };
    struct rec_version version = some_version('d');
    struct rec_registry registry;
    size_t left;

    (void)state;
    open_registry(&registry);
    ok(rec_outbox_put(&registry, "add", &version, NULL, 0, &err));
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        struct rec_mlflow mlflow = {.url = bad[i].url, .timeout = 1};
        assert_int_equal(rec_outbox_send(&registry, &mlflow, &left, &err), -1);
        assert_non_null(strstr(err.text, bad[i].why));
        assert_null(strstr(err.text, "s3cret"));
    }
    rec_registry_close(&registry);
}

static int see(void *context, const char *name, const void *bytes, size_t n, struct rec_err *e)
{
    struct rec_buf *seen = context;

    (void)e;
    rec_buf_addf(seen, "== %s\n%.*s", name, (int)n, (const char *)bytes);
    return strcmp(name, "MLmodel") == 0 && seen->len > 100000 ? -1 : 0;
}

static void files_for_pyfunc(void **state)
{
    struct rec_version version = some_version('e');
    struct rec_buf seen = {0};

    (void)state;
    ok(rec_pyfunc_files(&version, see, &seen, &err));
    assert_non_null(strstr(seen.data, "== code/rec_pyfunc.py\n# SPDX-License-Identifier: MIT\n"));
    assert_non_null(strstr(seen.data, "return Model(path)\n== requirements.txt\n"));
    assert_non_null(strstr(seen.data, "loader_module: rec_pyfunc\n"));
    assert_non_null(strstr(seen.data, "utc_time_created: '2023-11-14 22:13:20.000000'\n"));
    rec_buf_clear(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_are_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_mlflow_keeps_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses, set_up, tear_down),
        cmocka_unit_test(files_for_pyfunc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
