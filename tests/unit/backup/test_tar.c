/* SPDX-License-Identifier: MIT
 *
 * Tar: what we write is read by tar(1) and by us, what tar(1) writes is read by us, and nothing else passes.
 */
#include "streams.h"

static struct rec_err err;

static const char long_name[] =
    "files/a-directory-with-a-name-of-some-length/another-one-that-is-not-shorter-than-that/and-a-file-in-it-which-makes-it-more-than-a-hundred-bytes";

static void add(struct rec_tar_writer *w, enum rec_tar_type type, const char *name, const char *link, unsigned mode, int64_t mtime,
                const char *text)
{
    struct rec_tar_member m = {.type = type, .name = name, .link = link, .mode = mode, .mtime = mtime, .size = strlen(text)};
    assert_int_equal(rec_tar_add(w, &m, &err), 0);
    assert_int_equal(rec_tar_write(w, text, strlen(text), &err), 0);
}

static struct rec_buf sample(void)
{
    struct rec_buf tar = {0};
    struct rec_tar_writer w = {.sink = to_memory, .context = &tar};

    add(&w, REC_TAR_DIRECTORY, "files/dir", NULL, 0750, 1600000000, "");
    add(&w, REC_TAR_FILE, "files/dir/a.txt", "", 0640, 1600000001, "hello\n");
    add(&w, REC_TAR_FILE, long_name, NULL, 0600, 1600000002, "a long name");
    add(&w, REC_TAR_LINK, "files/link", "dir/a.txt", 0777, 1600000003, "");
    add(&w, REC_TAR_LINK, "files/longlink", long_name, 0777, 1600000003, "");
    add(&w, REC_TAR_FILE, "files/empty", NULL, 0600, -5, "");
    add(&w, REC_TAR_FILE, "files/\xc3\xa9t\xc3\xa9", NULL, 0600, 9000000000, "caf\xc3\xa9");
    assert_int_equal(rec_tar_end(&w, &err), 0);
    assert_int_equal(w.written, tar.len);
    assert_int_equal(tar.len % 512, 0);
    return tar;
}

/* Members, one a line: type, mode, size, mtime, name, link, content. */
static int list(struct rec_buf *out, const char *data, size_t len)
{
    struct memory memory = {data, len, 0};
    struct rec_tar_reader r = {.source = from_memory, .context = &memory, .name = "a.tar"};
    struct rec_tar_member m;
    int status;

    err = (struct rec_err){0};
    while ((status = rec_tar_next(&r, &m, &err)) > 0) {
        char text[200];
        size_t got;
        if (rec_tar_read(&r, text, sizeof text, &got, &err) < 0) {
            status = -1;
            break;
        }
        rec_buf_addf(out, "%c %o %llu %lld %s", m.type, m.mode, (unsigned long long)m.size, (long long)m.mtime, m.name);
        rec_buf_addf(out, " [%s] %.*s\n", m.link, (int)got, text);
    }
    rec_tar_close(&r);
    if (status < 0)
        assert_true(strncmp(err.text, "a.tar: damaged tar before byte ", 31) == 0);
    return status;
}

static void gives_back_what_it_took(void **state)
{
    struct rec_buf tar = sample(), text = {0}, want = {0};

    (void)state;
    assert_int_equal(list(&text, tar.data, tar.len), 0);
    rec_buf_addf(&want, "5 750 0 1600000000 files/dir [] \n0 640 6 1600000001 files/dir/a.txt [] hello\n\n0 600 11 1600000002 %s [] a long name\n"
                 "2 777 0 1600000003 files/link [dir/a.txt] \n2 777 0 1600000003 files/longlink [%s] \n0 600 0 -5 files/empty [] \n"
                 "0 600 5 9000000000 files/\xc3\xa9t\xc3\xa9 [] caf\xc3\xa9\n", long_name, long_name);
    assert_string_equal(text.data, want.data);
    rec_buf_clear(&tar);
    rec_buf_clear(&text);
    rec_buf_clear(&want);
}

static void is_read_by_tar(void **state)
{
    struct rec_buf tar = sample(), command = {0};
    char dir[] = "/tmp/rec-test-tar-XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.tar", dir);
    write_file(path, tar.data, tar.len);
    rec_buf_addf(&command, "set -e; tar -tvf a.tar; tar -xf a.tar; test \"$(cat files/dir/a.txt)\" = hello; test \"$(cat %s)\" = 'a long name'; "
                 "test \"$(readlink files/longlink)\" = %s; test \"$(cat files/link)\" = hello; test \"$(stat -c %%Y files/empty)\" = -5; "
                 "test \"$(stat -c '%%a %%Y' files/dir/a.txt)\" = '640 1600000001'; test -d files/dir; python3 -c \""
                 "import tarfile; t = tarfile.open('a.tar'); assert len(t.getmembers()) == 7, t.getnames()\"", long_name, long_name);
    if (shell(dir, command.data) != 0)
        fail_msg("%s", read_file((snprintf(path, sizeof path, "%s/shell.log", dir), path)).data);
    rec_buf_clear(&tar);
    rec_buf_clear(&command);
    remove_all(dir);
}

static void reads_what_tar_writes(void **state)
{
    static const char *const formats[] = {"ustar", "pax"};
    char dir[] = "/tmp/rec-test-tar-XXXXXX", command[400];

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < 2; i++) {
        struct rec_buf tar, text = {0};
        snprintf(command, sizeof command, "rm -rf d; p=d/%s; mkdir -p \"$(dirname $p)\" && printf abc >$p && ln -s f d/l && chmod 640 $p && "
                 "tar --format=%s -cf a.tar --mtime=@1234567890 --sort=name d", long_name, formats[i]);
        assert_int_equal(shell(dir, command), 0);
        snprintf(command, sizeof command, "%s/a.tar", dir);
        tar = read_file(command);
        assert_int_equal(list(&text, tar.data, tar.len), 0);
        assert_non_null(strstr(text.data, "0 640 3 1234567890 d/"));
        assert_non_null(strstr(text.data, long_name));
        assert_non_null(strstr(text.data, " [] abc\n"));
        assert_non_null(strstr(text.data, " d/l [f] \n"));
        rec_buf_clear(&tar);
        rec_buf_clear(&text);
    }
    remove_all(dir);
}

static void large_sizes_are_in_a_pax_header(void **state)
{
    struct rec_buf tar = {0};
    struct rec_tar_writer w = {.sink = to_memory, .context = &tar};
    struct rec_tar_member m = {.type = REC_TAR_FILE, .name = "big", .mode = 0600, .size = 9ULL << 30};

    (void)state;
    assert_int_equal(rec_tar_add(&w, &m, &err), 0);
    struct memory memory = {tar.data, tar.len, 0};
    struct rec_tar_reader r = {.source = from_memory, .context = &memory, .name = "a.tar"};
    assert_int_equal(rec_tar_next(&r, &m, &err), 1);
    assert_true(m.size == 9ULL << 30);
    assert_int_equal(rec_tar_next(&r, &m, &err), -1);
    rec_tar_close(&r);
    rec_buf_clear(&tar);
}

static void holds_to_sizes(void **state)
{
    struct rec_buf tar = {0};
    struct rec_tar_writer w = {.sink = to_memory, .context = &tar};
    struct rec_tar_member m = {.type = REC_TAR_FILE, .name = "a", .size = 3};

    (void)state;
    assert_int_equal(rec_tar_add(&w, &m, &err), 0);
    assert_int_equal(rec_tar_write(&w, "abcd", 4, &err), -1);
    assert_int_equal(rec_tar_write(&w, "ab", 2, &err), 0);
    assert_int_equal(rec_tar_add(&w, &m, &err), -1);
    assert_int_equal(rec_tar_end(&w, &err), -1);
    rec_buf_clear(&tar);
}

/* A header sealed again after it was changed. */
static void seal(unsigned char *block)
{
    unsigned sum = 0;
    char text[8];
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += block[i];
    snprintf(text, sizeof text, "%06o", sum);
    memcpy(block + 148, text, 7);
}

static struct rec_buf one(const char *name, char type, const char *link)
{
    struct rec_buf tar = {0};
    struct rec_tar_writer w = {.sink = to_memory, .context = &tar};

    add(&w, REC_TAR_FILE, name, "", 0600, 0, "");
    assert_int_equal(rec_tar_end(&w, &err), 0);
    tar.data[156] = type;
    memcpy(tar.data + 157, link, strlen(link));
    seal((unsigned char *)tar.data);
    return tar;
}

static void refuses(const struct rec_buf *tar, size_t len)
{
    struct rec_buf text = {0};
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, tar->data, len);
    assert_int_equal(list(&text, copy, len), -1);
    free(copy);
    rec_buf_clear(&text);
}

static void refuses_what_leads_elsewhere(void **state)
{
    static const char *const names[] = {"/etc/passwd", "../x", "a/../../x", "a/..", "./a", "a/./b", "a//b", "..", ".", "a/", ""};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(names); i++) {
        struct rec_buf tar = one(names[i], '0', "");
        refuses(&tar, tar.len);
        rec_buf_clear(&tar);
    }
}

static void refuses_other_kinds(void **state)
{
    static const char kinds[] = {'1', '3', '4', '6', '7', 'g', 'L', 'K', 'S', 0, 'Z'};

    (void)state;
    for (size_t i = 0; i < sizeof kinds; i++) {
        struct rec_buf tar = one("a", kinds[i], "");
        refuses(&tar, tar.len);
        rec_buf_clear(&tar);
    }
    struct rec_buf link = one("a", '2', ""), file = one("a", '0', "b");
    refuses(&link, link.len);
    refuses(&file, file.len);
    rec_buf_clear(&link);
    rec_buf_clear(&file);
}

static void refuses_what_is_cut_damaged_or_longer(void **state)
{
    struct rec_buf tar = sample();

    (void)state;
    for (size_t n = 0; n < tar.len; n++)
        refuses(&tar, n);
    /* Every byte of a header counts. */
    for (size_t i = 0; i < 512; i++) {
        tar.data[i] ^= 1;
        refuses(&tar, tar.len);
        tar.data[i] ^= 1;
    }
    rec_buf_addc(&tar, 'x');
    refuses(&tar, tar.len);
    rec_buf_clear(&tar);
}

static void refuses_pax_that_lies(void **state)
{
    static const char *const records[] = {"20 path=/etc/passwd\n", "9 path=..\n", "10 path=..\n", "11 path=a\n", "0 path=a\n", "9 path\n", "99999999999999999999 path=a\n",
                                          "-9 path=a\n", "path=a\n", "13 size=99x9\n", "11 size=-1\n", "9 path=a"};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(records); i++) {
        struct rec_buf tar = {0};
        struct rec_tar_writer w = {.sink = to_memory, .context = &tar};
        add(&w, REC_TAR_FILE, "PaxHeaders/a", "", 0600, 0, records[i]);
        add(&w, REC_TAR_FILE, "a", "", 0600, 0, "");
        assert_int_equal(rec_tar_end(&w, &err), 0);
        tar.data[156] = 'x';
        seal((unsigned char *)tar.data);
        refuses(&tar, tar.len);
        rec_buf_clear(&tar);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_it_took),
        cmocka_unit_test(is_read_by_tar),
        cmocka_unit_test(reads_what_tar_writes),
        cmocka_unit_test(large_sizes_are_in_a_pax_header),
        cmocka_unit_test(holds_to_sizes),
        cmocka_unit_test(refuses_what_leads_elsewhere),
        cmocka_unit_test(refuses_other_kinds),
        cmocka_unit_test(refuses_what_is_cut_damaged_or_longer),
        cmocka_unit_test(refuses_pax_that_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
