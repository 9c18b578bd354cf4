/* SPDX-License-Identifier: MIT
 *
 * Requests: what is read, and above all what is refused. Each vector is fed whole, byte by byte, and cut at every place: the result may
 * not depend on it. The smuggling vectors are those by which servers in a row have been made to see different requests.
 */
#include <rec/http.h>

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: example.org\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST /feedback HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct vector {
    unsigned status;      /* 0: it is whole */
    const char *bytes;
    size_t len;
};
#define V(status, text) {status, text, sizeof(text) - 1}

static const struct vector good[] = {
    V(0, GET "\r\n"),
    V(0, "\r\n" GET "\r\n"),
    V(0, "GET / HTTP/1.0\r\n\r\n"),
    V(0, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
    V(0, "TRACE / HTTP/1.1\r\n" HOST "\r\n"),  /* no path has them: their answer is 405 */
    V(0, "QUERY / HTTP/1.1\r\n" HOST "\r\n"),
    V(0, "GET http://example.org/x?y=1 HTTP/1.1\r\n" HOST "\r\n"),
    V(0, "GET http://EXAMPLE.org:80/ HTTP/1.1\r\nHost: example.ORG:80\r\n\r\n"),
    V(0, "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    V(0, "GET / HTTP/1.1\r\nhOST:\t example.org \t\r\n\r\n"),
    V(0, GET "X-Empty:\r\nX-Bytes: \xc3\xa9\r\n\r\n"),
    V(0, POST "Content-Length: 5\r\n\r\nhello"),
    V(0, POST "Content-Length: 0\r\n\r\n"),
    V(0, POST "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    V(0, CHUNKED "2\r\nhe\r\n03;a=b;c;d=\"e \\\" f\"\r\nllo\r\n000\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"),
    V(0, CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
};

static const struct vector bad[] = {
    /* the request line */
    V(400, "GET / HTTP/1.1\n" HOST "\r\n"),
    V(400, "GET  / HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET /  HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET / HTTP/1.1 \r\n" HOST "\r\n"),
    V(400, " GET / HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "\r\n\r\n" GET "\r\n"),
    V(400, "GET /\r\n"),
    V(400, "GET / http/1.1\r\n" HOST "\r\n"),
    V(400, "GET / HTTP/1.1x\r\n" HOST "\r\n"),
    V(400, "GET / HTTP/11\r\n" HOST "\r\n"),
    V(400, "GET / HTTP/1.10\r\n" HOST "\r\n"),
    V(505, "GET / HTTP/2.0\r\n" HOST "\r\n"),
    V(505, "GET / HTTP/1.2\r\n" HOST "\r\n"),
    V(505, "GET / HTTP/0.9\r\n" HOST "\r\n"),
    V(501, "get / HTTP/1.1\r\n" HOST "\r\n"),
    V(501, "CONNECT example.org:80 HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "G(T / HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET * HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET x HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET /a b HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET /#f HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET /a\\b HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET /<x> HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET ftp://example.org/ HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET http://example.org HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET http://a@example.org/ HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET http://other.org/ HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "GET /\0 HTTP/1.1\r\n" HOST "\r\n"),
    V(400, "\x16\x03\x01\x02"),
    /* fields */
    V(400, "GET / HTTP/1.1\r\nHost : example.org\r\n\r\n"),
    V(400, GET "X: a\r\n b\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n"),
    V(400, GET "X\r\n\r\n"),
    V(400, GET ": a\r\n\r\n"),
    V(400, GET "X Y: a\r\n\r\n"),
    V(400, GET "X\xe9: a\r\n\r\n"),
    V(400, GET "X: a\0b\r\n\r\n"),
    V(400, GET "X: a\rb\r\n\r\n"),
    V(400, GET "X: a\r\r\n\r\n"),
    V(400, GET "X: a\n\r\n"),
    V(400, GET "X: a\r\n\n"),
    V(400, GET "X: a\x7f\r\n\r\n"),
    V(400, GET "X: a\x01\r\n\r\n"),
    /* Host */
    V(400, "GET / HTTP/1.1\r\n\r\n"),
    V(400, GET HOST "\r\n"),
    V(400, "GET / HTTP/1.0\r\n" HOST HOST "\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    V(400, "GET / HTTP/1.1\r\nHost: <script>\r\n\r\n"),
    /* Content-Length */
    V(400, POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    V(400, POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    V(400, POST "Content-Length: 5, 5\r\n\r\nhello"),
    V(400, POST "Content-Length: +5\r\n\r\nhello"),
    V(400, POST "Content-Length: -5\r\n\r\nhello"),
    V(400, POST "Content-Length: 0x5\r\n\r\nhello"),
    V(400, POST "Content-Length: 5 5\r\n\r\nhello"),
    V(400, POST "Content-Length: 5.0\r\n\r\nhello"),
    V(400, POST "Content-Length: 1e1\r\n\r\nhello"),
    V(400, POST "Content-Length:\r\n\r\nhello"),
    V(400, POST "Content-Length: \xd9\xa5\r\n\r\nhello"),
    V(400, POST "Content-Length : 5\r\n\r\nhello"),
    V(413, POST "Content-Length: 18446744073709551621\r\n\r\nhello"),
    V(413, POST "Content-Length: 1048577\r\n\r\n"),
    /* Transfer-Encoding */
    V(400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    V(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    V(400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    V(400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    V(400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    V(501, POST "Transfer-Encoding: identity\r\n\r\n"),
    V(501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    V(501, POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    V(501, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    V(501, POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    V(501, POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    V(501, POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    V(400, POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    V(400, POST "Transfer-Encoding:\x0b" "chunked\r\n\r\n0\r\n\r\n"),
    V(400, POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    /* chunks */
    V(400, CHUNKED "\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "+5\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED " 5\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "5\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "5\r\nhello0\r\n\r\n"),
    V(400, CHUNKED "5\r\nhello\n0\r\n\r\n"),
    V(400, CHUNKED "4\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "6\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "5;\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "5;a=\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "5;a=\"b\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n"),
    V(400, CHUNKED "5 ;a\r\nhello\r\n0\r\n\r\n"),
    V(413, CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    V(413, CHUNKED "FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
    V(413, CHUNKED "100001\r\n"),
    V(400, CHUNKED "0\r\nContent-Length: 5\r\n\r\nhello"),
    V(400, CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    V(400, CHUNKED "0\r\n X: folded\r\n\r\n"),
    V(400, CHUNKED "0\r\nX\r\n\r\n"),
    V(400, CHUNKED "0\r\n\n"),
    /* the rest */
    V(417, POST "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello"),
};

/* Feeds bytes in pieces of `piece`, the first of them of `first`; says yes to Expect. */
static enum rec_message_result feed(struct rec_message *m, const char *bytes, size_t len, size_t first, size_t piece, size_t *used)
{
    enum rec_message_result result = REC_MESSAGE_MORE;
    size_t n = first ? first : piece, took;

    for (*used = 0; *used < len && (result == REC_MESSAGE_MORE || result == REC_MESSAGE_CONTINUE); n = piece) {
        n = n < len - *used ? n : len - *used;
        result = rec_message_feed(m, bytes + *used, n, &took);
        assert_true(took <= n);
        assert_true(result != REC_MESSAGE_MORE || took == n);
        *used += took;
    }
    return result;
}

static void check(const struct vector *v, size_t first, size_t piece)
{
    struct rec_message m;
    enum rec_message_result result;
    size_t used;

    rec_message_begin(&m, &rec_message_limits);
    result = feed(&m, v->bytes, v->len, first, piece, &used);
    if (v->status ? result != REC_MESSAGE_REFUSED || m.status != v->status : result != REC_MESSAGE_WHOLE || used != v->len)
        fail_msg("%d, status %u (%s), not %u, in pieces of %zu, %zu: %.*s", result, m.status, m.cause, v->status, first, piece, (int)v->len,
                 v->bytes);
    if (v->status) {
        assert_true(m.cause[0] != 0);
        assert_false(m.keep_alive);
        assert_int_equal(rec_message_feed(&m, "GET / HTTP/1.1\r\n", 16, &used), REC_MESSAGE_REFUSED);
        assert_int_equal(used, 0);
    }
    rec_message_clear(&m);
}

static void vectors(void **state)
{
    (void)state;
    for (int set = 0; set < 2; set++)
        for (size_t i = 0; i < (set ? REC_LENGTH(bad) : REC_LENGTH(good)); i++) {
            const struct vector *v = set ? &bad[i] : &good[i];

            check(v, 0, v->len);
            check(v, 0, 1);
            for (size_t cut = 1; cut < v->len; cut++)
                check(v, cut, v->len);
        }
}

static void what_is_read(void **state)
{
    static const char bytes[] = "POST /v1/feedback?k=5 HTTP/1.1\r\nHost: example.org:81\r\nAccept-Encoding: br;q=1, GZIP;q=0.5, x;q=0\r\n"
                                "accept-encoding: deflate ;q=0.000\r\nX-One:  a  b \r\nTransfer-Encoding: chunked\r\n\r\n"
                                "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nGET /next HTTP/1.0\r\nConnection: a, Keep-Alive\r\n\r\n";
    struct rec_message m;
    size_t used, len, at;

    (void)state;
    rec_message_begin(&m, &rec_message_limits);
    assert_true(rec_message_idle(&m));
    assert_int_equal(feed(&m, bytes, sizeof bytes - 1, 0, 7, &used), REC_MESSAGE_WHOLE);
    assert_int_equal(m.method, REC_POST);
    assert_string_equal(m.target, "/v1/feedback?k=5");
    assert_int_equal(m.target_len, 16);
    assert_int_equal(m.host_len, 14);
    assert_memory_equal(m.host, "example.org:81", 14);
    assert_true(m.keep_alive);
    assert_int_equal(m.body.len, 5);
    assert_memory_equal(m.body.data, "hello", 5);
    assert_string_equal(rec_message_field(&m, "x-one", &len), "a  b");
    assert_int_equal(len, 4);
    assert_null(rec_message_field(&m, "x-two", &len));
    assert_int_equal(rec_message_count(&m, "accept-encoding"), 2);
    assert_true(rec_message_lists(&m, "accept-encoding", "gzip"));
    assert_true(rec_message_lists(&m, "accept-encoding", "br"));
    assert_false(rec_message_lists(&m, "accept-encoding", "deflate"));
    assert_false(rec_message_lists(&m, "accept-encoding", "x"));
    assert_false(rec_message_lists(&m, "accept-encoding", "zip"));
    at = used;
    rec_message_next(&m);
    assert_int_equal(feed(&m, bytes + at, sizeof bytes - 1 - at, 0, 9, &used), REC_MESSAGE_WHOLE);
    assert_string_equal(m.target, "/next");
    assert_int_equal(m.minor, 0);
    assert_true(m.keep_alive);
    assert_int_equal(m.body.len, 0);
    rec_message_clear(&m);
}

static void closing(void **state)
{
    static const struct { const char *bytes; bool keep; } cases[] = {
        {GET "\r\n", true}, {GET "Connection: close\r\n\r\n", false}, {GET "Connection: keep-alive, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false}, {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false}, {GET "Connection: closed\r\n\r\n", true},
    };
    struct rec_message m;
    size_t used;

    (void)state;
    rec_message_begin(&m, &rec_message_limits);
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        assert_int_equal(feed(&m, cases[i].bytes, strlen(cases[i].bytes), 0, 1000, &used), REC_MESSAGE_WHOLE);
        assert_int_equal(m.keep_alive, cases[i].keep);
        rec_message_next(&m);
    }
    rec_message_clear(&m);
}

/* "100 Continue" is asked for once, before the body, and only where there will be one. */
static void expectation(void **state)
{
    static const char head[] = POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n", none[] = POST "Expect: 100-continue\r\n\r\n";
    struct rec_message m;
    size_t used;

    (void)state;
    rec_message_begin(&m, &rec_message_limits);
    assert_int_equal(rec_message_feed(&m, head, sizeof head - 1, &used), REC_MESSAGE_CONTINUE);
    assert_int_equal(used, sizeof head - 1);
    assert_string_equal(m.target, "/feedback");
    assert_int_equal(rec_message_feed(&m, "hel", 3, &used), REC_MESSAGE_MORE);
    assert_int_equal(rec_message_feed(&m, "lo", 2, &used), REC_MESSAGE_WHOLE);
    rec_message_next(&m);
    assert_int_equal(rec_message_feed(&m, none, sizeof none - 1, &used), REC_MESSAGE_WHOLE);
    rec_message_clear(&m);
}

/* Fills `text` with n bytes of `c` between two parts. */
static size_t between(char *out, const char *before, char c, size_t n, const char *after)
{
    size_t len = strlen(before);

    memcpy(out, before, len);
    memset(out + len, c, n);
    memcpy(out + len + n, after, strlen(after));
    return len + n + strlen(after);
}

static void limits(void **state)
{
    struct rec_message_limits small = {64, 256, 1000};
    static char text[70000];
    struct rec_message m;
    size_t used, len;

    (void)state;
    rec_message_begin(&m, &small);
    len = between(text, "GET /", 'a', 64 - 15, " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(feed(&m, text, len, 0, 1, &used), REC_MESSAGE_WHOLE);
    rec_message_next(&m);
    len = between(text, "GET /", 'a', 65, "");
    assert_int_equal(feed(&m, text, len, 0, 1, &used), REC_MESSAGE_REFUSED);
    assert_int_equal(m.status, 414);
    rec_message_next(&m);
    len = between(text, GET "X: ", 'a', 300, "");
    assert_int_equal(feed(&m, text, len, 0, 1, &used), REC_MESSAGE_REFUSED);
    assert_int_equal(m.status, 431);
    rec_message_next(&m);
    len = between(text, POST "Content-Length: 1001\r\n\r\n", 'a', 0, "");
    assert_int_equal(feed(&m, text, len, 0, 1, &used), REC_MESSAGE_REFUSED);
    assert_int_equal(m.status, 413);
    rec_message_next(&m);
    len = between(text, CHUNKED "3e8\r\n", 'a', 1000, "\r\n1\r\na\r\n0\r\n\r\n");
    assert_int_equal(feed(&m, text, len, 0, 1000, &used), REC_MESSAGE_REFUSED);
    assert_int_equal(m.status, 413);
    rec_message_next(&m);
    len = between(text, CHUNKED "1;", 'a', 300, "\r\n");
    assert_int_equal(feed(&m, text, len, 0, 1000, &used), REC_MESSAGE_REFUSED);
    assert_int_equal(m.status, 400);
    rec_message_clear(&m);

    rec_message_begin(&m, &rec_message_limits);
    len = between(text, GET, 'a', 0, "");
    for (int i = 0; i < 99; i++, len += 6)
        memcpy(text + len, "X: a\r\n", 6);
    assert_int_equal(feed(&m, text, len, 0, 1000, &used), REC_MESSAGE_MORE);
    assert_int_equal(feed(&m, "X: a\r\n", 6, 0, 1000, &used), REC_MESSAGE_REFUSED);
    assert_int_equal(m.status, 431);
    rec_message_clear(&m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors), cmocka_unit_test(what_is_read), cmocka_unit_test(closing),
        cmocka_unit_test(expectation), cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
