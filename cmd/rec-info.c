/* SPDX-License-Identifier: MIT
 *
 * rec-info: what a file is, and whether it is whole. Everything a reader would check is checked: header, extents, checksums, and
 * for the kinds that we know their contents.
 */
#include "tool.h"

#include <rec/score.h>

#include <inttypes.h>

static bool json;

static struct rec_opt opts[] = {
    {0, "json", NULL, REC_OPT_FLAG, &json, .help = "print JSON, for several files an array"},
    {0},
};

static const struct tool_about about = {
    .name = "rec-info",
    .synopsis = "[options] [FILE...]",
    .summary = "say what a file is, and check that it is whole",
    .opts = opts,
    .max_operands = SIZE_MAX,
};

/* A file of any kind; the parts that are of other kinds are zero. */
struct loaded {
    struct rec_safetensors *file;    /* one of these */
    struct rec_safetensors plain;
    struct rec_ratings ratings;
    struct rec_catalogue catalogue;
    struct rec_features features;
    struct rec_model model;
    enum { OTHER, RATINGS, CATALOGUE, FEATURES, MODEL } kind;
    size_t bytes;
};

static bool is_kind(const struct rec_safetensors *file, const char *kind)
{
    const char *format = rec_safetensors_meta(file, "format");
    return format != NULL && strncmp(format, kind, strlen(kind)) == 0;
}

static int load(struct loaded *l, const char *path, struct rec_err *err)
{
    static const char *const kinds[] = {"rec.ratings/", "rec.catalogue/", "rec.features/", "rec.model/"};
    *l = (struct loaded){.file = &l->plain};
    if (rec_safetensors_open(&l->plain, path, err) < 0)
        return -1;
    l->bytes = l->plain.in.len;
    for (size_t i = 0; i < REC_LENGTH(kinds); i++)
        if (is_kind(&l->plain, kinds[i]))
            l->kind = (int)i + 1;
    switch (l->kind) {
    case RATINGS:
        l->file = &l->ratings.file;
        return rec_ratings_load(&l->ratings, &l->plain, err);
    case CATALOGUE:
        l->file = &l->catalogue.file;
        return rec_catalogue_load(&l->catalogue, &l->plain, err);
    case FEATURES:
        l->file = &l->features.file;
        return rec_features_file_load(&l->features, &l->plain, err);
    case MODEL:
        l->file = &l->model.file;
        return rec_model_load(&l->model, &l->plain, err);
    case OTHER:
        break;
    }
    return 0;
}

static void unload(struct loaded *l)
{
    rec_ratings_clear(&l->ratings);
    rec_catalogue_clear(&l->catalogue);
    rec_features_clear(&l->features);
    rec_model_clear(&l->model);
    rec_safetensors_close(&l->plain);
}

/* ---- facts: a name and a value, for both forms of output ----------------------------------------- */

struct sink {
    struct rec_buf *out;
    struct rec_json json;
};

static void fact_text(struct sink *s, const char *name, const char *value)
{
    if (json)
        rec_json_text(&s->json, name, value, strlen(value));
    else
        rec_buf_addf(s->out, "  %-10s %s\n", name, value);
}

static void fact_count(struct sink *s, const char *name, uint64_t value)
{
    if (json)
        rec_json_int(&s->json, name, (int64_t)value);
    else
        rec_buf_addf(s->out, "  %-10s %" PRIu64 "\n", name, value);
}

static void fact_range(struct sink *s, const char *name, double low, double high)
{
    char a[REC_NUM_MAX + 1], b[REC_NUM_MAX + 1];
    if (json) {
        rec_json_array(&s->json, name);
        rec_json_real(&s->json, NULL, low);
        rec_json_real(&s->json, NULL, high);
        rec_json_end(&s->json);
        return;
    }
    a[rec_num_print_double(a, low)] = '\0';
    b[rec_num_print_double(b, high)] = '\0';
    rec_buf_addf(s->out, "  %-10s %s to %s\n", name, a, b);
}

static void print_time(char out[32], int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, 32, "%" PRId64, seconds);
}

static void fact_times(struct sink *s, const int64_t *time, size_t n)
{
    char a[32], b[32];
    int64_t low = time[0], high = time[0];
    for (size_t p = 0; p < n; p++) {
        low = time[p] < low ? time[p] : low;
        high = time[p] > high ? time[p] : high;
    }
    print_time(a, low);
    print_time(b, high);
    if (!json) {
        rec_buf_addf(s->out, "  %-10s %s to %s\n", "times", a, b);
        return;
    }
    rec_json_array(&s->json, "times");
    rec_json_text(&s->json, NULL, a, strlen(a));
    rec_json_text(&s->json, NULL, b, strlen(b));
    rec_json_end(&s->json);
}

static void say_ratings(struct sink *s, const struct rec_ratings *r)
{
    float low = r->nnz ? r->value[0] : 0, high = low;
    fact_count(s, "users", r->n_users);
    fact_count(s, "items", r->n_items);
    fact_count(s, "ratings", r->nnz);
    if (r->nnz == 0)
        return;
    for (size_t p = 0; p < r->nnz; p++) {
        low = r->value[p] < low ? r->value[p] : low;
        high = r->value[p] > high ? r->value[p] : high;
    }
    fact_range(s, "values", low, high);
    if (r->time != NULL)
        fact_times(s, r->time, r->nnz);
}

static void say_model(struct sink *s, const struct rec_model *m)
{
    fact_text(s, "model", m->type);
    fact_count(s, "users", m->n_users);
    fact_count(s, "items", m->n_items);
    fact_count(s, "factors", m->factors);
    fact_count(s, "seen", (uint64_t)m->seen_ptr[m->n_users]);
    if (m->liked_ptr)
        fact_count(s, "liked", (uint64_t)m->liked_ptr[m->n_users]);
    if (m->link_ptr)
        fact_count(s, "links", (uint64_t)m->link_ptr[m->n_items]);
    if (m->near_ptr)
        fact_count(s, "neighbours", (uint64_t)m->near_ptr[m->n_users]);
}

static void say_catalogue(struct sink *s, const struct rec_catalogue *c)
{
    int32_t low = 0, high = 0;
    fact_count(s, "items", c->n);
    fact_count(s, "genres", c->genres.n);
    for (size_t i = 0; i < c->n; i++) {
        low = c->year[i] != 0 && (low == 0 || c->year[i] < low) ? c->year[i] : low;
        high = c->year[i] > high ? c->year[i] : high;
    }
    if (high > 0)
        fact_range(s, "years", low, high);
}

static void say_features(struct sink *s, const struct rec_features *f)
{
    fact_count(s, "users", f->users.n);
    fact_count(s, "items", f->items.n);
    fact_count(s, "user_columns", f->user_columns.n);
    fact_count(s, "item_columns", f->item_columns.n);
    fact_count(s, "terms", f->terms.n);
}

static void say_kind(struct sink *s, const struct loaded *l)
{
    if (l->kind == RATINGS)
        say_ratings(s, &l->ratings);
    else if (l->kind == CATALOGUE)
        say_catalogue(s, &l->catalogue);
    else if (l->kind == FEATURES)
        say_features(s, &l->features);
    else if (l->kind == MODEL)
        say_model(s, &l->model);
}

/* ---- what every file has ------------------------------------------------------------------------- */

static void say_checksums(struct sink *s, const struct rec_safetensors *f)
{
    char text[64];
    snprintf(text, sizeof text, "%08x", f->crc32c);
    if (json) {
        fact_text(s, "crc32c", text);
        rec_json_bool(&s->json, "checksummed", f->checksummed);
        return;
    }
    snprintf(text, sizeof text, f->checksummed ? "crc32c:%08x, right" : "none there; the data's is crc32c:%08x", f->crc32c);
    fact_text(s, "checksum", text);
}

static void say_tensor_json(struct rec_json *j, const struct rec_tensor *t)
{
    rec_json_object(j, t->name);
    rec_json_text(j, "dtype", t->dtype_name, strlen(t->dtype_name));
    rec_json_array(j, "shape");
    for (unsigned k = 0; k < t->rank; k++)
        rec_json_int(j, NULL, (int64_t)t->shape[k]);
    rec_json_end(j);
    rec_json_int(j, "bytes", (int64_t)t->bytes);
    rec_json_end(j);
}

static void say_tensor(struct sink *s, const struct rec_tensor *t, bool first)
{
    struct rec_buf shape = {0};
    for (unsigned k = 0; k < t->rank; k++)
        rec_buf_addf(&shape, "%s%" PRIu64, k ? ", " : "", t->shape[k]);
    rec_buf_addf(s->out, "  %-10s %-16s %-4s [%s], %" PRIu64 " bytes\n", first ? "tensors" : "", t->name, t->dtype_name,
                 shape.len ? shape.data : "", t->bytes);
    s->out->failed |= shape.failed;
    rec_buf_clear(&shape);
}

static void say_tensors(struct sink *s, const struct rec_safetensors *f)
{
    if (json)
        rec_json_object(&s->json, "tensors");
    for (size_t i = 0; i < f->n_tensors; i++)
        if (json)
            say_tensor_json(&s->json, &f->tensor[i]);
        else
            say_tensor(s, &f->tensor[i], i == 0);
    if (json)
        rec_json_end(&s->json);
}

/* format, checksums and history are said elsewhere. */
static bool is_said(const char *key)
{
    return strcmp(key, "format") == 0 || strcmp(key, "crc32c") == 0 || strcmp(key, "header_crc32c") == 0 || strcmp(key, "history") == 0;
}

static void say_metadata(struct sink *s, const struct rec_safetensors *f)
{
    bool first = true;
    if (json)
        rec_json_object(&s->json, "metadata");
    for (size_t i = 0; i < f->n_meta; i++) {
        const struct rec_meta *m = &f->meta[i];
        if (is_said(m->key))
            continue;
        if (json)
            rec_json_text(&s->json, m->key, m->value, strlen(m->value));
        else
            rec_buf_addf(s->out, "  %-10s %s = %s\n", first ? "metadata" : "", m->key, m->value);
        first = false;
    }
    if (json)
        rec_json_end(&s->json);
}

static void say_history(struct sink *s, const struct rec_safetensors *f)
{
    const char *line = rec_safetensors_meta(f, "history"), *first = line;
    if (json)
        rec_json_array(&s->json, "history");
    while (line != NULL && *line != '\0') {
        size_t len = strcspn(line, "\n");
        if (json)
            rec_json_text(&s->json, NULL, line, len);
        else
            rec_buf_addf(s->out, "  %-10s %.*s\n", line == first ? "history" : "", (int)len, line);
        line += len + (line[len] == '\n');
    }
    if (json)
        rec_json_end(&s->json);
}

static void say(struct sink *s, const struct loaded *l)
{
    const struct rec_safetensors *f = l->file;
    const char *format = rec_safetensors_meta(f, "format");
    if (json) {
        rec_json_object(&s->json, NULL);
        fact_text(s, "file", f->name);
    } else {
        rec_buf_addf(s->out, "%s\n", f->name);
    }
    fact_text(s, "format", format ? format : "safetensors");
    fact_count(s, "bytes", l->bytes);
    say_checksums(s, f);
    say_kind(s, l);
    say_tensors(s, f);
    say_metadata(s, f);
    say_history(s, f);
    if (json)
        rec_json_end(&s->json);
}

/* ---- main ---------------------------------------------------------------------------------------- */

/* What comes from a file must not drive a terminal. */
static void tame(struct rec_buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (((unsigned char)text->data[i] < ' ' && text->data[i] != '\n') || text->data[i] == 0x7f)
            text->data[i] = '?';
}

static int print(struct rec_buf *text, struct rec_err *err)
{
    struct rec_out out;
    if (text->failed)
        return rec_err_memory(err, "standard output");
    tame(text);
    if (rec_out_open(&out, NULL, false, err) < 0)
        return -1;
    if (rec_out_write(&out, text->data, text->len, err) < 0) {
        rec_out_abort(&out);
        return -1;
    }
    return rec_out_commit(&out, err);
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    struct rec_buf text = {0};
    struct sink sink = {.out = &text, .json = {.out = &text}};
    int status = TOOL_DONE;
    tool_start(&tool, &about, argc, argv);
    if (json && tool.n_operands > 1)
        rec_json_array(&sink.json, NULL);
    for (int i = 0; i < (tool.n_operands ? tool.n_operands : 1); i++) {
        struct loaded l;
        if (load(&l, tool_operand(&tool, i), &err) < 0)
            status = tool_fail(&tool, &err);
        else
            say(&sink, &l);
        unload(&l);
    }
    if (json && tool.n_operands > 1)
        rec_json_end(&sink.json);
    if (print(&text, &err) < 0)
        status = tool_fail(&tool, &err);
    rec_buf_clear(&text);
    return tool_finish(&tool, status);
}
