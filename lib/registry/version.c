/* SPDX-License-Identifier: MIT
 *
 * version.json, written and read back; all the versions there are.
 */
#include "registry_priv.h"

#include <errno.h>
#include <math.h>

static const char format[] = "rec.version/1";

enum { DEPTH_MAX = 16 };

/* ---- names ---- */

static bool is_hex(const char *text, size_t n)
{
    return strspn(text, "0123456789abcdef") >= n;
}

bool rec_version_is_digest(const char *text)
{
    return strlen(text) == REC_SHA256_TEXT - 1 && is_hex(text, REC_SHA256_TEXT - 1);
}

bool rec_version_is_file(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > 200 || name[0] == '.' || !rec_json_utf8(name, n) || !strcmp(name, "version.json") || !strcmp(name, "version.sig"))
        return false;
    for (; *name; name++)
        if (*name == '/' || (unsigned char)*name < 0x20 || *name == 0x7f)
            return false;
    return true;
}

/* ---- values ---- */

int rec_version_value(struct rec_registry_value **list, size_t *n, const char *key, const char *text, double number, struct rec_err *err)
{
    char room[REC_NUM_MAX + 1];
    struct rec_registry_value value = {.number = number};

    if (!isnan(number)) {
        room[rec_num_print_double(room, number)] = '\0';
        text = room;
    }
    if (rec_realloc(list, *n + 1, sizeof **list, key, err) < 0)
        return -1;
    value.key = strdup(key);
    value.text = strdup(text);
    (*list)[(*n)++] = value;
    return value.key && value.text ? 0 : rec_err_memory(err, key);
}

struct collecting {
    struct rec_registry_value **list;
    size_t *n;
    bool numbers, failed;
    const char *name;
    struct rec_err *err;
};

static int collect(struct collecting *c, const char *key, const struct rec_json_value *value)
{
    double number = NAN;
    bool truth;

    switch (rec_json_kind(value)) {
    case REC_JSON_NUMBER:
        if (rec_json_number(&number, value) < 0)
            return rec_err_set(c->err, "%s: %.60s is out of range", c->name, key);
        return rec_version_value(c->list, c->n, key, NULL, number, c->err);
    case REC_JSON_TEXT:
        return c->numbers ? 0 : rec_version_value(c->list, c->n, key, rec_json_string(value), NAN, c->err);
    case REC_JSON_BOOL:
        if (c->numbers || rec_json_boolean(&truth, value) < 0)
            return 0;
        return rec_version_value(c->list, c->n, key, truth ? "true" : "false", NAN, c->err);
    case REC_JSON_ARRAY:
    case REC_JSON_OBJECT:
        return rec_err_set(c->err, "%s: %.60s is no single value: the JSON has to be flat", c->name, key);
    default:
        return 0;
    }
}

static int collect_member(void *context, const char *key, const struct rec_json_value *value)
{
    struct collecting *c = context;

    c->failed = collect(c, key, value) < 0;
    return c->failed;
}

int rec_version_values(struct rec_registry_value **list, size_t *n, const struct rec_json_value *object, bool numbers, const char *name,
                       struct rec_err *err)
{
    struct collecting c = {list, n, numbers, false, name, err};

    if (rec_json_kind(object) != REC_JSON_OBJECT)
        return rec_err_set(err, "%s: is no JSON object", name);
    rec_json_members(object, collect_member, &c);
    return c.failed ? -1 : 0;
}

static void print_values(struct rec_json *json, const char *key, const struct rec_registry_value *value, size_t n)
{
    rec_json_object(json, key);
    for (size_t i = 0; i < n; i++)
        if (isnan(value[i].number))
            rec_json_text(json, value[i].key, value[i].text, strlen(value[i].text));
        else
            rec_json_real(json, value[i].key, value[i].number);
    rec_json_end(json);
}

double rec_version_metric(const struct rec_version *version, const char *key)
{
    for (size_t i = 0; i < version->n_metrics; i++)
        if (!strcmp(version->metric[i].key, key))
            return version->metric[i].number;
    return NAN;
}

static void clear_values(struct rec_registry_value *value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(value[i].key);
        free(value[i].text);
    }
    free(value);
}

void rec_version_clear(struct rec_version *v)
{
    clear_values(v->metric, v->n_metrics);
    clear_values(v->param, v->n_params);
    clear_values(v->tag, v->n_tags);
    for (size_t i = 0; i < v->n_files; i++)
        free(v->file[i].name);
    free(v->file);
    free(v->model);
    free(v->note);
    free(v->lineage);
    free(v->damage);
    *v = (struct rec_version){0};
}

/* ---- writing ---- */

static void print_files(struct rec_json *json, const struct rec_version *v)
{
    rec_json_object(json, "files");
    for (size_t i = 0; i < v->n_files; i++) {
        rec_json_object(json, v->file[i].name);
        rec_json_text(json, "sha256", v->file[i].sha256, strlen(v->file[i].sha256));
        rec_json_int(json, "bytes", (int64_t)v->file[i].bytes);
        rec_json_end(json);
    }
    rec_json_end(json);
}

int rec_version_print(struct rec_buf *out, const struct rec_version *v, struct rec_err *err)
{
    struct rec_json json = {.out = out};
    struct rec_json_value *lineage = rec_json_read("lineage", v->lineage, strlen(v->lineage), err);
    char time[REC_NUM_MAX];

    if (!lineage)
        return -1;
    rec_date_print_time(time, v->created);
    rec_json_object(&json, NULL);
    rec_json_text(&json, "format", format, sizeof format - 1);
    rec_json_int(&json, "number", v->number);
    rec_json_text(&json, "digest", v->digest, strlen(v->digest));
    rec_json_text(&json, "created", time, strlen(time));
    rec_json_text(&json, "model", v->model, strlen(v->model));
    if (v->note)
        rec_json_text(&json, "note", v->note, strlen(v->note));
    print_values(&json, "metrics", v->metric, v->n_metrics);
    print_values(&json, "params", v->param, v->n_params);
    print_values(&json, "tags", v->tag, v->n_tags);
    rec_json_copy(&json, "lineage", lineage);
    print_files(&json, v);
    rec_json_end(&json);
    rec_json_free(lineage);
    return out->failed ? rec_err_memory(err, "version.json") : 0;
}

/* ---- reading ---- */

struct reading {
    struct rec_version *v;
    const char *name;
    struct rec_err *err;
    bool failed;
};

static int read_file(void *context, const char *key, const struct rec_json_value *value)
{
    struct reading *r = context;
    struct rec_version *v = r->v;
    const char *sha256 = rec_json_string(rec_json_get(value, "sha256"));
    int64_t bytes = -1;

    r->failed = true;
    if (!rec_version_is_file(key) || !sha256 || !rec_version_is_digest(sha256) ||
        rec_json_integer(&bytes, rec_json_get(value, "bytes")) < 0 || bytes < 0)
        return rec_err_set(r->err, "%s: files: %.80s is damaged", r->name, key);
    if (rec_realloc(&v->file, v->n_files + 1, sizeof *v->file, r->name, r->err) < 0)
        return -1;
    v->file[v->n_files] = (struct rec_registry_file){.name = strdup(key), .bytes = (uint64_t)bytes};
    memcpy(v->file[v->n_files].sha256, sha256, REC_SHA256_TEXT);
    if (!v->file[v->n_files++].name)
        return rec_err_memory(r->err, r->name);
    r->failed = false;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct rec_registry_file *)a)->name, ((const struct rec_registry_file *)b)->name);
}

static int read_files(struct reading *r, const struct rec_json_value *files)
{
    const struct rec_version *v = r->v;

    if (rec_json_kind(files) != REC_JSON_OBJECT)
        return rec_err_set(r->err, "%s: has no files", r->name);
    rec_json_members(files, read_file, r);
    if (r->failed)
        return -1;
    if (v->n_files)
        qsort(v->file, v->n_files, sizeof *v->file, by_name);
    for (size_t i = 0; i < v->n_files; i++)
        if (!strcmp(v->file[i].name, "model.rec"))
            return strcmp(v->file[i].sha256, v->digest) ? rec_err_set(r->err, "%s: model.rec is not what the version's digest says", r->name) : 0;
    return rec_err_set(r->err, "%s: names no model.rec", r->name);
}

static int copy(char **out, const char *text, const char *name, struct rec_err *err)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? rec_err_memory(err, name) : 0;
}

static int read_head(struct rec_version *v, const struct rec_json_value *root, const char *name, const char *digest, struct rec_err *err)
{
    const char *is = rec_json_string(rec_json_get(root, "format")), *of = rec_json_string(rec_json_get(root, "digest")),
               *created = rec_json_string(rec_json_get(root, "created")), *model = rec_json_string(rec_json_get(root, "model"));

    if (!is || strcmp(is, format))
        return rec_err_set(err, "%s: is not of format %s", name, format);
    if (rec_json_integer(&v->number, rec_json_get(root, "number")) < 0 || v->number < 1)
        return rec_err_set(err, "%s: has no number", name);
    if (!of || !rec_version_is_digest(of) || (digest && strcmp(of, digest)))
        return rec_err_set(err, "%s: its digest is not that of the directory", name);
    memcpy(v->digest, of, REC_SHA256_TEXT);
    if (!created || rec_date_parse(&v->created, created, "created", NULL) < 0)
        return rec_err_set(err, "%s: has no time of creation", name);
    if (!model || !*model)
        return rec_err_set(err, "%s: names no model", name);
    return copy(&v->model, model, name, err) < 0 ? -1 : copy(&v->note, rec_json_string(rec_json_get(root, "note")), name, err);
}

static int read_lineage(struct rec_version *v, const struct rec_json_value *lineage, const char *name, struct rec_err *err)
{
    struct rec_buf text = {0};
    struct rec_json json = {.out = &text, .flat = true};

    if (rec_json_kind(lineage) != REC_JSON_OBJECT)
        return rec_err_set(err, "%s: has no lineage", name);
    rec_json_copy(&json, NULL, lineage);
    v->lineage = text.data;
    return text.failed ? rec_err_memory(err, name) : 0;
}

int rec_version_parse(struct rec_version *v, const char *name, const char *text, size_t n, const char *digest, struct rec_err *err)
{
    struct rec_json_value *root = NULL;
    struct reading r = {v, name, err, false};
    int status = -1;

    *v = (struct rec_version){0};
    if (rec_json_depth(text, n) > DEPTH_MAX)
        rec_err_set(err, "%s: is nested too deep", name);
    else if ((root = rec_json_read(name, text, n, err)) != NULL && read_head(v, root, name, digest, err) == 0 &&
             rec_version_values(&v->metric, &v->n_metrics, rec_json_get(root, "metrics"), false, name, err) == 0 &&
             rec_version_values(&v->param, &v->n_params, rec_json_get(root, "params"), false, name, err) == 0 &&
             rec_version_values(&v->tag, &v->n_tags, rec_json_get(root, "tags"), false, name, err) == 0 &&
             read_lineage(v, rec_json_get(root, "lineage"), name, err) == 0 && read_files(&r, rec_json_get(root, "files")) == 0)
        status = 0;
    rec_json_free(root);
    if (status < 0)
        rec_version_clear(v);
    return status;
}

int rec_version_signature(char key[17], unsigned char signature[REC_SIGN_BYTES], const char *text, size_t n)
{
    if (n < 18 || text[16] != ' ' || text[n - 1] != '\n' || !is_hex(text, 16) ||
        rec_secret_unbase64(signature, REC_SIGN_BYTES, text + 17, n - 18) != REC_SIGN_BYTES)
        return -1;
    memcpy(key, text, 16);
    key[16] = '\0';
    return 0;
}

int rec_version_load(struct rec_version *v, const struct rec_folder *folder, const char *digest, struct rec_err *err)
{
    unsigned char signature[REC_SIGN_BYTES];
    struct rec_buf text = {0}, name = {0}, sig = {0};
    int status = -1;

    *v = (struct rec_version){0};
    rec_buf_addf(&name, "%s/version.json", folder->path);
    if (name.failed)
        rec_err_memory(err, folder->path);
    else if (rec_folder_get(&text, folder, "version.json", err) == 0 &&
             rec_version_parse(v, name.data, text.data, text.len, digest, err) == 0)
        status = 0;
    if (status == 0 && rec_folder_has(folder, "version.sig")) {
        v->signed_by_key = true;
        if (rec_folder_get(&sig, folder, "version.sig", NULL) == 0)
            (void)!rec_version_signature(v->key, signature, sig.data, sig.len);
    }
    rec_buf_clear(&text);
    rec_buf_clear(&name);
    rec_buf_clear(&sig);
    return status;
}

/* ---- all of them ---- */

static int by_number(const void *a, const void *b)
{
    const struct rec_version *x = a, *y = b;

    return x->number != y->number ? (x->number < y->number ? -1 : 1) : strcmp(x->digest, y->digest);
}

/* One that cannot be read is in the list as well: it is there, and its name is taken. */
static int list_one(struct rec_version *v, const struct rec_folder *versions, const char *digest, struct rec_err *err)
{
    struct rec_folder folder;
    struct rec_err why = {0};
    int status = rec_folder_enter(&folder, versions, digest, &why);

    *v = (struct rec_version){0};
    if (status == 0)
        status = rec_version_load(v, &folder, digest, &why);
    rec_folder_close(&folder);
    if (status == 0)
        return 0;
    memcpy(v->digest, digest, REC_SHA256_TEXT);
    return copy(&v->damage, why.text, digest, err);
}

int rec_version_list(struct rec_version **list, size_t *n, const struct rec_registry *registry, struct rec_err *err)
{
    struct rec_folder versions;
    struct rec_buf names = {0};
    int status = rec_folder_open(&versions, registry, "versions", err);

    *list = NULL;
    *n = 0;
    if (status == 0)
        status = rec_folder_names(&names, &versions, err);
    for (const char *p = names.data; status == 0 && *p; p += strlen(p) + 1) {
        if (!rec_version_is_digest(p))
            continue;
        status = rec_realloc(list, *n + 1, sizeof **list, "versions", err);
        if (status == 0)
            status = list_one(&(*list)[(*n)++], &versions, p, err);
    }
    rec_buf_clear(&names);
    rec_folder_close(&versions);
    if (status < 0)
        rec_version_list_clear(*list, *n), *list = NULL, *n = 0;
    else if (*n)
        qsort(*list, *n, sizeof **list, by_number);
    return status;
}

void rec_version_list_clear(struct rec_version *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rec_version_clear(&list[i]);
    free(list);
}

static int greatest(void *context, const struct rec_json_value *line, struct rec_err *err)
{
    int64_t number, *most = context;

    (void)err;
    if (rec_json_integer(&number, rec_json_get(line, "number")) == 0 && number > *most)
        *most = number;
    return 0;
}

/* Of versions that were removed the journal knows. */
int rec_version_next(int64_t *number, const struct rec_registry *registry, struct rec_err *err)
{
    struct rec_version *list;
    size_t n;
    int64_t most = 0;

    if (rec_journal_each(registry, greatest, &most, err) < 0 || rec_version_list(&list, &n, registry, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        most = list[i].number > most ? list[i].number : most;
    rec_version_list_clear(list, n);
    *number = most + 1;
    return 0;
}
