/* SPDX-License-Identifier: MIT
 *
 * Archives without a database: members come back, each changed, missing or added byte is noticed, and files are collected as they are.
 */
#include "streams.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct rec_err err;
static struct rec_keyring keys;
static char dir[] = "/tmp/rec-test-archive-XXXXXX", path[64];

static const struct rec_archive_head head = {.store = "0123456789abcdef0123456789abcdef", .key = 2, .created = 1795000000};

static int setup(void **state)
{
    (void)state;
    for (uint32_t v = 1; v <= 2; v++) {
        keys.version[v - 1] = keys.newest = v;
        memset(keys.key[v - 1], (int)v, REC_KEY_BYTES);
        keys.n = v;
    }
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/a" REC_BACKUP_SUFFIX, dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_all(dir);
    return 0;
}

/* ---- writing and reading ---- */

struct member {
    const char *name;
    size_t len;
    uint64_t rows;
};
static const struct member members[] = {{"database/users.0001.csv", 100, 5}, {"database/users.0002.csv", 0, 0}, {"files/a", 5000, 0}, {"files/b/c", 200001, 0}};

static char byte_of(size_t member, size_t i)
{
    return (char)(i * (member + 3) + i / 251);
}

static void write_archive(size_t n, const char *twice)
{
    struct rec_archive_writer w;
    struct rec_out out;

    assert_int_equal(rec_out_open(&out, path, true, &err), 0);
    assert_int_equal(rec_archive_begin(&w, &out, &head, &keys, &err), 0);
    w.manifest.schema = 1;
    snprintf(w.manifest.dialect, sizeof w.manifest.dialect, "sqlite");
    for (size_t i = 0; i < n; i++) {
        struct rec_tar_member m = {.type = REC_TAR_FILE, .name = members[i].name, .mode = 0600, .size = members[i].len};
        char *content = malloc(members[i].len + 1);
        assert_non_null(content);
        for (size_t k = 0; k < members[i].len; k++)
            content[k] = byte_of(i, k);
        assert_int_equal(rec_archive_add(&w, &m, members[i].rows, &err), 0);
        assert_int_equal(rec_archive_write(&w, content, members[i].len, &err), 0);
        free(content);
    }
    rec_archive_skip(&w, "files/keys", "a keyring");
    if (twice) {
        struct rec_tar_member m = {.type = REC_TAR_FILE, .name = twice};
        assert_int_equal(rec_archive_add(&w, &m, 0, &err), -1);
        rec_out_abort(&out);
    } else {
        assert_int_equal(rec_archive_end(&w, &err), 0);
        assert_int_equal(rec_out_commit(&out, &err), 0);
    }
    rec_archive_abort(&w);
}

/* Reads it all. 0 or -1. */
static int read_archive(struct rec_archive_reader *r, const struct rec_keyring *ring, bool content)
{
    struct rec_tar_member m;
    int status;

    err = (struct rec_err){0};
    if (rec_archive_open(r, path, ring, &err) < 0) {
        memset(r, 0, sizeof *r);
        return -1;
    }
    for (size_t i = 0; (status = rec_archive_next(r, &m, &err)) > 0; i++) {
        char block[777];
        size_t got = content ? sizeof block : 0, at = 0;
        while (got == sizeof block && (status = rec_archive_read(r, block, sizeof block, &got, &err)) == 0)
            for (size_t k = 0; k < got; k++)
                assert_true(block[k] == byte_of(i, at++));
        if (status < 0)
            break;
    }
    if (status < 0)
        rec_archive_close(r);
    return status;
}

static void gives_back_what_it_took(void **state)
{
    struct rec_archive_reader r;

    (void)state;
    write_archive(REC_LENGTH(members), NULL);
    for (int content = 0; content < 2; content++) {
        if (read_archive(&r, &keys, content) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(r.manifest.n, REC_LENGTH(members));
        assert_int_equal(r.manifest.member[0].rows, 5);
        assert_string_equal(r.manifest.store, head.store);
        assert_int_equal(r.manifest.schema, 1);
        assert_true(r.head.created == head.created && r.head.key == 2);
        assert_string_equal(r.head.line, "rec.backup/1 0123456789abcdef0123456789abcdef 2 2026-11-18T11:06:40Z\n");
        assert_memory_equal(r.manifest.skipped.data, "files/keys\0a keyring", 21);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(r.sealed, st.st_size);
        rec_archive_close(&r);
    }
}

static void a_name_is_there_once(void **state)
{
    (void)state;
    write_archive(2, "database/users.0001.csv");
    assert_string_equal(err.text, "database/users.0001.csv: is named twice");
}

/* The archive in other bytes: refused with a line that names it. */
static void refuses(const char *data, size_t len)
{
    struct rec_archive_reader r;
    write_file(path, data, len);
    if (read_archive(&r, &keys, false) == 0)
        fail_msg("%s", "a damaged archive was taken");
    assert_true(strncmp(err.text, path, strlen(path)) == 0);
    assert_null(strchr(err.text, '\n'));
}

static void notices_every_byte(void **state)
{
    struct rec_buf whole;

    (void)state;
    write_archive(3, NULL);
    whole = read_file(path);
    for (size_t i = 0; i < whole.len; i++) {
        whole.data[i] ^= (char)(1 << i % 8);
        refuses(whole.data, whole.len);
        whole.data[i] ^= (char)(1 << i % 8);
    }
    for (size_t n = 0; n < whole.len; n++)
        refuses(whole.data, n);
    rec_buf_addc(&whole, '\0');
    refuses(whole.data, whole.len);
    rec_buf_clear(&whole);
}

static void needs_its_key(void **state)
{
    struct rec_archive_reader r;
    struct rec_keyring other = keys;
    char want[200];

    (void)state;
    write_archive(3, NULL);
    other.n = 1;
    assert_int_equal(read_archive(&r, &other, false), -1);
    snprintf(want, sizeof want, "%s: sealed with key 2, which is not in the keyring", path);
    assert_string_equal(err.text, want);
    other = keys;
    other.key[1][0] ^= 1;
    assert_int_equal(read_archive(&r, &other, false), -1);
    assert_non_null(strstr(err.text, "another key"));
    assert_int_equal(read_archive(&r, NULL, false), -1);
}

static void tells_other_files(void **state)
{
    static const char *const texts[][2] = {{"", "no backup of rec"},
                                           {"hello", "no backup of rec"},
                                           {"rec.backup/2 0123456789abcdef0123456789abcdef 1 2026-11-18T11:06:40Z\n", "newer"},
                                           {"rec.backup/1 0123456789abcdef0123456789abcde 1 2026-11-18T11:06:40Z\n", "first line"},
                                           {"rec.backup/1 0123456789abcdef0123456789abcdef 01 2026-11-18T11:06:40Z\n", "first line"},
                                           {"rec.backup/1 0123456789abcdef0123456789abcdef 0 2026-11-18T11:06:40Z\n", "first line"},
                                           {"rec.backup/1 0123456789abcdef0123456789abcdef 1 2026-11-18 11:06:40Z\n", "first line"},
                                           {"rec.backup/1 0123456789abcdef0123456789abcdef 1 2026-11-18T11:06:40Z", "first line"},
                                           {"rec.backup/1 0123456789abcdef0123456789abcdef 1 2026-11-18T11:06:40Z\n", "cut"}};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(texts); i++) {
        refuses(texts[i][0], strlen(texts[i][0]));
        if (!strstr(err.text, texts[i][1]))
            fail_msg("%s", err.text);
    }
}

/* ---- collecting files ---- */

static int collect(const char *what, uint64_t *files, uint64_t *keyrings)
{
    struct rec_archive_writer w;
    struct rec_collect c = {.archive = &w};
    struct rec_out out;
    char database[64];
    int status;

    snprintf(database, sizeof database, "%s/tree/rec.db", dir);
    c.database = database;
    assert_int_equal(rec_out_open(&out, path, true, &err), 0);
    assert_int_equal(rec_archive_begin(&w, &out, &head, &keys, &err), 0);
    w.manifest.schema = 1;
    status = rec_collect(&c, what, &err);
    if (status == 0) {
        assert_int_equal(rec_archive_end(&w, &err), 0);
        assert_int_equal(rec_out_commit(&out, &err), 0);
    }
    rec_archive_abort(&w);
    rec_out_abort(&out);
    *files = c.files;
    *keyrings = c.keyrings;
    return status;
}

static void collects_what_is_there(void **state)
{
    struct rec_archive_reader r;
    struct rec_tar_member m;
    struct rec_buf text = {0};
    struct rec_err keyring = {0};
    uint64_t files, keyrings;
    char tree[64], name[96];
    int status;

    (void)state;
    snprintf(tree, sizeof tree, "%s/tree/", dir);
    assert_int_equal(shell(dir, "mkdir -p tree/b/deep tree/a && printf 1 >tree/b/one && ln -s one tree/b/in && ln -s ../b/one tree/a/across && "
                                "ln -s ../../x tree/a/out && ln -s /etc tree/abs && mkfifo tree/fifo && printf db >tree/rec.db && printf x >tree/rec.db-wal && "
                                "printf x >tree/.old.rec-tmp && printf 'rec.backup/1 x' >tree/old && truncate -s 3M tree/hole && : >tree/empty && chmod 751 tree/b"), 0);
    snprintf(name, sizeof name, "%skeys", tree);
    assert_int_equal(rec_keyring_create(name, 1795000000, &keyring), 0);
    assert_int_equal(shell(dir, "(echo '# my keys'; cat tree/keys) >tree/copy-of-keys && chmod 600 tree/copy-of-keys"), 0);
    if (collect(tree, &files, &keyrings) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(keyrings, 2);
    if (rec_archive_open(&r, path, &keys, &err) < 0)
        fail_msg("%s", err.text);
    while ((status = rec_archive_next(&r, &m, &err)) > 0)
        rec_buf_addf(&text, "%c %s %s\n", m.type, strstr(m.name, "/tree") + 5, m.link);
    if (status < 0)
        fail_msg("%s", err.text);
    assert_string_equal(text.data, "5  \n5 /a \n2 /a/across ../b/one\n5 /b \n5 /b/deep \n2 /b/in one\n0 /b/one \n0 /empty \n0 /hole \n");
    assert_int_equal(files, 5);
    rec_buf_reset(&text);
    for (const char *p = r.manifest.skipped.data; p < r.manifest.skipped.data + r.manifest.skipped.len; p += strlen(p) + 1)
        rec_buf_addf(&text, "%s\n", strrchr(p, '/') && !strchr(p, ' ') ? strrchr(p, '/') + 1 : p);
    assert_string_equal(text.data, ".old.rec-tmp\na temporary file\nout\na link that is absolute or leads out of the directory\nabs\na link that is absolute or leads "
                                   "out of the directory\ncopy-of-keys\na keyring\nfifo\na socket, fifo or device\nkeys\na keyring\nold\na backup\nrec.db\nthe database "
                                   "itself\nrec.db-wal\nthe database itself\n");
    rec_archive_close(&r);
    rec_buf_clear(&text);
}

static void refuses_paths(void **state)
{
    static const char *const bad[] = {"../x", "/nonexistent/x", "/tmp/../etc", "/dev/null"};
    uint64_t files, keyrings;

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_int_equal(collect(bad[i], &files, &keyrings), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_it_took),
        cmocka_unit_test(a_name_is_there_once),
        cmocka_unit_test(notices_every_byte),
        cmocka_unit_test(needs_its_key),
        cmocka_unit_test(tells_other_files),
        cmocka_unit_test(collects_what_is_there),
        cmocka_unit_test(refuses_paths),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
