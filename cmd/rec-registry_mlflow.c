/* SPDX-License-Identifier: MIT
 *
 * rec-registry push and pull, and what MLflow is told of by the other commands. Which server that is says the environment, in MLflow's own
 * variables.
 */
#include "rec-registry.h"

static const char *pull_alias = REC_ALIAS_PRODUCTION;
static int64_t timeout = 30;
static bool everything, without_signature;

#define TIMEOUT {0, "timeout", "SECONDS", REC_OPT_INT, &timeout, .min = 1, .max = 3600, .help = "for one request to MLflow"}

struct rec_opt registry_push_opts[] = {
    {0, "all", NULL, REC_OPT_FLAG, &everything, .flags = REC_OPT_NO_CONFIG, .help = "of all versions and aliases, also those from before MLflow was there"},
    TIMEOUT,
    {0},
};
struct rec_opt registry_pull_opts[] = {
    {0, "alias", "NAME", REC_OPT_TEXT, &pull_alias, .help = "the alias, there and here"},
    {0, "unsigned", NULL, REC_OPT_FLAG, &without_signature, .help = "also a version that nobody known has signed"},
    TIMEOUT,
    {0},
};

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* False: no server is configured. */
static bool configured(struct rec_mlflow *mlflow)
{
    const char *insecure = variable("MLFLOW_TRACKING_INSECURE_TLS"), *experiment = variable("MLFLOW_EXPERIMENT_NAME");

    *mlflow = (struct rec_mlflow){.url = variable("MLFLOW_TRACKING_URI"), .token = variable("MLFLOW_TRACKING_TOKEN"),
                                  .user = variable("MLFLOW_TRACKING_USERNAME"), .password = variable("MLFLOW_TRACKING_PASSWORD"),
                                  .experiment = experiment ? experiment : "rec", .insecure = insecure && !strcmp(insecure, "true"),
                                  .ca = variable("MLFLOW_TRACKING_SERVER_CERT_PATH"), .trust = without_signature,
                                  .timeout = (int)timeout};
    return mlflow->url != NULL;
}

static int need_server(struct rec_mlflow *mlflow, struct rec_err *err)
{
    return configured(mlflow) ? 0 : rec_err_set(err, "MLFLOW_TRACKING_URI: is not set: there is no MLflow server to speak to");
}

/* ---- what the other commands do ---- */

int registry_note(struct rec_registry *registry, const char *event, const struct rec_version *version, const char *alias, struct rec_err *err)
{
    struct rec_mlflow mlflow;

    return configured(&mlflow) ? rec_outbox_put(registry, event, version, alias, registry_now(), err) : 0;
}

void registry_send(struct tool *tool, struct rec_registry *registry)
{
    struct rec_mlflow mlflow;
    struct rec_err why = {0};
    size_t left = 0;

    if (configured(&mlflow) && rec_outbox_send(registry, &mlflow, &left, &why) < 0)
        tool_note(tool, "%s: %zu left to tell MLflow of: rec-registry push does it later", why.text, left);
}

/* ---- commands ---- */

static int note_alias(void *context, const char *alias, const char *digest, struct rec_err *err)
{
    struct rec_registry *registry = context;
    struct rec_version version;

    if (rec_version_read(&version, registry, digest, err) < 0)
        return -1;
    int status = rec_outbox_put(registry, "alias", &version, alias, registry_now(), err);
    rec_version_clear(&version);
    return status;
}

/* What MLflow knows already it is not told twice: it is looked for first. */
static int note_everything(struct rec_registry *registry, struct rec_err *err)
{
    struct rec_version *list;
    size_t n;
    int status = 0;

    if (rec_version_list(&list, &n, registry, err) < 0)
        return -1;
    for (size_t i = 0; i < n && status == 0; i++)
        if (!list[i].damage)
            status = rec_outbox_put(registry, "add", &list[i], NULL, registry_now(), err);
    rec_version_list_clear(list, n);
    return status == 0 ? rec_registry_aliases(registry, note_alias, registry, err) : -1;
}

int registry_push(struct tool *tool, struct rec_err *err)
{
    struct rec_registry registry;
    struct rec_mlflow mlflow;
    size_t left = 0;
    int status;

    (void)tool;
    if (need_server(&mlflow, err) < 0 || registry_open(&registry, REC_REGISTRY_WRITE, err) < 0)
        return -1;
    status = everything ? note_everything(&registry, err) : 0;
    if (status == 0)
        status = rec_outbox_send(&registry, &mlflow, &left, err);
    rec_registry_close(&registry);
    return status;
}

int registry_pull(struct tool *tool, struct rec_err *err)
{
    struct rec_registry registry;
    struct rec_mlflow mlflow;
    struct rec_version version = {0};
    int status;

    if (need_server(&mlflow, err) < 0 || registry_open(&registry, REC_REGISTRY_CREATE, err) < 0)
        return -1;
    status = rec_mlflow_pull(&version, &registry, &mlflow, pull_alias, registry_now(), err);
    if (status == 0)
        tool_note(tool, "%s is version %lld now: %s, %.12s", pull_alias, (long long)version.number, version.model, version.digest);
    rec_version_clear(&version);
    rec_registry_close(&registry);
    return status;
}
