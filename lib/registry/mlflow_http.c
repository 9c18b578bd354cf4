/* SPDX-License-Identifier: MIT
 *
 * One request to MLflow's REST API (2.0) and its answer, by libcurl.
 *
 * The server is not trusted more than need be: an answer has a size that it may not exceed and a time that it may not outlast, redirects are
 * reported and not followed, so that a token goes to nobody but whom it was meant for, and no message holds a secret, not even where
 * the server sends one back. A POST is never repeated here: whether it was carried out is found out by those who know what to look for.
 */
#include "mlflow_priv.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)16 << 20)
#define ANSWER_DEEPEST 64
#define CONNECT_SECONDS 5
#define SLOWEST 65536            /* bytes a second: what a file's time is reckoned by */

/* What one answer is collected in. */
struct answer {
    struct rec_buf text;         /* JSON, or what the server says of a failure */
    CURL *curl;
    int fd;                      /* where a file goes when the status is 200; -1: into text */
    uint64_t bytes, limit;
    struct rec_sha256 hash;
    const char *why;             /* why we gave up, or NULL */
    int failed;                  /* errno of a write */
};

/* What is sent. */
struct content {
    int fd;                      /* or */
    const char *text;
    uint64_t bytes, at;
};

static void start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- address --------------------------------------------------------------------------------------- */

/* http://user:password@host/path/ becomes "http://host/path" and "user:password". */
static int split_url(struct mlflow_http *http, const char *url, struct rec_err *err)
{
    const char *host = url ? strstr(url, "://") : NULL;
    struct rec_buf clean = {0};

    if (!host || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return rec_err_set(err, "MLflow's address: neither http:// nor https://: an MLflow server is needed, not its files or data base");
    host += 3;
    size_t len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', len);
    if (at && !http->mlflow->user) {
        char *user = curl_easy_unescape(http->curl, host, (int)(at - host), NULL);
        http->user = user ? strdup(user) : NULL;
        curl_free(user);
        if (!http->user)
            return rec_err_memory(err, "MLflow's address");
    }
    rec_buf_add(&clean, url, (size_t)(host - url));
    rec_buf_adds(&clean, at ? at + 1 : host);
    while (clean.len > 0 && !clean.failed && clean.data[clean.len - 1] == '/')
        clean.data[--clean.len] = 0;
    if (clean.failed)
        return rec_err_memory(err, "MLflow's address");
    http->url = clean.data;
    if (strpbrk(http->url, "?#"))
        return rec_err_set(err, "MLflow's address: %s: it has a '?' or '#'", http->url);
    return 0;
}

static int name_user(struct mlflow_http *http, struct rec_err *err)
{
    const struct rec_mlflow *m = http->mlflow;
    struct rec_buf user = {0};

    if (!m->user || m->token)
        return 0;
    if (strchr(m->user, ':'))
        return rec_err_set(err, "MLFLOW_TRACKING_USERNAME: a name with a colon cannot be sent");
    rec_buf_addf(&user, "%s:%s", m->user, m->password ? m->password : "");
    if (user.failed)
        return rec_err_memory(err, "MLflow's address");
    http->user = user.data;
    return 0;
}

int rec_mlflow_http_open(struct mlflow_http *http, const struct rec_mlflow *mlflow, struct rec_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    *http = (struct mlflow_http){.mlflow = mlflow};
    pthread_once(&once, start);
    http->curl = curl_easy_init();
    if (!http->curl)
        return rec_err_memory(err, "libcurl");
    if (split_url(http, mlflow->url, err) < 0 || name_user(http, err) < 0) {
        rec_mlflow_http_close(http);
        return -1;
    }
    return 0;
}

void rec_mlflow_http_close(struct mlflow_http *http)
{
    if (http->user)
        rec_secret_wipe(http->user, strlen(http->user));
    curl_easy_cleanup(http->curl);
    free(http->user);
    free(http->url);
    *http = (struct mlflow_http){0};
}

void rec_mlflow_http_escape(struct rec_buf *out, const char *text, const char *keep)
{
    for (const char *c = text; *c; c++)
        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("-._~", *c) || strchr(keep, *c))
            rec_buf_addc(out, *c);
        else
            rec_buf_addf(out, "%%%02X", (unsigned)(unsigned char)*c);
}

/* ---- what comes and goes ---------------------------------------------------------------------------- */

static size_t give_up(struct answer *answer, const char *why)
{
    answer->why = why;
    return 0;
}

static size_t take(char *bytes, size_t size, size_t n, void *context)
{
    struct answer *answer = context;
    long status = 0;

    (void)size;
    curl_easy_getinfo(answer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (answer->fd < 0 || status != 200) {
        if (n > ANSWER_MAX - answer->text.len)
            return give_up(answer, "the answer is larger than 16 MiB");
        rec_buf_add(&answer->text, bytes, n);
        return answer->text.failed ? give_up(answer, "out of memory") : n;
    }
    if (n > answer->limit - answer->bytes)
        return give_up(answer, "the file is larger than it should be");
    answer->bytes += n;
    rec_sha256_add(&answer->hash, bytes, n);
    for (size_t done = 0; done < n;) {
        ssize_t wrote = write(answer->fd, bytes + done, n - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            answer->failed = errno;
            return give_up(answer, "cannot be written");
        }
        done += (size_t)wrote;
    }
    return n;
}

static size_t give(char *out, size_t size, size_t n, void *context)
{
    struct content *content = context;
    uint64_t left = content->bytes - content->at;

    n *= size;
    if (n > left)
        n = (size_t)left;
    if (content->text) {
        memcpy(out, content->text + content->at, n);
    } else if (n > 0) {
        ssize_t got = pread(content->fd, out, n, (off_t)content->at);
        if (got <= 0)            // shorter than it was
            return CURL_READFUNC_ABORT;
        n = (size_t)got;
    }
    content->at += n;
    return n;
}

/* libcurl begins anew when the server asks for it. */
static int rewind_to(void *context, curl_off_t offset, int origin)
{
    struct content *content = context;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > content->bytes)
        return CURL_SEEKFUNC_FAIL;
    content->at = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* ---- one request ------------------------------------------------------------------------------------- */

static void set_limits(struct mlflow_http *http, uint64_t bytes)
{
    CURL *curl = http->curl;
    long seconds = http->mlflow->timeout > 0 ? http->mlflow->timeout : 30;

    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, seconds < CONNECT_SECONDS ? seconds : (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, seconds + (long)(bytes / SLOWEST < 1000000 ? bytes / SLOWEST : 1000000));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, seconds);
}

static void set_up(struct mlflow_http *http, const char *url, struct answer *answer)
{
    const struct rec_mlflow *m = http->mlflow;
    CURL *curl = http->curl;

    curl_easy_reset(curl); // connections stay
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "rec-registry");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (m->insecure) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (m->ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, m->ca);
    if (m->token) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, m->token);
    } else if (http->user) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERPWD, http->user);
    }
}

/* Whether a text from outside has a secret of ours in it. */
static bool betrays(const struct mlflow_http *http, const char *text)
{
    const struct rec_mlflow *m = http->mlflow;
    const char *of_url = http->user && !m->user ? strchr(http->user, ':') : NULL;

    return (m->token && *m->token && strstr(text, m->token)) || (m->password && *m->password && strstr(text, m->password)) ||
           (of_url && of_url[1] && strstr(text, of_url + 1));
}

/* Why the server says no, in one line: its error_code and message, where it is MLflow. */
static int refused(struct mlflow_http *http, const char *what, const struct answer *answer, struct rec_err *err)
{
    struct rec_json_value *root = NULL;
    const char *code, *message;
    char *where = NULL;

    curl_easy_getinfo(http->curl, CURLINFO_REDIRECT_URL, &where);
    if (http->status >= 300 && http->status < 400)
        return rec_err_set(err, "%s: %s: %ld: it has moved%s%s: give its new address", http->url, what, http->status, where ? " to " : "",
                           where && !betrays(http, where) ? where : "");
    if (answer->text.len > 0 && rec_json_depth(answer->text.data, answer->text.len) <= ANSWER_DEEPEST)
        root = rec_json_read(what, answer->text.data, answer->text.len, NULL);
    code = rec_json_string(rec_json_get(root, "error_code"));
    message = rec_json_string(rec_json_get(root, "message"));
    snprintf(http->code, sizeof http->code, "%.63s", code ? code : "");
    if (message && betrays(http, message))
        message = "(its words have a secret in them)";
    rec_err_set(err, "%s: %s: %ld%s%s%s%.300s%s", http->url, what, http->status, code ? " " : "", http->code, message ? ": " : "",
                message ? message : "", http->status == 401 || http->status == 403 ? ": are token, or user and password, the right ones?" : "");
    rec_json_free(root);
    return -1;
}

static int complain(struct mlflow_http *http, const char *what, CURLcode code, const struct answer *answer, struct rec_err *err)
{
    if (answer->failed) {
        errno = answer->failed;
        return rec_err_errno(err, "%s", what);
    }
    if (answer->why)
        return rec_err_set(err, "%s: %s: %s", http->url, what, answer->why);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return rec_err_set(err, "%s: the file changed while it was sent", what);
    return rec_err_set(err, "%s: %s: %s", http->url, what, code == CURLE_OPERATION_TIMEDOUT ? "no answer in time" : curl_easy_strerror(code));
}

/* Sends what was set up. 0 when the answer is 2xx. */
static int perform(struct mlflow_http *http, const char *what, const struct answer *answer, struct rec_err *err)
{
    http->status = 0;
    http->code[0] = 0;
    CURLcode code = curl_easy_perform(http->curl);
    if (code != CURLE_OK)
        return complain(http, what, code, answer, err);
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &http->status);
    return http->status / 100 == 2 ? 0 : refused(http, what, answer, err);
}

static struct rec_json_value *read_answer(struct mlflow_http *http, const char *what, const struct answer *answer, struct rec_err *err)
{
    if (answer->text.len > 0 && rec_json_depth(answer->text.data, answer->text.len) > ANSWER_DEEPEST) {
        rec_err_set(err, "%s: %s: the answer is nested too deep", http->url, what);
        return NULL;
    }
    struct rec_json_value *root = rec_json_read(what, answer->text.len > 0 ? answer->text.data : "", answer->text.len, err);
    if (root && rec_json_kind(root) != REC_JSON_OBJECT) {
        rec_json_free(root);
        root = NULL;
        rec_err_set(err, "%s: the answer is no JSON object", what);
    }
    if (!root) {
        rec_err_prefix(err, http->url);
        if (betrays(http, err->text))
            rec_err_set(err, "%s: the answer is no JSON", http->url);
    }
    return root;
}

static struct rec_json_value *ask(struct mlflow_http *http, const char *method, const char *path, const struct rec_buf *body, struct rec_err *err)
{
    struct answer answer = {.curl = http->curl, .fd = -1};
    struct rec_buf url = {0};
    struct curl_slist *header = NULL;
    struct rec_json_value *root = NULL;
    char what[64];

    snprintf(what, sizeof what, "%.*s", (int)strcspn(path, "?"), path);
    rec_buf_addf(&url, "%s/api/2.0/mlflow/%s", http->url, path);
    header = curl_slist_append(header, "Content-Type: application/json");
    if (url.failed || !header || (body && body->failed)) {
        rec_err_memory(err, what);
        goto out;
    }
    set_up(http, url.data, &answer);
    set_limits(http, body ? body->len : 0);
    if (body) {
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body->data);
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
        curl_easy_setopt(http->curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, header);
        // On a connection that was used before, libcurl takes no answer at all for a stale connection, and sends it again.
        curl_easy_setopt(http->curl, CURLOPT_FRESH_CONNECT, 1L);
    }
    if (perform(http, what, &answer, err) == 0)
        root = read_answer(http, what, &answer, err);
out:
    curl_slist_free_all(header);
    rec_buf_clear(&answer.text);
    rec_buf_clear(&url);
    return root;
}

struct rec_json_value *rec_mlflow_http_ask(struct mlflow_http *http, const char *path, const struct rec_buf *body, struct rec_err *err)
{
    return ask(http, "POST", path, body, err);
}

int rec_mlflow_http_tell(struct mlflow_http *http, const char *path, const struct rec_buf *body, struct rec_err *err)
{
    struct rec_json_value *answer = ask(http, "POST", path, body, err);

    rec_json_free(answer);
    return answer ? 0 : -1;
}

int rec_mlflow_http_delete(struct mlflow_http *http, const char *path, const struct rec_buf *body, struct rec_err *err)
{
    struct rec_json_value *answer = ask(http, "DELETE", path, body, err);

    rec_json_free(answer);
    return answer ? 0 : -1;
}

/* ---- artifacts ---------------------------------------------------------------------------------------- */

static int artifact_url(struct rec_buf *url, const struct mlflow_http *http, const char *path, struct rec_err *err)
{
    rec_buf_addf(url, "%s/api/2.0/mlflow-artifacts/artifacts/", http->url);
    rec_mlflow_http_escape(url, path, "/");
    return url->failed ? rec_err_memory(err, path) : 0;
}

int rec_mlflow_http_put(struct mlflow_http *http, const char *path, int fd, const void *text, uint64_t bytes, struct rec_err *err)
{
    struct answer answer = {.curl = http->curl, .fd = -1};
    struct content content = {.fd = fd, .text = text, .bytes = bytes};
    struct curl_slist *header = curl_slist_append(NULL, "Expect:");
    struct rec_buf url = {0};
    int status = -1;

    if (!header) {
        rec_err_memory(err, path);
        goto out;
    }
    if (artifact_url(&url, http, path, err) < 0)
        goto out;
    set_up(http, url.data, &answer);
    set_limits(http, bytes);
    curl_easy_setopt(http->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, header);
    curl_easy_setopt(http->curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(http->curl, CURLOPT_READDATA, &content);
    curl_easy_setopt(http->curl, CURLOPT_SEEKFUNCTION, rewind_to);
    curl_easy_setopt(http->curl, CURLOPT_SEEKDATA, &content);
    curl_easy_setopt(http->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)bytes);
    status = perform(http, path, &answer, err);
out:
    curl_slist_free_all(header);
    rec_buf_clear(&answer.text);
    rec_buf_clear(&url);
    return status;
}

int rec_mlflow_http_get(struct mlflow_http *http, const char *path, int fd, uint64_t limit, char sha256[REC_SHA256_TEXT], struct rec_err *err)
{
    struct answer answer = {.curl = http->curl, .fd = fd, .limit = limit};
    unsigned char digest[REC_SHA256_BYTES];
    struct rec_buf url = {0};
    int status = -1;

    rec_sha256_begin(&answer.hash);
    if (artifact_url(&url, http, path, err) < 0)
        goto out;
    set_up(http, url.data, &answer);
    set_limits(http, limit);
    status = perform(http, path, &answer, err);
    if (status == 0 && http->status != 200)
        status = rec_err_set(err, "%s: %s: %ld is no file", http->url, path, http->status);
    rec_sha256_end(&answer.hash, digest);
    rec_secret_hex(sha256, digest, sizeof digest);
out:
    rec_buf_clear(&answer.text);
    rec_buf_clear(&url);
    return status;
}
