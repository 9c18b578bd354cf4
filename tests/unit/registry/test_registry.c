/* SPDX-License-Identifier: MIT
 *
 * The registry's directory: what a killed run leaves behind, what was planted or damaged, and what a rollback goes back to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rec/registry.h>

static struct rec_err err;
static char top[64];
static int dir;

static int set_up(void **state)
{
    (void)state;
    snprintf(top, sizeof top, "/tmp/rec-registry.XXXXXX");
    if (!mkdtemp(top))
        return -1;
    dir = open(top, O_RDONLY | O_DIRECTORY);
    return dir < 0;
}

static int remove_it(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    close(dir);
    return nftw(top, remove_it, 8, FTW_DEPTH | FTW_PHYS);
}

static void ok(int status)
{
    if (status < 0)
        fail_msg("%s", err.text);
}

static void refused(int status, const char *why)
{
    assert_int_equal(status, -1);
    if (!strstr(err.text, why))
        fail_msg("%s: not %s", err.text, why);
    assert_null(strchr(err.text, '\n'));
}

static const char *in(const char *name)
{
    static char path[2][300];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", top, name);
    return path[turn];
}

static void put(const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void open_it(struct rec_registry *registry)
{
    ok(rec_registry_open(registry, in("registry"), REC_REGISTRY_CREATE, &err));
}

/* A model file that differs by its number; the registry reads of it no more than the header says. */
static void make_model(int64_t number)
{
    struct rec_safetensors_out file = {0};
    struct rec_out out;
    rec_safetensors_put_meta(&file, "format", "rec.model/1");
    rec_safetensors_put_meta(&file, "type", "popular");
    rec_safetensors_put_meta(&file, "params", "{\"a\":1,\"b\":\"two\",\"c\":true}");
    rec_safetensors_put(&file, "popularity", REC_I64, 1, (uint64_t[]){1}, &number);
    ok(rec_out_open(&out, in("model.rec"), true, &err));
    ok(rec_safetensors_write(&file, &out, &err));
    ok(rec_out_commit(&out, &err));
    rec_safetensors_out_clear(&file);
}

static void add(struct rec_registry *registry, int64_t number, struct rec_version *version)
{
    static char model[300], key[300];
    struct rec_registry_add what = {.model = model, .key = key, .tools = "test"};
    bool added;
    make_model(number);
    snprintf(model, sizeof model, "%s", in("model.rec"));
    snprintf(key, sizeof key, "%s", in("registry.key"));
    ok(rec_registry_add(version, &added, registry, &what, 1700000000 + number, &err));
    assert_true(added);
}

static void promote(struct rec_registry *registry, const struct rec_version *version, const char *event)
{
    ok(rec_registry_alias(registry, "production", version, true, event, NULL, 1700000100, &err));
}

static void previous_is(const struct rec_registry *registry, const struct rec_version *version)
{
    struct rec_version found;
    ok(rec_registry_previous(&found, registry, "production", &err));
    assert_string_equal(found.digest, version->digest);
    rec_version_clear(&found);
}

/* A promotion that was told and not done, and a line of the journal that was cut. */
static void goes_back(void **state)
{
    struct rec_registry registry;
    struct rec_version v[4], none;
    char line[400];
    (void)state;
    open_it(&registry);
    for (int i = 0; i < 4; i++)
        add(&registry, i, &v[i]);
    assert_int_equal(v[3].number, 4);
    assert_string_equal(v[0].param[2].text, "true");
    promote(&registry, &v[0], "promote");
    promote(&registry, &v[1], "promote");
    previous_is(&registry, &v[0]);
    snprintf(line, sizeof line, "{\"event\":\"promote\",\"alias\":\"production\",\"to\":\"%s\",\"from\":\"%s\"}\n{\"event\":\"prom", v[2].digest, v[1].digest);
    put("registry/journal.jsonl", line);
    previous_is(&registry, &v[0]);
    promote(&registry, &v[3], "promote");
    previous_is(&registry, &v[1]);
    promote(&registry, &v[1], "rollback");
    previous_is(&registry, &v[0]);
    promote(&registry, &v[3], "promote");
    promote(&registry, &v[3], "promote");
    previous_is(&registry, &v[1]);
    /* Of those that may be gone back to, v[1] is not there any more. */
    ok(rec_registry_gc(&registry, 1, 0, false, 1800000000, NULL, NULL, &err));
    refused(rec_registry_previous(&none, &registry, "production", &err), "pointed at nothing before");
    for (int i = 0; i < 4; i++)
        rec_version_clear(&v[i]);
    rec_registry_close(&registry);
}

static void left_behind(void **state)
{
    struct rec_registry registry;
    struct rec_version v = {0}, *list;
    size_t n;
    (void)state;
    /* A registry in the making. */
    assert_int_equal(mkdirat(dir, "registry", 0755) | mkdirat(dir, "registry/versions", 0755), 0);
    put("registry/lock", "");
    open_it(&registry);
    assert_int_equal(mkdirat(dir, "registry/versions/.new", 0755) | mkdirat(dir, "registry/versions/.gone", 0755), 0);
    put("registry/versions/.new/model.rec", "half");
    put("registry/versions/.gone/model.rec", "gone");
    put("registry/.production.rec-tmp", "");
    add(&registry, 1, &v);
    promote(&registry, &v, "promote");
    ok(rec_registry_gc(&registry, 0, 0, false, 1800000000, NULL, NULL, &err));
    assert_int_equal(faccessat(dir, "registry/versions/.gone", F_OK, 0), -1);
    ok(rec_version_list(&list, &n, &registry, &err));
    assert_int_equal(n, 1);
    rec_version_list_clear(list, n);
    rec_version_clear(&v);
    rec_registry_close(&registry);
}

static void planted(void **state)
{
    struct rec_registry registry, other;
    struct rec_version v, again;
    (void)state;
    open_it(&registry);
    add(&registry, 1, &v);
    assert_int_equal(symlinkat("/etc", dir, "registry/production"), 0);
    refused(rec_version_read(&again, &registry, "production", &err), "is no alias");
    refused(rec_registry_alias(&registry, "production", &v, true, "promote", NULL, 0, &err), "is no alias");
    refused(rec_registry_alias(&registry, "../x", &v, true, "promote", NULL, 0, &err), "is no name");
    refused(rec_registry_alias(&registry, "decade", &v, true, "promote", NULL, 0, &err), "is no name");
    assert_int_equal(renameat(dir, "registry/versions", dir, "elsewhere"), 0);
    assert_int_equal(symlinkat("../elsewhere", dir, "registry/versions"), 0);
    refused(rec_registry_verify(&registry, &v, true, &err), "is no directory");
    assert_int_equal(unlinkat(dir, "registry/versions", 0) | renameat(dir, "elsewhere", dir, "registry/versions"), 0);
    ok(rec_registry_verify(&registry, &v, true, &err));
    rec_registry_close(&registry);
    assert_int_equal(unlinkat(dir, "registry/lock", 0) | symlinkat("/tmp/nowhere", dir, "registry/lock"), 0);
    refused(rec_registry_open(&other, in("registry"), REC_REGISTRY_WRITE, &err), "symbolic link");
    ok(fchmodat(dir, "registry.key", 0644, 0));
    assert_int_equal(unlinkat(dir, "registry/lock", 0), 0);
    open_it(&registry);
    bool added;
    make_model(2);
    char model[300], key[300];
    snprintf(model, sizeof model, "%s", in("model.rec"));
    snprintf(key, sizeof key, "%s", in("registry.key"));
    struct rec_registry_add what = {.model = model, .key = key};
    refused(rec_registry_add(&again, &added, &registry, &what, 0, &err), "others may read");
    assert_int_equal(faccessat(dir, "registry/versions/.new", F_OK, 0), -1);
    rec_version_clear(&v);
    rec_registry_close(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(left_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(planted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
