/* SPDX-License-Identifier: MIT
 *
 * The listener's TLS, with OpenSSL as the client: versions, protocols, certificates read anew, clients that speak no TLS, or none in time.
 */
#include "listening.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static char directory[] = "/tmp/rec-listen-tls-XXXXXX";
static char cert[64], key[64];

/* ---- certificates ---- */

static void write_pair(const char *cert_path, const char *key_path, long serial)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    FILE *f;

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, pair);
    assert_true(X509_sign(x, pair, EVP_sha256()) > 0);
    assert_non_null(f = fopen(cert_path, "w"));
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(fclose(f), 0);
    assert_non_null(f = fopen(key_path, "w"));
    assert_int_equal(PEM_write_PrivateKey(f, pair, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x);
    EVP_PKEY_free(pair);
}

static int set_up(void **state)
{
    (void)state;
    make_directory(directory);
    snprintf(cert, sizeof cert, "%s/cert.pem", directory);
    snprintf(key, sizeof key, "%s/key.pem", directory);
    write_pair(cert, key, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(cert);
    unlink(key);
    return rmdir(directory);
}

/* ---- a client ---- */

struct client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

/* @param alpn  protocols in wire form, or NULL.  @return whether the handshake succeeded. */
static bool shake(struct client *c, const struct server *s, int version, const char *alpn)
{
    c->fd = dial(s);
    c->context = SSL_CTX_new(TLS_client_method());
    /* Whatever the system's policy is, the client would speak old TLS. */
    SSL_CTX_set_security_level(c->context, 0);
    SSL_CTX_set_min_proto_version(c->context, TLS1_VERSION);
    if (version) {
        SSL_CTX_set_min_proto_version(c->context, version);
        SSL_CTX_set_max_proto_version(c->context, version);
    }
    c->ssl = SSL_new(c->context);
    if (alpn)
        SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_fd(c->ssl, c->fd);
    ERR_clear_error();
    return SSL_connect(c->ssl) == 1;
}

/* @return whether the answer came. */
static bool ask(struct client *c, const char *request, const char *answer)
{
    char out[8192];
    size_t len = 0;
    int n = *request ? SSL_write(c->ssl, request, (int)strlen(request)) : 1;

    out[0] = 0;
    while (n > 0 && !strstr(out, answer) && len < sizeof out - 1 && (n = SSL_read(c->ssl, out + len, (int)(sizeof out - 1 - len))) > 0) {
        len += (size_t)n;
        out[len] = 0;
    }
    return strstr(out, answer) != NULL;
}

static void hang_up(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
}

static long serial(const struct client *c)
{
    X509 *x = SSL_get1_peer_certificate(c->ssl);
    long number = ASN1_INTEGER_get(X509_get0_serialNumber(x));

    X509_free(x);
    return number;
}

static void start_tls(struct server *s, const struct rec_inetd_timeouts *timeouts)
{
    start(s, (struct rec_listen_options){.tls_cert = cert, .tls_key = key, .timeouts = timeouts});
}

/* ---- tests ---- */

static void versions(void **state)
{
    struct server s;
    struct client c;
    char end[16];

    (void)state;
    start_tls(&s, NULL);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_true(shake(&c, &s, version, NULL));
        assert_true(ask(&c, GET("/a"), "\r\n\r\na:"));
        assert_true(ask(&c, GET("/later"), "\r\n\r\nlater:"));
        assert_false(SSL_session_reused(c.ssl));
        assert_true(ask(&c, "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "\r\n\r\na:"));
        assert_int_equal(SSL_read(c.ssl, end, sizeof end), 0); /* it says that this is the end */
        assert_int_equal(SSL_get_error(c.ssl, 0), SSL_ERROR_ZERO_RETURN);
        hang_up(&c);
    }
    for (int version = TLS1_VERSION; version < TLS1_2_VERSION; version++) {
        assert_false(shake(&c, &s, version, NULL));
        hang_up(&c);
    }
    /* No renegotiation. */
    assert_true(shake(&c, &s, TLS1_2_VERSION, NULL));
    SSL_renegotiate(c.ssl);
    assert_int_not_equal(SSL_do_handshake(c.ssl), 1);
    hang_up(&c);
    stop(&s);
}

static void protocols(void **state)
{
    struct server s;
    struct client c;
    const unsigned char *chosen;
    unsigned len;

    (void)state;
    start_tls(&s, NULL);
    assert_true(shake(&c, &s, 0, "\x02h2\x08http/1.1"));
    SSL_get0_alpn_selected(c.ssl, &chosen, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    assert_true(ask(&c, GET("/a"), "\r\n\r\na:"));
    hang_up(&c);
    assert_false(shake(&c, &s, 0, "\x02h2"));
    hang_up(&c);
    stop(&s);
}

/* Much in both directions, while the client is slow to read. */
static void much(void **state)
{
    struct server s;
    struct client c;
    size_t total = 0;
    char *block = malloc(BIG);
    struct rec_buf request = {0};
    int n;

    (void)state;
    start_tls(&s, NULL);
    assert_true(shake(&c, &s, 0, NULL));
    for (int i = 0; i < 60000; i++)
        rec_buf_adds(&request, "body ");
    assert_true(SSL_write(c.ssl, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 300000\r\n\r\n", 18 + 9 + 24 + 2) > 0);
    assert_int_equal(SSL_write(c.ssl, request.data, (int)request.len), (int)request.len);
    for (int i = 0; i < 99; i++)
        assert_true(SSL_write(c.ssl, GET("/big"), (int)strlen(GET("/big"))) > 0);
    assert_true(SSL_write(c.ssl, "GET /big HTTP/1.0\r\n\r\n", 21) > 0);
    usleep(100000);
    assert_true(s.handled < 100);
    while ((n = SSL_read(c.ssl, block, BIG)) > 0)
        total += (size_t)n;
    assert_int_equal(SSL_get_error(c.ssl, n), SSL_ERROR_ZERO_RETURN);
    assert_true(total > 300000 + 100u * BIG);
    assert_int_equal(s.handled, 101);
    hang_up(&c);
    rec_buf_clear(&request);
    free(block);
    stop(&s);
}

static void what_is_no_tls(void **state)
{
    static const struct rec_inetd_timeouts quick = {.head = 0.2, .body = 0.3, .idle = 10, .write = 0.3, .slowest = 256};
    struct server s;
    struct client c;
    char out[4096];
    double begun;
    int fd;

    (void)state;
    start_tls(&s, &quick);
    fd = dial(&s);
    say(fd, GET("/a"));
    hear(fd, out, sizeof out);
    assert_null(strstr(out, "HTTP/"));
    /* A handshake that does not go on. */
    begun = now();
    fd = dial(&s);
    say(fd, "\x16\x03\x01\x02");
    hear(fd, out, sizeof out);
    assert_true(now() - begun < 5);
    /* Clients that are gone without a word, before and after. */
    assert_true(shake(&c, &s, 0, NULL));
    hang_up(&c);
    assert_true(shake(&c, &s, 0, NULL));
    assert_int_equal(SSL_write(c.ssl, GET("/hold"), (int)strlen(GET("/hold"))), (int)strlen(GET("/hold")));
    WAIT_FOR(s.n_held == 1);
    hang_up(&c);
    usleep(20000);
    release_held(&s);
    WAIT_FOR(s.finished == 1);
    assert_int_equal(s.handled, 1);
    WAIT_FOR(rec_listen_connections(s.listener) == 0);
    stop(&s);
}

static void certificates(void **state)
{
    struct rec_listen_options half = {.tls_cert = cert}, none = {.tls_cert = "/no/such/cert.pem", .tls_key = key}, swapped = {.tls_cert = key, .tls_key = cert};
    struct rec_err err = {0};
    struct server s;
    struct client old, c;
    char other[80];

    (void)state;
    assert_false(server_start(&s, half, &err));
    assert_non_null(strstr(err.text, "needs its key"));
    assert_false(server_start(&s, none, &err));
    assert_string_equal(err.text, "/no/such/cert.pem: no certificate can be read from it: no such file or directory");
    assert_false(server_start(&s, swapped, &err));
    assert_non_null(strstr(err.text, "no certificate can be read from it: "));

    start_tls(&s, NULL);
    assert_true(shake(&old, &s, 0, NULL));
    assert_int_equal(serial(&old), 1);
    write_pair(cert, key, 2);
    rec_listen_reload(s.listener);
    WAIT_FOR(s.reloads == 1);
    assert_true(shake(&c, &s, 0, NULL));
    assert_int_equal(serial(&c), 2);
    assert_true(ask(&c, GET("/a"), "\r\n\r\na:"));
    hang_up(&c);
    /* A certificate without its key is not taken, and told of. */
    snprintf(other, sizeof other, "%s.other", key);
    write_pair(cert, other, 3);
    unlink(other);
    rec_listen_reload(s.listener);
    WAIT_FOR(s.reloads == 2);
    assert_int_equal(s.told, 1);
    assert_ptr_equal(strstr(s.line, key), s.line);
    assert_true(shake(&c, &s, 0, NULL));
    assert_int_equal(serial(&c), 2);
    hang_up(&c);
    assert_true(ask(&old, GET("/a"), "\r\n\r\na:"));
    hang_up(&old);
    stop(&s);
    write_pair(cert, key, 1);
}

static void stopping(void **state)
{
    struct server s;
    struct client idle, held;
    char out[16];

    (void)state;
    start_tls(&s, NULL);
    assert_true(shake(&idle, &s, 0, NULL));
    assert_true(shake(&held, &s, 0, NULL));
    assert_true(SSL_write(held.ssl, GET("/hold"), (int)strlen(GET("/hold"))) > 0);
    WAIT_FOR(s.n_held == 1);
    rec_listen_stop(s.listener);
    assert_int_equal(SSL_read(idle.ssl, out, sizeof out), 0);
    assert_int_equal(SSL_get_error(idle.ssl, 0), SSL_ERROR_ZERO_RETURN);
    release_held(&s);
    assert_true(ask(&held, "", "Connection: close\r\n"));
    hang_up(&idle);
    hang_up(&held);
    join(&s);
    rec_listen_close(s.listener);
    assert_int_equal(s.finished, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions), cmocka_unit_test(protocols), cmocka_unit_test(much), cmocka_unit_test(what_is_no_tls),
        cmocka_unit_test(certificates), cmocka_unit_test(stopping),
    };
    /* OpenSSL as the client writes to sockets that may be closed. */
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("listen_tls", tests, set_up, tear_down);
}
