/* SPDX-License-Identifier: MIT
 *
 * rec-cat: what is in a binary file, as text or as a .npy array.
 */
#include "tool.h"

#include <rec/score.h>

#include <inttypes.h>

static const char *format = "csv", *tensor_name, *ids_of, *table, *delimiter = ",", *output;
static bool no_header;

static struct rec_opt opts[] = {
    {'f', "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "csv|mtx|npy|trec",
     .help = "csv; mtx: MatrixMarket; trec: qrels; npy: the array of --tensor"},
    {'t', "tensor", "NAME", REC_OPT_TEXT, &tensor_name, .help = "this array of the file alone"},
    {'i', "ids", "TABLE", REC_OPT_TEXT, &ids_of, .help = "the ids of a table alone, a line each: users or items"},
    {'T', "table", "TABLE", REC_OPT_CHOICE, &table, .choices = "users|items|links|neighbours",
     .help = "of a model or of features, the rows of this table alone; of a model its links or neighbours"},
    {'d', "delimiter", "C", REC_OPT_TEXT, &delimiter, .help = "what parts the fields of CSV; \\t is a tab"},
    {0, "no-header", NULL, REC_OPT_FLAG, &no_header, .help = "leave out the line of column names"},
    TOOL_OUTPUT(&output),
    {0},
};

static const struct tool_about about = {
    .name = "rec-cat",
    .synopsis = "[options] [FILE]",
    .summary = "write a binary file as text, or one of its arrays as .npy",
    .opts = opts,
    .max_operands = 1,
};

struct row {
    struct tool *tool;
    struct rec_out *out;
    struct rec_err *err;
    struct rec_buf buf;
    char delimiter;
};

/* ---- rows of CSV --------------------------------------------------------------------------------- */

/* rec_csv_add does it itself. */
static void part(struct row *row)
{
    if (row->buf.len > 0)
        rec_buf_addc(&row->buf, row->delimiter);
}

static void add_text(struct row *row, const char *text, size_t len)
{
    rec_csv_add(&row->buf, row->delimiter, text, len);
}

static void add_float(struct row *row, float value)
{
    char text[REC_NUM_MAX];
    part(row);
    rec_buf_add(&row->buf, text, rec_num_print_float(text, value));
}

static void add_name(struct row *row, const char *name, uint64_t number)
{
    part(row);
    rec_buf_addf(&row->buf, "%s%" PRIu64, name, number);
}

static int end_row(struct row *row)
{
    int result;
    rec_buf_addc(&row->buf, '\n');
    if (row->buf.failed)
        return rec_err_memory(row->err, row->out->name);
    result = rec_out_write(row->out, row->buf.data, row->buf.len, row->err);
    rec_buf_reset(&row->buf);
    return result;
}

/* ---- one array ----------------------------------------------------------------------------------- */

static size_t print_element(char *out, const struct rec_tensor *t, uint64_t i)
{
    switch (t->dtype) {
    case REC_F32: return rec_num_print_float(out, ((const float *)t->data)[i]);
    case REC_F64: return rec_num_print_double(out, ((const double *)t->data)[i]);
    case REC_I32: return rec_num_print_int64(out, ((const int32_t *)t->data)[i]);
    case REC_I64: return rec_num_print_int64(out, ((const int64_t *)t->data)[i]);
    case REC_U8: return rec_num_print_int64(out, ((const uint8_t *)t->data)[i]);
    default: return 0;
    }
}

/* A vector becomes a column, a matrix as many as it has. */
static int tensor_header(struct row *row, const struct rec_tensor *t, uint64_t columns)
{
    if (no_header)
        return 0;
    if (t->rank < 2)
        add_text(row, t->name, strlen(t->name));
    for (uint64_t k = 0; t->rank == 2 && k < columns; k++) {
        char number[REC_NUM_MAX];
        struct rec_buf name = {0};
        rec_buf_adds(&name, t->name);
        rec_buf_addc(&name, '.');
        rec_buf_add(&name, number, rec_num_print_int64(number, (int64_t)k));
        row->buf.failed |= name.failed;
        add_text(row, name.data ? name.data : "", name.len);
        rec_buf_clear(&name);
    }
    return end_row(row);
}

static int tensor_csv(struct row *row, const struct rec_tensor *t)
{
    uint64_t columns = t->rank == 2 ? t->shape[1] : 1, rows = t->bytes == 0 ? 0 : t->rank == 0 ? 1 : t->shape[0];
    char text[REC_NUM_MAX];
    if (t->rank > 2 || t->dtype == REC_DTYPE_OTHER || t->data == NULL)
        return rec_err_set(row->err, "tensor %.64s: %s of %u dimensions has no CSV form", t->name, t->dtype_name, t->rank);
    if (t->bytes > 0 && tensor_header(row, t, columns) < 0)
        return -1;
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t k = 0; k < columns; k++) {
            size_t len = print_element(text, t, i * columns + k);
            if (k > 0)
                rec_buf_addc(&row->buf, row->delimiter);
            rec_buf_add(&row->buf, text, len);
        }
        if (end_row(row) < 0)
            return -1;
    }
    return 0;
}

static int cat_tensor(const struct rec_safetensors *file, struct row *row)
{
    const struct rec_tensor *t = rec_safetensors_find(file, tensor_name);
    if (t == NULL)
        return rec_err_set(row->err, "%s: no tensor %s; rec-info lists them", file->name, tensor_name);
    if (strcmp(format, "npy") == 0)
        return rec_npy_write(t, row->out, row->err);
    return tensor_csv(row, t);
}

/* ---- kinds of file: each takes the file, and says what its rows are ------------------------------- */

static bool wants(const char *which)
{
    return table == NULL || strcmp(table, which) == 0;
}

static int only_csv(const struct rec_safetensors *file, const char *what, struct row *row)
{
    if (strcmp(format, "csv") == 0)
        return 0;
    return rec_err_set(row->err, "%s: %s has no form as %s", file->name, what, format);
}

static int cat_ratings(struct rec_safetensors *file, struct row *row)
{
    struct rec_ratings r;
    int result;
    if (rec_ratings_load(&r, file, row->err) < 0)
        return -1;
    if (strcmp(format, "mtx") == 0)
        result = rec_export_mtx(&r, row->out, row->err);
    else if (strcmp(format, "trec") == 0)
        result = rec_export_qrels(&r, row->out, row->err);
    else
        result = rec_export_csv(&r, row->delimiter, !no_header, row->out, row->err);
    row->tool->rows = r.nnz;
    row->tool->rows_name = "ratings";
    rec_ratings_clear(&r);
    return result;
}

static int catalogue_row(const struct rec_catalogue *c, size_t i, struct rec_buf *genres, struct row *row)
{
    size_t len;
    const char *text = rec_ids_get(&c->items, i, &len);
    char year[REC_NUM_MAX];
    add_text(row, text, len);
    text = rec_catalogue_title(c, i, &len);
    add_text(row, text, len);
    part(row);
    if (c->year[i] != 0)
        rec_buf_add(&row->buf, year, rec_num_print_int64(year, c->year[i]));
    rec_buf_reset(genres);
    for (int64_t p = c->genre_ptr[i]; p < c->genre_ptr[i + 1]; p++) {
        text = rec_ids_get(&c->genres, (size_t)c->genre[p], &len);
        if (genres->len > 0)
            rec_buf_addc(genres, '|');
        rec_buf_add(genres, text, len);
    }
    row->buf.failed |= genres->failed;
    if (genres->len > 0)
        add_text(row, genres->data, genres->len);
    else
        part(row);
    return end_row(row);
}

static int cat_catalogue(struct rec_safetensors *file, struct row *row)
{
    static const char *const names[] = {"itemId", "title", "year", "genres"};
    struct rec_catalogue c;
    struct rec_buf genres = {0};
    int result = -1;
    if (only_csv(file, "a catalogue", row) < 0 || rec_catalogue_load(&c, file, row->err) < 0)
        return -1;
    for (size_t k = 0; !no_header && k < REC_LENGTH(names); k++)
        add_text(row, names[k], strlen(names[k]));
    if (!no_header && end_row(row) < 0)
        goto out;
    for (size_t i = 0; i < c.n; i++)
        if (catalogue_row(&c, i, &genres, row) < 0)
            goto out;
    result = 0;
out:
    rec_buf_clear(&genres);
    rec_catalogue_clear(&c);
    return result;
}

static int cat_features(struct rec_safetensors *file, struct row *row)
{
    struct rec_features f;
    int result;
    if (table != NULL && strcmp(table, "users") != 0 && strcmp(table, "items") != 0)
        return rec_err_set(row->err, "%s: --table %s is of models", file->name, table);
    if (only_csv(file, "a file of features", row) < 0 || rec_features_file_load(&f, file, row->err) < 0)
        return -1;
    result = rec_features_file_csv(&f, !wants("items"), row->delimiter, !no_header, row->out, row->err);
    rec_features_clear(&f);
    return result;
}

static int model_header(const struct rec_model *m, struct row *row)
{
    static const char *const names[] = {"table", "id", "popularity", "bias"};
    if (no_header)
        return 0;
    for (size_t k = 0; k < REC_LENGTH(names); k++)
        add_text(row, names[k], strlen(names[k]));
    for (size_t k = 0; k < m->factors; k++)
        add_name(row, "f", k);
    return end_row(row);
}

static void add_optional(struct row *row, const float *values, size_t i)
{
    if (values != NULL)
        add_float(row, values[i]);
    else
        part(row);
}

static int model_rows(const struct rec_model *m, const char *name, const struct rec_ids *ids, const float *popularity,
                      const float *bias, const float *factors, struct row *row)
{
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        add_text(row, name, strlen(name));
        add_text(row, id, len);
        add_optional(row, popularity, i);
        add_optional(row, bias, i);
        for (size_t k = 0; k < m->factors; k++)
            add_float(row, factors[i * m->factors + k]);
        if (end_row(row) < 0)
            return -1;
    }
    return 0;
}

/* The first two columns: of a link where it begins and ends, of neighbours for whom and who. */
static int link_row(struct row *row, const struct rec_ids *ids, size_t from, size_t to, float weight)
{
    size_t len;
    const char *id = rec_ids_get(ids, from, &len);
    add_text(row, id, len);
    id = rec_ids_get(ids, to, &len);
    add_text(row, id, len);
    add_float(row, weight);
    return end_row(row);
}

static int link_rows(const struct rec_ids *ids, const int64_t *ptr, const int32_t *index, const float *weight, struct row *row)
{
    for (size_t r = 0; ptr != NULL && r < ids->n; r++)
        for (int64_t p = ptr[r]; p < ptr[r + 1]; p++)
            if (link_row(row, ids, r, (size_t)index[p], weight[p]) < 0)
                return -1;
    return 0;
}

static int cat_links(const struct rec_model *m, struct row *row)
{
    bool users = strcmp(table, "neighbours") == 0;
    if (users ? !m->near_ptr : !m->links && !m->link_ptr)
        return rec_err_set(row->err, "%s: --table %s: a model of type %s has none", m->file.name, table, m->type);
    if (!no_header) {
        add_text(row, users ? "user" : "from", 4);
        add_text(row, users ? "neighbour" : "to", users ? 9 : 2);
        add_text(row, "weight", 6);
        if (end_row(row) < 0)
            return -1;
    }
    if (users)
        return link_rows(&m->users, m->near_ptr, m->near_user, m->near_weight, row);
    for (size_t i = 0; m->links && i < m->n_items; i++)
        for (size_t k = 0; k < m->n_items; k++)
            if (m->links[i * m->n_items + k] != 0 && link_row(row, &m->items, i, k, m->links[i * m->n_items + k]) < 0)
                return -1;
    return link_rows(&m->items, m->link_ptr, m->link_item, m->link_weight, row);
}

static int cat_model(struct rec_safetensors *file, struct row *row)
{
    struct rec_model m;
    int result;
    if (only_csv(file, "a model", row) < 0 || rec_model_load(&m, file, row->err) < 0)
        return -1;
    if (table != NULL && (strcmp(table, "links") == 0 || strcmp(table, "neighbours") == 0)) {
        result = cat_links(&m, row);
        rec_model_clear(&m);
        return result;
    }
    result = model_header(&m, row);
    if (result == 0 && wants("users"))
        result = model_rows(&m, "user", &m.users, NULL, m.user_bias, m.user_factors, row);
    if (result == 0 && wants("items"))
        result = model_rows(&m, "item", &m.items, m.popularity, m.item_bias, m.item_factors, row);
    rec_model_clear(&m);
    return result;
}

static const struct {
    const char *name;
    int (*cat)(struct rec_safetensors *file, struct row *row);
} kinds[] = {
    {"rec.ratings/", cat_ratings},
    {"rec.catalogue/", cat_catalogue},
    {"rec.features/", cat_features},
    {"rec.model/", cat_model},
};

static int cat_whole(struct rec_safetensors *file, struct row *row)
{
    const char *kind = rec_safetensors_meta(file, "format");
    if (strcmp(format, "npy") == 0)
        return rec_err_set(row->err, "%s: --format npy writes one array: --tensor says which", file->name);
    for (size_t i = 0; kind != NULL && i < REC_LENGTH(kinds); i++)
        if (strncmp(kind, kinds[i].name, strlen(kinds[i].name)) == 0)
            return kinds[i].cat(file, row);
    return rec_err_set(row->err, "%s: no file of ours with rows; --tensor NAME writes one of its arrays", file->name);
}

/* ---- main ---------------------------------------------------------------------------------------- */

static int cat_ids(const struct rec_safetensors *file, struct row *row)
{
    struct rec_ids ids;
    int result = rec_ids_load(&ids, file, ids_of, row->err);
    if (result == 0)
        result = rec_export_ids(&ids, row->out, row->err);
    rec_ids_clear(&ids);
    return result;
}

static int cat(struct tool *tool, struct rec_err *err)
{
    struct rec_safetensors file;
    struct rec_out out = {0};
    struct row row = {.tool = tool, .out = &out, .err = err, .delimiter = strcmp(delimiter, "\\t") == 0 ? '\t' : delimiter[0]};
    int result = -1;
    if (rec_safetensors_open(&file, tool_operand(tool, 0), err) < 0)
        return -1;
    if (rec_out_open(&out, output, strcmp(format, "npy") == 0, err) < 0)
        goto out;
    if (tensor_name != NULL)
        result = cat_tensor(&file, &row);
    else if (ids_of != NULL)
        result = cat_ids(&file, &row);
    else
        result = cat_whole(&file, &row);
    if (result == 0)
        result = rec_out_commit(&out, err);
    else
        rec_out_abort(&out);
out:
    rec_buf_clear(&row.buf);
    rec_safetensors_close(&file);
    return result;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    tool_start(&tool, &about, argc, argv);
    if (strcmp(delimiter, "\\t") != 0 && (strlen(delimiter) != 1 || strchr("\"\n\r", delimiter[0]) != NULL))
        return tool_usage(&tool, "--delimiter: %s is not one character that can part fields", delimiter);
    if (tensor_name != NULL && ids_of != NULL)
        return tool_usage(&tool, "--tensor and --ids: only one of them");
    if (tensor_name != NULL && strcmp(format, "csv") != 0 && strcmp(format, "npy") != 0)
        return tool_usage(&tool, "--tensor: an array is written as csv or npy, not %s", format);
    if (cat(&tool, &err) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, TOOL_DONE);
}
