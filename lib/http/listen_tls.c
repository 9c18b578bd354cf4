/* SPDX-License-Identifier: MIT
 *
 * TLS 1.2 and 1.3 by OpenSSL, with what RFC 9325 recommends: forward secrecy and authenticated encryption only, no renegotiation, no
 * compression. There are no session tickets, whose key would have to be rotated, and no sessions kept. ALPN (RFC 7301): http/1.1.
 */
#include "listen_priv.h"

#include <errno.h>
#include <sys/socket.h>

#include <openssl/err.h>

/* ---- bytes of a socket: OpenSSL's own way to write raises SIGPIPE ---- */

static int bio_fd(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

static int again(BIO *bio, ssize_t n, void (*retry)(BIO *bio))
{
    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        retry(bio);
    return (int)n;
}

static void retry_read(BIO *bio)
{
    BIO_set_retry_read(bio);
}

static void retry_write(BIO *bio)
{
    BIO_set_retry_write(bio);
}

static int bio_read(BIO *bio, char *out, int len)
{
    return again(bio, recv(bio_fd(bio), out, (size_t)len, 0), retry_read);
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    return again(bio, send(bio_fd(bio), bytes, (size_t)len, MSG_NOSIGNAL), retry_write);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    if (!method)
        return;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

SSL *rec_listen_tls_new(SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);
    BIO *bio = ssl ? BIO_new(method) : NULL;

    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    BIO_set_data(bio, (void *)(intptr_t)fd); /* NOLINT(performance-no-int-to-ptr): the descriptor itself is what it carries */
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return ssl;
}

/* ---- the certificate and what is spoken ---- */

/* A client that offers protocols, and HTTP/1.1 not among them, is told so instead of being answered in what it does not speak. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *context)
{
    static const char http[] = "http/1.1";

    (void)ssl, (void)context;
    for (unsigned i = 0; i < in_len; i += 1u + in[i]) {
        if (in[i] == sizeof http - 1 && in_len - i > in[i] && memcmp(in + i + 1, http, sizeof http - 1) == 0) {
            *out = in + i + 1;
            *out_len = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A key with a password cannot be used: nobody is there to be asked. */
static int no_password(char *out, int room, int writing, void *context)
{
    (void)out, (void)room, (void)writing, (void)context;
    return -1;
}

static int failed(struct rec_err *err, const char *file, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    int system = ERR_SYSTEM_ERROR(code) ? ERR_GET_REASON(code) : 0;

    while ((code = ERR_get_error()) != 0)
        if (ERR_SYSTEM_ERROR(code))
            system = ERR_GET_REASON(code);
    errno = system;
    return system ? rec_err_errno(err, "%s: %s", file, what) : rec_err_set(err, "%s: %s: %s", file, what, reason ? reason : "unknown error");
}

static int load(SSL_CTX *context, const char *cert, const char *key, struct rec_err *err)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return failed(err, cert, "no certificate can be read from it");
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return failed(err, key, "no private key of that certificate can be read from it");
    if (SSL_CTX_check_private_key(context) != 1)
        return failed(err, key, "not the key of the certificate");
    return 0;
}

int rec_listen_tls_context(SSL_CTX **out, const char *cert, const char *key, struct rec_err *err)
{
    SSL_CTX *context;

    *out = NULL;
    pthread_once(&method_once, make_method);
    context = method ? SSL_CTX_new(TLS_server_method()) : NULL;
    if (!context)
        return rec_err_memory(err, "tls");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                        SSL_OP_PRIORITIZE_CHACHA);
    /* Buffers are given back while nothing is sent or read: that is what an idle connection would hold most of. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 || SSL_CTX_set_num_tickets(context, 0) != 1 ||
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
        failed(err, "tls", "cannot be set up");
        goto failed;
    }
    if (load(context, cert, key, err) < 0)
        goto failed;
    *out = context;
    return 0;
failed:
    SSL_CTX_free(context);
    return -1;
}

/* ---- handshake, bytes, end ---- */

/* What a call that did not succeed means. An end without close_notify is an end: the length of a request says whether it was whole. */
static int outcome(SSL *ssl, int status)
{
    switch (SSL_get_error(ssl, status)) {
    case SSL_ERROR_WANT_READ:
        return REC_LISTEN_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return REC_LISTEN_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        ERR_clear_error();
        return REC_LISTEN_BROKEN;
    }
}

int rec_listen_tls_accept(SSL *ssl)
{
    int status;

    ERR_clear_error();
    status = SSL_accept(ssl);
    if (status == 1)
        return 1;
    status = outcome(ssl, status);
    return status ? status : REC_LISTEN_BROKEN;
}

ssize_t rec_listen_tls_read(SSL *ssl, char *out, size_t len)
{
    size_t n = 0;
    int status;

    ERR_clear_error();
    status = SSL_read_ex(ssl, out, len, &n);
    return status == 1 ? (ssize_t)n : outcome(ssl, status);
}

ssize_t rec_listen_tls_write(SSL *ssl, const char *bytes, size_t len)
{
    size_t n = 0;
    int status;

    ERR_clear_error();
    status = SSL_write_ex(ssl, bytes, len, &n);
    if (status == 1)
        return (ssize_t)n;
    status = outcome(ssl, status);
    return status ? status : REC_LISTEN_BROKEN;
}

void rec_listen_tls_end(SSL *ssl)
{
    ERR_clear_error();
    SSL_shutdown(ssl);
    ERR_clear_error();
}
