/* SPDX-License-Identifier: MIT
 *
 * What makes a version a model of MLflow's python_function flavor (mlflow.org, "MLflow Models", storage format): MLmodel, which says how it is
 * loaded and what goes in and out, what it needs of Python, and the code that loads it, which is lib/registry/rec_pyfunc.py.
 *
 * Ids are of type "any": data frames have them as whole numbers as often as texts.
 */
#include <rec/registry.h>

#include <string.h>

#include "pyfunc.h"

#define PYTHON "3.11"

static const char python_env[] = "python: \"" PYTHON "\"\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n";
static const char requirements[] = "mlflow>=2.20\nnumpy>=1.24\npandas\nsafetensors>=0.4\n";

/* JSON in YAML: a text in single quotes. */
static const char signature[] =
    "signature:\n"
    "  inputs: '[{\"type\": \"any\", \"name\": \"user\", \"required\": true}, {\"type\": \"any\", \"name\": \"item\", \"required\": false}]'\n"
    "  outputs: '[{\"type\": \"float\", \"name\": \"score\", \"required\": true}]'\n"
    "  params: '[{\"name\": \"k\", \"type\": \"long\", \"default\": 10, \"shape\": null},"
    " {\"name\": \"include_seen\", \"type\": \"boolean\", \"default\": false, \"shape\": null}]'\n";

static int make_model(struct rec_buf *out, const struct rec_version *version, struct rec_err *err)
{
    char time[REC_NUM_MAX];

    rec_date_print_time(time, version->created);
    time[10] = ' ';              // as MLflow writes it: no T, no Z
    time[19] = 0;
    rec_buf_adds(out, "artifact_path: model\n"
                      "flavors:\n"
                      "  python_function:\n"
                      "    code: code\n"
                      "    data: version/model.rec\n"
                      "    env:\n"
                      "      virtualenv: python_env.yaml\n"
                      "    loader_module: rec_pyfunc\n"
                      "    python_version: \"" PYTHON "\"\n");
    rec_buf_addf(out, "metadata:\n  rec.digest: \"%s\"\n  rec.number: %lld\n", version->digest, (long long)version->number);
    rec_buf_adds(out, "mlflow_version: 2.20.0\n");
    rec_buf_adds(out, signature);
    rec_buf_addf(out, "utc_time_created: '%s.000000'\n", time);
    return out->failed ? rec_err_memory(err, "MLmodel") : 0;
}

int rec_pyfunc_files(const struct rec_version *version, int (*each)(void *context, const char *name, const void *bytes, size_t n, struct rec_err *err),
                     void *context, struct rec_err *err)
{
    struct rec_buf model = {0};
    int status = make_model(&model, version, err);

    if (status == 0 && ((status = each(context, "code/rec_pyfunc.py", rec_pyfunc_py, sizeof rec_pyfunc_py - 1, err)) == 0) &&
        ((status = each(context, "requirements.txt", requirements, sizeof requirements - 1, err)) == 0) &&
        ((status = each(context, "python_env.yaml", python_env, sizeof python_env - 1, err)) == 0))
        status = each(context, "MLmodel", model.data, model.len, err);
    rec_buf_clear(&model);
    return status;
}
