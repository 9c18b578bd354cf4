/* SPDX-License-Identifier: MIT
 *
 * What a listener can listen on: addresses, socket files, a socket that was handed over.
 */
#include "listening.h"

static void socket_files(void **state)
{
    char directory[] = "/tmp/rec-listen-XXXXXX", path[64], address[80], out[4096];
    struct server s, other;
    struct rec_err err = {0};
    struct stat st;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd;

    (void)state;
    snprintf(path, sizeof path, "%s/a.sock", make_directory(directory));
    snprintf(address, sizeof address, "unix:%s", path);
    /* One that was left behind. */
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    close(fd);
    start(&s, (struct rec_listen_options){.address = address});
    assert_string_equal(rec_listen_address(s.listener), address);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_false(server_start(&other, (struct rec_listen_options){.address = address}, &err));
    assert_non_null(strstr(err.text, "somebody listens there already"));
    fd = dial(&s);
    say(fd, "GET /later HTTP/1.0\r\n\r\n");
    assert_true(hear(fd, out, sizeof out) > 0);
    stop(&s);
    assert_int_equal(stat(path, &st), -1);
    /* A file of somebody's is left alone, and so is a socket that took our place. */
    fd = creat(path, 0600);
    close(fd);
    assert_false(server_start(&s, (struct rec_listen_options){.address = address}, &err));
    assert_non_null(strstr(err.text, "no socket"));
    assert_int_equal(unlink(path), 0);
    start(&s, (struct rec_listen_options){.address = address});
    unlink(path);
    start(&other, (struct rec_listen_options){.address = address});
    stop(&s);
    assert_int_equal(stat(path, &st), 0);
    stop(&other);
    assert_int_equal(rmdir(directory), 0);
}

static void inherited(void **state)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rec_err err = {0};
    struct server s;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_false(server_start(&s, (struct rec_listen_options){.fd = fd}, &err));
    assert_non_null(strstr(err.text, "not a socket that listens"));
    assert_int_equal(listen(fd, 16), 0);
    start(&s, (struct rec_listen_options){.fd = fd});
    client = dial(&s);
    say(client, GET("/a"));
    hear_until(client, "\r\n\r\na:");
    close(client);
    stop(&s);
    start(&s, (struct rec_listen_options){.fd = fd}); /* it listens still */
    stop(&s);
    close(fd);
}

static void addresses(void **state)
{
    static const struct { const char *address, *cause; } wrong[] = {
        {"8080", "write host:port"}, {"127.0.0.1:", "the port is a number"}, {"127.0.0.1:65536", "the port is a number"},
        {"127.0.0.1:+80", "the port is a number"}, {"::1:8080", "in brackets"}, {"unix:", "1 to 107 bytes"}, {"unix:/no/such/place/s", "no such file"},
        {"no.such.host.invalid:80", "no.such.host.invalid:80: "},
    };
    static const char *const right[] = {"localhost:0", ":0", "127.0.0.1:0"};
    struct rec_err err = {0};
    struct server s, other;
    char again[64];

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(wrong); i++) {
        assert_false(server_start(&s, (struct rec_listen_options){.address = wrong[i].address}, &err));
        if (!strstr(err.text, wrong[i].cause))
            fail_msg("%s: %s", wrong[i].address, err.text);
    }
    for (size_t i = 0; i < REC_LENGTH(right); i++) {
        start(&s, (struct rec_listen_options){.address = right[i]});
        assert_null(strstr(rec_listen_address(s.listener) + strlen(rec_listen_address(s.listener)) - 2, ":0"));
        if (i + 1 == REC_LENGTH(right)) {
            snprintf(again, sizeof again, "%s", rec_listen_address(s.listener));
            assert_false(server_start(&other, (struct rec_listen_options){.address = again}, &err));
            assert_non_null(strstr(err.text, "address already in use"));
        }
        stop(&s);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(socket_files), cmocka_unit_test(inherited), cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests_name("listen_socket", tests, NULL, NULL);
}
