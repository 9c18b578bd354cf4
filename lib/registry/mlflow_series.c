/* SPDX-License-Identifier: MIT
 *
 * The metrics of a run: those of metrics.json, at step 0, and the columns of trace.csv by pass.
 *
 * All have the version's time: MLflow takes a metric of the same key, time, step and value for the one it has.
 */
#include "mlflow_priv.h"

#include <math.h>

#define METRICS 500              /* in one request; MLflow takes 1000 */
#define TRACE_LONGEST 100000     /* lines */

struct series {
    struct mlflow_http *http;
    const struct mlflow_run *run;
    int64_t time;
    struct rec_buf body;
    struct rec_json json;
    size_t n;                    /* metrics in the body */
};

static int flush(struct series *s, struct rec_err *err)
{
    if (s->n == 0)
        return 0;
    rec_json_end(&s->json);
    rec_json_end(&s->json);
    s->n = 0;
    return rec_mlflow_http_tell(s->http, "runs/log-batch", &s->body, err);
}

static int add(struct series *s, const char *key, double value, int64_t step, struct rec_err *err)
{
    if (!isfinite(value))
        return 0;
    if (s->n == 0) {
        s->json = mlflow_body(&s->body);
        mlflow_text(&s->json, "run_id", s->run->id);
        rec_json_array(&s->json, "metrics");
    }
    rec_json_object(&s->json, NULL);
    rec_mlflow_run_name(&s->json, "key", key);
    rec_json_real(&s->json, "value", value);
    rec_json_int(&s->json, "timestamp", s->time);
    rec_json_int(&s->json, "step", step);
    rec_json_end(&s->json);
    return ++s->n < METRICS ? 0 : flush(s, err);
}

/* ---- trace.csv -------------------------------------------------------------------------------------- */

/* The header line: the first column is the pass, the others are names of metrics. They are kept as texts that end in NUL. */
static int take_header(struct rec_buf *names, const struct rec_csv *csv, struct rec_err *err)
{
    for (size_t f = 0; f < csv->n; f++) {
        rec_buf_add(names, csv->field[f].text, csv->field[f].len);
        rec_buf_addc(names, '\0');
    }
    return names->failed ? rec_err_memory(err, csv->name) : 0;
}

/* A line: cells that are no numbers, as the empty one of a pass without a measurement, are passed over. */
static int add_line(struct series *s, const struct rec_csv *csv, const char *names, size_t columns, struct rec_err *err)
{
    int64_t step;

    if (csv->n != columns || rec_num_int64(&step, csv->field[0].text, csv->field[0].len) < 0)
        return rec_err_set(err, "%s: line %llu: no pass, or not so many columns as the first line has", csv->name, (unsigned long long)csv->line);
    for (size_t f = 1; f < columns; f++) {
        double value;
        names += strlen(names) + 1;
        if (rec_num_double(&value, csv->field[f].text, csv->field[f].len) == 0 && add(s, names, value, step, err) < 0)
            return -1;
    }
    return 0;
}

static int add_trace(struct series *s, const char *path, struct rec_err *err)
{
    static const struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
    struct rec_buf names = {0};
    struct rec_csv csv = {0};
    size_t columns = 0, lines = 0;
    int status;

    if (rec_csv_open(&csv, path, &dialect, err) < 0)
        return -1;
    while ((status = rec_csv_next(&csv, err)) == REC_CSV_RECORD && lines++ < TRACE_LONGEST) {
        if (columns == 0) {
            columns = csv.n;
            status = take_header(&names, &csv, err);
        } else {
            status = add_line(s, &csv, names.data, columns, err);
        }
        if (status < 0)
            break;
    }
    if (status == REC_CSV_BAD)
        status = rec_csv_complain(err, &csv);
    rec_csv_close(&csv);
    rec_buf_clear(&names);
    return status < 0 ? -1 : 0;
}

int rec_mlflow_series_tell(struct mlflow_http *http, const struct mlflow_run *run, const struct rec_registry *registry,
                           const struct rec_version *version, struct rec_err *err)
{
    struct series s = {.http = http, .run = run, .time = version->created * 1000};
    struct rec_buf path = {0};
    int status = 0;

    for (size_t i = 0; i < version->n_metrics && status == 0; i++)
        status = add(&s, version->metric[i].key, version->metric[i].number, 0, err);
    for (size_t i = 0; i < version->n_files && status == 0; i++)
        if (strcmp(version->file[i].name, "trace.csv") == 0 &&
            (status = rec_version_path(&path, registry, version, "trace.csv", err)) == 0)
            status = add_trace(&s, path.data, err);
    if (status == 0)
        status = flush(&s, err);
    rec_buf_clear(&s.body);
    rec_buf_clear(&path);
    return status;
}
