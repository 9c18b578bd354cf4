/* SPDX-License-Identifier: MIT
 *
 * The keyring: files that are refused, and why; keys derived; a file that is changed by several at once, by a process that is killed, and on
 * a full disk.
 */
#include "bytes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct rec_err err;
static char path[64], temporary[64], dir[40];

#define K1 "1 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define K2 "2 2027-01-01T00:00:00Z __________________________________________8"
#define NOW 1795467600 /* 2026-11-23T21:00:00Z */

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/rec-test-keyring-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/rec.keys", dir);
    snprintf(temporary, sizeof temporary, "%s/.rec.keys.rec-tmp", dir);
    err = (struct rec_err){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove(path);
    remove(temporary);
    return rmdir(dir); /* and nothing else is there */
}

static void put_bytes(const char *text, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void put(const char *text)
{
    put_bytes(text, strlen(text), 0600);
}

static void refused(const char *why)
{
    struct rec_keyring keys, zero = {0};
    char text[600];
    memset(&keys, 1, sizeof keys);
    assert_int_equal(rec_keyring_read(&keys, path, &err), -1);
    is_message(&err);
    snprintf(text, sizeof text, "%s%s", path, why);
    if (strlen(err.text) > strlen(text))
        err.text[strlen(text)] = 0;
    assert_string_equal(err.text, text);
    assert_memory_equal(&keys, &zero, sizeof keys);
}

static void reads(void **state)
{
    struct rec_keyring keys;
    (void)state;
    put("# ours\n\n" K2 " # the second\n \t\n  " K1 "\r\n#" K1);
    assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
    assert_int_equal(keys.n, 2);
    assert_int_equal(keys.newest, 2);
    assert_int_equal(keys.version[0], 2);
    assert_int_equal(keys.version[1], 1);
    assert_int_equal(keys.created[1], NOW);
    for (int i = 0; i < REC_KEY_BYTES; i++) {
        assert_int_equal(keys.key[0][i], 255);
        assert_int_equal(keys.key[1][i], i);
    }
    rec_keyring_clear(&keys);
    assert_int_equal(keys.n, 0);
    put_bytes(K1, strlen(K1), 0400);
    assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
}

static void texts_that_are_none(void **state)
{
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"", ": holds no key"},
        {"# nothing\n\n", ": holds no key"},
        {K1 "\n" K1 "\n", ":2: version 1 is there twice"},
        {"# x\n" K2 "\n" K1 "\n\n" K2, ":5: version 2 is there twice"},
        {"x\n", ":1: does not begin with the number of a version"},
        {"0" K1, ":1: does not begin"},
        {"-" K1, ":1: does not begin"},
        {"+" K1, ":1: does not begin"},
        {"0 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", ":1: does not begin"},
        {"4294967296 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", ":1: does not begin"},
        {"1.5 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", ":1: does not begin"},
        {"1\n", ":1: has no time"},
        {"1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", ":1: has no time"},
        {"1 2026-11-23 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", ":1: has no time"},
        {"1 2026-02-30T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", ":1: has no time"},
        {"1 2026-11-23T21:00:00Z", ":1: has no key of 43 letters of base64url behind the time"},
        {K1 "\n2 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh", ":2: has no key"},
        {"1 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A", ":1: has no key"},
        {"1 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ":1: has no key"},
        {"1 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", ":1: has no key"},
        {"1 2026-11-23T21:00:00Z +/ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", ":1: has no key"},
        {K1 " x", ":1: has something behind the key"},
    };
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(wrong); i++) {
        put(wrong[i].text);
        refused(wrong[i].why);
        assert_null(strstr(err.text, "AAEC"));
    }
    put_bytes("1 2026-11-23T21:00:0\0Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", 66, 0600);
    refused(":1: has no time");
}

static void too_many_or_too_long(void **state)
{
    struct rec_buf text = {0};
    struct rec_keyring keys;
    (void)state;
    for (int i = 1; i <= REC_KEYRING_MAX + 1; i++) {
        rec_buf_addf(&text, "%d%s\n", i, &K1[1]);
        put(text.data);
        if (i <= REC_KEYRING_MAX)
            assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
    }
    refused(":65: more than 64 keys");
    rec_buf_reset(&text);
    for (int i = 0; i < 70000; i++)
        rec_buf_addc(&text, '#');
    put(text.data);
    refused(": is no keyring, 70000 bytes long");
    rec_buf_clear(&text);
}

static void files_that_are_none(void **state)
{
    static const mode_t open_to_others[] = {0644, 0640, 0604, 0660, 0610, 0601, 0620, 0602, 0666, 0777};
    char target[80];
    (void)state;
    refused(": there is no keyring");
    for (size_t i = 0; i < REC_LENGTH(open_to_others); i++) {
        char why[80];
        put_bytes(K1, strlen(K1), open_to_others[i]);
        snprintf(why, sizeof why, ": others may use it (mode %04o): chmod 600 it", (unsigned)open_to_others[i]);
        refused(why);
    }
    if (geteuid() == 0) { /* nobody else can give a file away */
        put(K1);
        assert_int_equal(chown(path, 65534, 65534), 0);
        refused(": belongs to another user (65534): run as that one, or chown it");
        assert_int_equal(chown(path, 0, 0), 0);
    }
    snprintf(target, sizeof target, "%s.target", path);
    put(K1);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    refused(": is a symbolic link: name the file itself");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(target), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    refused(": is a directory");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(": is no regular file");
    assert_int_equal(rec_keyring_read(&(struct rec_keyring){0}, "/dev/null", &err), -1);
    assert_string_equal(err.text, "/dev/null: is no regular file");
}

/* BLAKE2b with the master key, the number of the purpose as salt and the context as personal string: computed by Python's hashlib. */
static void derives(void **state)
{
    static const char *const expected[] = {"07e92ed69b9f408b229cfcbd8c9b31aa8a1b41ab82e78f4e49fe9b0a8765e362",
                                           "0b52beb674432f8d89482a949ba57ff23180a9f923ba76d73ec5f907a769552c",
                                           "349a8f4d6217688f67c829fde6d697159b613dd198020974fa7cee56c2cdacbf",
                                           "fe68e5a3376775c90f0f71eeca6804fcb8f3f54c7c79fce886299c142bb1d88a"};
    struct rec_keyring keys;
    unsigned char out[REC_KEY_BYTES];
    (void)state;
    put(K1 "\n" K2);
    assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
    for (int purpose = REC_KEY_FIELD; purpose <= REC_KEY_TOKEN; purpose++) {
        assert_int_equal(rec_keyring_derive(out, &keys, 1, (enum rec_key_purpose)purpose, &err), 0);
        is_hex(out, sizeof out, expected[purpose - 1]);
        assert_int_equal(rec_keyring_derive(out, &keys, 2, (enum rec_key_purpose)purpose, &err), 0);
    }
    assert_int_equal(rec_keyring_derive(out, &keys, 3, REC_KEY_FIELD, &err), -1);
    assert_string_equal(err.text, "key 3 is not in the keyring");
    assert_int_equal(rec_keyring_derive(out, &keys, 0, REC_KEY_FIELD, &err), -1);
}

static void is_ours_alone(void)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(access(temporary, F_OK), -1);
}

static void created_once(void **state)
{
    struct rec_keyring keys, again;
    mode_t old = umask(0);
    (void)state;
    assert_int_equal(rec_keyring_create(path, NOW, &err), 0);
    umask(old);
    is_ours_alone();
    assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
    assert_int_equal(keys.n, 1);
    assert_int_equal(keys.newest, 1);
    assert_int_equal(keys.created[0], NOW);
    assert_int_equal(rec_keyring_create(path, NOW, &err), -1);
    assert_non_null(strstr(err.text, "rec.keys: is there already: keys in use must not be replaced"));
    assert_int_equal(rec_keyring_read(&again, path, &err), 0);
    assert_memory_equal(&keys, &again, sizeof keys);
    remove(path);
    assert_int_equal(rec_keyring_create(path, NOW, &err), 0);
    assert_int_equal(rec_keyring_read(&again, path, &err), 0);
    assert_memory_not_equal(keys.key[0], again.key[0], REC_KEY_BYTES);
    remove(path);
    assert_int_equal(symlink("nowhere", path), 0); /* not through a link that points to nothing either */
    assert_int_equal(rec_keyring_create(path, NOW, &err), -1);
    remove(path);
    assert_int_equal(rec_keyring_create(path, -1, &err), -1);
    assert_int_equal(rec_keyring_create("/nonexistent/rec.keys", NOW, &err), -1);
    assert_string_equal(err.text, "/nonexistent/rec.keys: no such file or directory");
}

static void added_and_pruned(void **state)
{
    struct rec_keyring keys, before;
    char text[400] = "";
    int fd;
    (void)state;
    put("# mine\n" K1 " # old\n" K2);
    assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
    before = keys;
    assert_int_equal(rec_keyring_add(&keys, path, NOW + 86399, &err), 0);
    is_ours_alone();
    assert_int_equal(keys.n, 3);
    assert_int_equal(keys.newest, 3);
    assert_int_equal(keys.created[2], NOW + 86399);
    assert_memory_equal(keys.key[0], before.key[0], REC_KEY_BYTES);
    assert_int_equal(rec_keyring_prune(&before, path, NULL, 0, &err), -1); /* before does not know key 3: it must not lose it */
    assert_non_null(strstr(err.text, "has a newer key than 2, made meanwhile"));
    before = keys;
    assert_int_equal(rec_keyring_prune(&keys, path, (const uint32_t[]){7, 1}, 2, &err), 0); /* 7 is not there */
    is_ours_alone();
    assert_int_equal(keys.n, 2);
    assert_int_equal(keys.version[0], 1);
    assert_memory_equal(keys.key[0], before.key[0], REC_KEY_BYTES);
    assert_int_equal(keys.newest, 3);
    assert_int_equal(rec_keyring_prune(&keys, path, NULL, 0, &err), 0);
    is_ours_alone();
    assert_int_equal(keys.n, 1);
    assert_int_equal(keys.newest, 3);
    assert_memory_equal(keys.key[0], before.key[2], REC_KEY_BYTES);
    fd = open(path, O_RDONLY);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_memory_equal(text, "# mine\n3 2026-11-24T20:59:59Z ", 30);
    assert_int_equal(rec_keyring_add(&keys, path, NOW, &err), 0);
    assert_int_equal(keys.newest, 4);
}

static void never_beyond_the_last(void **state)
{
    struct rec_keyring keys = {0};
    (void)state;
    put("4294967295" " 2026-11-23T21:00:00Z AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n");
    assert_int_equal(rec_keyring_add(&keys, path, NOW, &err), -1);
    assert_non_null(strstr(err.text, ": is full, 1 keys"));
    assert_int_equal(access(temporary, F_OK), -1);
    put("rubbish");
    assert_int_equal(rec_keyring_add(&keys, path, NOW, &err), -1);
    assert_non_null(strstr(err.text, ":1: does not begin"));
    assert_int_equal(access(temporary, F_OK), -1);
    remove(path);
    assert_int_equal(rec_keyring_add(&keys, path, NOW, &err), -1);
    assert_int_equal(access(temporary, F_OK), -1);
}

/* What a killed run left, readable to all: neither its mode nor its text comes back. */
static void leftovers_are_reclaimed(void **state)
{
    struct rec_keyring keys = {0};
    int fd;
    (void)state;
    put(K1);
    fd = open(temporary, O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    assert_int_equal(rec_keyring_add(&keys, path, NOW, &err), 0);
    assert_int_equal(keys.n, 2);
    is_ours_alone();
}

/* They take turns, and each gets a version of its own. */
static void many_at_once(void **state)
{
    struct rec_keyring keys = {0};
    int status, bad = 0;
    (void)state;
    assert_int_equal(rec_keyring_create(path, NOW, &err), 0);
    for (int i = 0; i < 6; i++)
        if (fork() == 0) {
            for (int k = 0; k < 10; k++)
                if (rec_keyring_add(&keys, path, NOW, &err) < 0)
                    _exit(1);
            _exit(0);
        }
    while (wait(&status) > 0)
        bad += status != 0;
    assert_int_equal(bad, 0);
    assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
    assert_int_equal(keys.n, 61);
    assert_int_equal(keys.newest, 61);
    is_ours_alone();
}

/* Killed at a random moment, the file has what was told of, and is whole. */
static void killed(void **state)
{
    struct rec_keyring keys = {0};
    struct rec_rng rng;
    uint32_t told = 1;
    (void)state;
    rec_rng_seed(&rng, 5, 0);
    assert_int_equal(rec_keyring_create(path, NOW, &err), 0);
    for (int round = 0; round < 60; round++) {
        int p[2], status;
        uint32_t version;
        pid_t child;
        assert_int_equal(pipe(p), 0);
        child = fork();
        if (child == 0) {
            while (rec_keyring_add(&keys, path, NOW, &err) == 0 && rec_keyring_prune(&keys, path, NULL, 0, &err) == 0)
                if (write(p[1], &keys.newest, sizeof keys.newest) < 0)
                    break;
            _exit(1);
        }
        close(p[1]);
        usleep((useconds_t)rec_rng_below(&rng, 4000));
        kill(child, SIGKILL);
        while (read(p[0], &version, sizeof version) == sizeof version)
            told = version;
        close(p[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
        assert_true(keys.newest >= told && keys.newest <= told + 1);
        told = keys.newest;
    }
    assert_int_equal(rec_keyring_add(&keys, path, NOW, &err), 0);
    is_ours_alone();
}

/* A disk that takes 50 bytes more (a limit on files stands for it): the old file stays. */
static void full_disk(void **state)
{
    struct rec_keyring keys = {0};
    int status;
    pid_t child;
    (void)state;
    put(K1);
    child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 100, .rlim_max = 100};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || rec_keyring_add(&keys, path, NOW, &err) == 0)
            _exit(1);
        _exit(strstr(err.text, "rec.keys: file too large") ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(rec_keyring_read(&keys, path, &err), 0);
    assert_int_equal(keys.n, 1);
    is_ours_alone();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads),
        TEST(texts_that_are_none),
        TEST(too_many_or_too_long),
        TEST(files_that_are_none),
        TEST(derives),
        TEST(created_once),
        TEST(added_and_pruned),
        TEST(never_beyond_the_last),
        TEST(leftovers_are_reclaimed),
        TEST(many_at_once),
        TEST(killed),
        TEST(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
