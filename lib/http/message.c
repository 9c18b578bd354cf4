/* SPDX-License-Identifier: MIT
 *
 * One HTTP/1.1 request, read as RFC 9112 writes it and not more kindly.
 *
 * Bytes come in pieces of any size. Lines are gathered in `head` until their CR LF is there, and are then read whole: the request line,
 * the fields, chunk sizes, trailers. A byte that cannot be part of any line is refused when it comes, so that a client that sends
 * nonsense is answered at once and not when it times out. Bodies go to `body`.
 *
 * What `head` holds in the end: the request line and the fields, their separators replaced by NULs; fields are places in it.
 */
#include <rec/http.h>

#include <string.h>
#include <strings.h>

const struct rec_message_limits rec_message_limits = {8192, 16384, 1 << 20};
const char *const rec_message_methods[] = {"", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE", NULL};

enum { REQUEST_LINE, FIELDS, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILERS, WHOLE, REFUSED };

/* Framing lines of a chunked body (sizes, extensions, trailers) may not outweigh it without end. */
enum { CHUNK_LINE = 256 };

static enum rec_message_result refuse(struct rec_message *m, unsigned status, const char *cause)
{
    m->status = status;
    m->state = REFUSED;
    m->keep_alive = false;
    memset(m->cause, 0, sizeof m->cause);
    memcpy(m->cause, cause, strnlen(cause, sizeof m->cause - 1));
    return REC_MESSAGE_REFUSED;
}

/* ---- letters ---- */

/* RFC 9110, section 5.6.2: the characters of a token. */
static bool is_token(unsigned char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr(others, c));
}

static bool all_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_token((unsigned char)text[i]))
            return false;
    return len > 0;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same_word(const char *a, size_t len, const char *b)
{
    for (size_t i = 0; i < len; i++)
        if (!b[i] || small(a[i]) != small(b[i]))
            return false;
    return !b[len];
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : small(c) >= 'a' && small(c) <= 'f' ? small(c) - 'a' + 10 : -1;
}

/* ---- the request line ---- */

/* RFC 3986: what a path and a query may be written with; a '%' has to be followed by two digits, which rec_target_parse checks. */
static bool is_target(unsigned char c)
{
    static const char others[] = "-._~!$&'()*+,;=:@/?%";

    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr(others, c));
}

/* uri-host [ ":" port ]: a name, an IPv4 address, or an IPv6 address in brackets; letters that a name cannot have are refused. */
static bool is_host(const char *text, size_t len)
{
    size_t i = 0, port = 0;

    if (len && text[0] == '[') {
        for (i = 1; i < len && (hex_digit(text[i]) >= 0 || text[i] == ':' || text[i] == '.'); i++)
            ;
        if (i < 3 || i == len || text[i++] != ']')
            return false;
    } else {
        while (i < len && text[i] != ':' && is_token((unsigned char)text[i]) && !strchr("#^`|", text[i]))
            i++;
        if (!i)
            return false;
    }
    if (i == len)
        return true;
    if (text[i++] != ':')
        return false;
    for (; i < len && text[i] >= '0' && text[i] <= '9' && port <= 65535; i++)
        port = port * 10 + (size_t)(text[i] - '0');
    return i == len && port <= 65535;
}

static enum rec_message_result read_method(struct rec_message *m, const char *text, size_t len)
{
    if (!all_token(text, len))
        return refuse(m, 400, "the request does not begin with a method");
    for (unsigned i = 1; rec_message_methods[i]; i++)
        if (strlen(rec_message_methods[i]) == len && memcmp(rec_message_methods[i], text, len) == 0)
            m->method = (enum rec_message_method)i;
    return m->method ? REC_MESSAGE_MORE : refuse(m, 501, "no such method here");
}

static enum rec_message_result read_version(struct rec_message *m, const char *text, size_t len)
{
    if (len != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' || text[6] != '.' || text[7] < '0' || text[7] > '9')
        return refuse(m, 400, "the request line does not end in HTTP/1.1");
    if (text[5] != '1' || text[7] > '1')
        return refuse(m, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    m->minor = (unsigned)(text[7] - '0');
    m->keep_alive = m->minor == 1;
    return REC_MESSAGE_MORE;
}

/* http://authority/path: the authority takes the place of Host, which has to say the same. */
static enum rec_message_result read_absolute(struct rec_message *m, char *text, size_t len)
{
    size_t scheme = len > 8 && same_word(text, 8, "https://") ? 8 : len > 7 && same_word(text, 7, "http://") ? 7 : 0;
    char *end = scheme ? memchr(text + scheme, '/', len - scheme) : NULL;
    char *query = scheme ? memchr(text + scheme, '?', len - scheme) : NULL;

    if (!scheme || !end || (query && query < end) || !is_host(text + scheme, (size_t)(end - text) - scheme))
        return refuse(m, 400, "the target is neither a path nor a whole http address");
    m->host_at = (size_t)(text - m->head.data) + scheme;
    m->host_len = (size_t)(end - text) - scheme;
    m->target_at = (size_t)(end - m->head.data);
    m->target_len = len - (size_t)(end - text);
    return REC_MESSAGE_MORE;
}

static enum rec_message_result read_target(struct rec_message *m, char *text, size_t len)
{
    bool asterisk = len == 1 && text[0] == '*';

    if (!len)
        return refuse(m, 400, "there is more than one blank in the request line");
    if (asterisk && m->method != REC_OPTIONS)
        return refuse(m, 400, "the target * is for OPTIONS alone");
    for (size_t i = 0; i < len; i++)
        if (!is_target((unsigned char)text[i]) && !(text[0] != '/' && (text[i] == '[' || text[i] == ']')))
            return refuse(m, 400, "the target holds a character that has to be percent-encoded");
    if (text[0] != '/' && !asterisk)
        return read_absolute(m, text, len);
    m->target_at = (size_t)(text - m->head.data);
    m->target_len = len;
    return REC_MESSAGE_MORE;
}

static enum rec_message_result read_request_line(struct rec_message *m, char *text, size_t len)
{
    char *first = memchr(text, ' ', len);
    char *second = first ? memchr(first + 1, ' ', len - (size_t)(first + 1 - text)) : NULL;

    if (!first || !second)
        return refuse(m, 400, "the request line is not METHOD TARGET HTTP/1.1");
    if (read_method(m, text, (size_t)(first - text)) < 0 || read_version(m, second + 1, len - (size_t)(second + 1 - text)) < 0)
        return REC_MESSAGE_REFUSED;
    *first = *second = 0;
    return read_target(m, first + 1, (size_t)(second - first - 1));
}

/* ---- fields ---- */

/* name ":" OWS value OWS; the line is changed in place: the name in small letters, NULs after name and value. */
static enum rec_message_result read_field(struct rec_message *m, char *text, size_t len)
{
    struct rec_message_field *f = &m->field[m->n_fields];
    char *colon = memchr(text, ':', len), *value, *end = text + len;

    if (text[0] == ' ' || text[0] == '\t')
        return refuse(m, 400, "a field is folded over several lines");
    if (!colon || !all_token(text, (size_t)(colon - text)))
        return refuse(m, 400, "a line of the head is not NAME: VALUE");
    if (m->n_fields == REC_MESSAGE_FIELDS)
        return refuse(m, 431, "there are too many fields");
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
        ;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *colon = *end = 0;
    for (char *c = text; c < colon; c++)
        *c = small(*c);
    f->name = (uint32_t)(text - m->head.data);
    f->name_len = (uint32_t)(colon - text);
    f->value = (uint32_t)(value - m->head.data);
    f->value_len = (uint32_t)(end - value);
    m->n_fields++;
    return REC_MESSAGE_MORE;
}

/* Trailers are read as fields are, and then left out: nothing here depends on them. What would change the framing may not be among them. */
static enum rec_message_result read_trailer(struct rec_message *m, char *text, size_t len)
{
    static const char *const forbidden[] = {"content-length", "transfer-encoding", "host", "trailer", "connection", "te", "upgrade",
                                            "content-encoding", "content-type", "content-range", "authorization", "expect"};
    struct rec_message_field *f;

    if (read_field(m, text, len) < 0)
        return REC_MESSAGE_REFUSED;
    f = &m->field[--m->n_fields];
    for (size_t i = 0; i < REC_LENGTH(forbidden); i++)
        if (same_word(m->head.data + f->name, f->name_len, forbidden[i]))
            return refuse(m, 400, "a trailer may not be one of the fields that come before the body");
    return REC_MESSAGE_MORE;
}

/* ---- what the fields say of the framing ---- */

static enum rec_message_result read_length(struct rec_message *m)
{
    size_t len;
    const char *text = rec_message_field(m, "content-length", &len);
    uint64_t n = 0;

    m->has_length = text != NULL;
    if (!text)
        return REC_MESSAGE_MORE;
    if (rec_message_count(m, "content-length") != 1 || !len)
        return refuse(m, 400, "there is not one Content-Length");
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return refuse(m, 400, "Content-Length is not a number");
        if (n > (UINT64_MAX - 9) / 10)
            return refuse(m, 413, "the body is too large");
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    m->left = n;
    return n > m->limits.body ? refuse(m, 413, "the body is too large") : REC_MESSAGE_MORE;
}

static enum rec_message_result read_encoding(struct rec_message *m)
{
    size_t len;
    const char *text = rec_message_field(m, "transfer-encoding", &len);

    m->chunked = text != NULL;
    if (!text)
        return REC_MESSAGE_MORE;
    if (m->has_length)
        return refuse(m, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (m->minor == 0)
        return refuse(m, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (rec_message_count(m, "transfer-encoding") != 1)
        return refuse(m, 400, "there is more than one Transfer-Encoding");
    return same_word(text, len, "chunked") ? REC_MESSAGE_MORE : refuse(m, 501, "the only Transfer-Encoding here is chunked");
}

static enum rec_message_result read_host(struct rec_message *m)
{
    size_t len, n = rec_message_count(m, "host");
    const char *text = rec_message_field(m, "host", &len);

    if (n > 1 || (n == 0 && m->minor == 1))
        return refuse(m, 400, "there is not one Host");
    if (text && !is_host(text, len))
        return refuse(m, 400, "Host is not a host");
    if (text && m->host_at && (len != m->host_len || strncasecmp(text, m->head.data + m->host_at, len) != 0))
        return refuse(m, 400, "Host and the target name different hosts");
    if (text) {
        m->host_at = (size_t)(text - m->head.data);
        m->host_len = len;
    }
    return REC_MESSAGE_MORE;
}

static enum rec_message_result read_expect(struct rec_message *m)
{
    size_t len;
    const char *text = rec_message_field(m, "expect", &len);

    if (!text || m->minor == 0)
        return REC_MESSAGE_MORE;
    if (rec_message_count(m, "expect") != 1 || !same_word(text, len, "100-continue"))
        return refuse(m, 417, "the only expectation met here is 100-continue");
    m->expects = m->chunked || m->left > 0;
    return REC_MESSAGE_MORE;
}

/* The empty line after the fields: what comes next? */
static enum rec_message_result end_head(struct rec_message *m)
{
    if (read_length(m) < 0 || read_encoding(m) < 0 || read_host(m) < 0 || read_expect(m) < 0)
        return REC_MESSAGE_REFUSED;
    if (rec_message_lists(m, "connection", "close"))
        m->keep_alive = false;
    else if (m->minor == 0)
        m->keep_alive = rec_message_lists(m, "connection", "keep-alive");
    m->state = m->chunked ? CHUNK_SIZE : m->left ? BODY : WHOLE;
    return REC_MESSAGE_MORE;
}

/* ---- chunks ---- */

/* Behind a chunk's size: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ), of which BWS is taken for an error. */
static bool is_extension(const char *text, size_t len)
{
    size_t i = 0, start;

    while (i < len) {
        if (text[i++] != ';')
            return false;
        for (start = i; i < len && is_token((unsigned char)text[i]); i++)
            ;
        if (i == start)
            return false;
        if (i == len || text[i] != '=')
            continue;
        start = ++i;
        if (i < len && text[i] == '"') {
            for (i++; i < len && text[i] != '"'; i++)
                if (text[i] == '\\')
                    i++;
            if (i++ >= len)
                return false;
        } else {
            while (i < len && is_token((unsigned char)text[i]))
                i++;
            if (i == start)
                return false;
        }
    }
    return true;
}

static enum rec_message_result read_chunk_size(struct rec_message *m, const char *text, size_t len)
{
    uint64_t n = 0;
    size_t i;

    for (i = 0; i < len && hex_digit(text[i]) >= 0; i++) {
        if (i == 15)
            return refuse(m, 413, "the body is too large");
        n = n * 16 + (uint64_t)hex_digit(text[i]);
    }
    if (!i || !is_extension(text + i, len - i))
        return refuse(m, 400, "a chunk does not begin with its size");
    if (n > m->limits.body || m->body.len + n > m->limits.body)
        return refuse(m, 413, "the body is too large");
    m->left = n;
    m->state = n ? CHUNK : TRAILERS;
    return REC_MESSAGE_MORE;
}

/* ---- lines ---- */

/* The line head.data[line .. len), without CR LF, to who reads it; `head` ends at its NUL. */
static enum rec_message_result read_line(struct rec_message *m)
{
    char *text = m->head.data + m->line;
    size_t len = m->head.len - m->line;
    enum rec_message_result result = REC_MESSAGE_MORE;
    bool keeps = m->state == REQUEST_LINE || m->state == FIELDS;

    if (m->state == REQUEST_LINE && !len && !m->blank) {
        m->blank = true; /* RFC 9112, section 2.2: one empty line before a request is left out */
    } else if (m->state == REQUEST_LINE) {
        result = read_request_line(m, text, len);
        m->state = m->state == REFUSED ? REFUSED : FIELDS;
    } else if (m->state == FIELDS) {
        result = len ? read_field(m, text, len) : end_head(m);
    } else if (m->state == CHUNK_SIZE) {
        result = read_chunk_size(m, text, len);
    } else if (len) {
        result = read_trailer(m, text, len);
    } else {
        m->state = WHOLE;
    }
    if (keeps && len)
        m->head.len++; /* its NUL */
    else
        m->head.len = m->line;
    m->line = m->head.len;
    return result;
}

/* How long the line and its kind may become; 0 when c fits in. */
static unsigned too_long(const struct rec_message *m, size_t more)
{
    size_t len = m->head.len - m->line + more;

    if (m->state == REQUEST_LINE)
        return len > m->limits.line ? 414 : 0;
    if (m->state == CHUNK_SIZE)
        return len > CHUNK_LINE ? 400 : 0;
    return m->total + len > m->limits.head ? 431 : 0;
}

static const char *too_long_cause(unsigned status)
{
    return status == 414 ? "the request line is too long" : status == 431 ? "the fields are too long" : "a chunk's first line is too long";
}

/* Bytes of a line up to its LF, or all there are. Control characters but HTAB are in no line; CR only before LF. */
static enum rec_message_result take_line(struct rec_message *m, const char *bytes, size_t len, size_t *used)
{
    const char *lf = memchr(bytes, '\n', len);
    size_t n = lf ? (size_t)(lf - bytes) : len, text;
    bool cr = m->head.len > m->line && m->head.data[m->head.len - 1] == '\r';
    unsigned status;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (cr || (c < 32 && c != '\t' && c != '\r') || c == 127)
            return refuse(m, 400, cr ? "a CR without LF" : "a control character in the head");
        cr = c == '\r';
    }
    if (lf && !cr)
        return refuse(m, 400, "a line that does not end in CR LF");
    status = too_long(m, n);
    if (status)
        return refuse(m, status, too_long_cause(status));
    rec_buf_add(&m->head, bytes, n);
    if (m->head.failed)
        return refuse(m, 503, "out of memory");
    *used = lf ? n + 1 : n;
    if (!lf)
        return REC_MESSAGE_MORE;
    text = --m->head.len; /* the CR */
    m->head.data[text] = 0;
    if (m->state == FIELDS || m->state == TRAILERS)
        m->total += text - m->line + 2;
    return read_line(m);
}

static enum rec_message_result take_body(struct rec_message *m, const char *bytes, size_t len, size_t *used)
{
    size_t n = len < m->left ? len : (size_t)m->left;

    rec_buf_add(&m->body, bytes, n);
    if (m->body.failed)
        return refuse(m, 503, "out of memory");
    *used = n;
    m->left -= n;
    if (!m->left)
        m->state = m->state == CHUNK ? CHUNK_END : WHOLE;
    return REC_MESSAGE_MORE;
}

/* The CR LF behind a chunk. */
static enum rec_message_result take_chunk_end(struct rec_message *m, const char *bytes, size_t *used)
{
    if (bytes[0] != "\r\n"[m->place])
        return refuse(m, 400, "a chunk is not as long as it says");
    *used = 1;
    if (++m->place == 2) {
        m->place = 0;
        m->state = CHUNK_SIZE;
    }
    return REC_MESSAGE_MORE;
}

/* `head` does not move any more. */
static enum rec_message_result whole(struct rec_message *m)
{
    m->target = m->head.data + m->target_at;
    m->host = m->host_at ? m->head.data + m->host_at : "";
    if (m->expects && !m->told) {
        m->told = true;
        return REC_MESSAGE_CONTINUE;
    }
    return m->state == WHOLE ? REC_MESSAGE_WHOLE : REC_MESSAGE_MORE;
}

enum rec_message_result rec_message_feed(struct rec_message *m, const char *bytes, size_t len, size_t *used)
{
    enum rec_message_result result = REC_MESSAGE_MORE;
    size_t n;

    for (*used = 0; *used < len && m->state != WHOLE && m->state != REFUSED; *used += n) {
        n = 0;
        if (m->state == BODY || m->state == CHUNK)
            result = take_body(m, bytes + *used, len - *used, &n);
        else if (m->state == CHUNK_END)
            result = take_chunk_end(m, bytes + *used, &n);
        else
            result = take_line(m, bytes + *used, len - *used, &n);
        if (m->expects && !m->told && result != REC_MESSAGE_REFUSED) {
            *used += n;
            return whole(m);
        }
    }
    if (m->state == REFUSED)
        return REC_MESSAGE_REFUSED;
    return m->state == WHOLE ? whole(m) : result;
}

/* ---- the life of a message ---- */

void rec_message_begin(struct rec_message *m, const struct rec_message_limits *limits)
{
    *m = (struct rec_message){.limits = *limits};
}

void rec_message_next(struct rec_message *m)
{
    struct rec_buf head = m->head, body = m->body;
    struct rec_message_limits limits = m->limits;

    rec_message_begin(m, &limits);
    m->head = head;
    m->body = body;
    rec_buf_reset(&m->head);
    rec_buf_reset(&m->body);
}

void rec_message_clear(struct rec_message *m)
{
    rec_buf_clear(&m->head);
    rec_buf_clear(&m->body);
    *m = (struct rec_message){.limits = m->limits};
}

bool rec_message_idle(const struct rec_message *m)
{
    return m->state == REQUEST_LINE && m->head.len == 0;
}

bool rec_message_in_body(const struct rec_message *m)
{
    return m->state > FIELDS && m->state < WHOLE;
}
