/* SPDX-License-Identifier: MIT
 *
 * A registry's side of MLflow, a step at a time, for tests/integration/registry-mlflow-oracle.bats:
 *     mlflow add REGISTRY KEY MODEL [METRICS [TRACE]]     mlflow alias REGISTRY WHICH ALIAS     mlflow push REGISTRY     mlflow pull REGISTRY ALIAS
 * MLFLOW_... are those of rec-registry(1); TIMEOUT and TRUST besides. */
#include <rec/registry.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *tags[] = {"team=films", "made@by=bats", NULL};

static int add(struct rec_version *version, struct rec_registry *registry, char **argv, int argc, struct rec_err *err)
{
    const char *data[] = {argv[4], NULL};
    struct rec_registry_add what = {.model = argv[4], .metrics = argc > 5 ? argv[5] : NULL, .trace = argc > 6 ? argv[6] : NULL,
                                    .data = data, .test = argc > 5 ? argv[5] : NULL, .note = "a note: \"quoted\"", .tags = tags, .key = argv[3], .tools = "0 (test)"};
    bool added;

    if (rec_registry_add(version, &added, registry, &what, (int64_t)time(NULL), err) < 0)
        return -1;
    return rec_outbox_put(registry, "add", version, NULL, (int64_t)time(NULL), err);
}

static int point(struct rec_version *version, struct rec_registry *registry, char **argv, struct rec_err *err)
{
    int64_t now = (int64_t)time(NULL);

    if (rec_version_read(version, registry, argv[3], err) < 0 ||
        rec_registry_alias(registry, argv[4], version, true, "promote", NULL, now, err) < 0)
        return -1;
    return rec_outbox_put(registry, "alias", version, argv[4], now, err);
}

int main(int argc, char **argv)
{
    const char *timeout = getenv("TIMEOUT"), *experiment = getenv("MLFLOW_EXPERIMENT_NAME");
    struct rec_mlflow mlflow = {.url = getenv("MLFLOW_TRACKING_URI"), .token = getenv("MLFLOW_TRACKING_TOKEN"), .user = getenv("MLFLOW_TRACKING_USERNAME"),
                                .password = getenv("MLFLOW_TRACKING_PASSWORD"), .ca = getenv("MLFLOW_TRACKING_SERVER_CERT_PATH"),
                                .experiment = experiment ? experiment : "rec", .trust = getenv("TRUST") != NULL,
                                .timeout = timeout ? (int)strtol(timeout, NULL, 10) : 0};
    struct rec_registry registry;
    struct rec_version version = {0};
    struct rec_err err = {0};
    size_t left = 0;
    int status = -1;

    if (argc < 3 || rec_registry_open(&registry, argv[2], strcmp(argv[1], "push") ? REC_REGISTRY_CREATE : REC_REGISTRY_READ, &err) < 0)
        goto out;
    if (strcmp(argv[1], "add") == 0 && argc > 4)
        status = add(&version, &registry, argv, argc, &err);
    else if (strcmp(argv[1], "alias") == 0 && argc > 4)
        status = point(&version, &registry, argv, &err);
    else if (strcmp(argv[1], "push") == 0)
        status = rec_outbox_send(&registry, &mlflow, &left, &err);
    else if (strcmp(argv[1], "pull") == 0 && argc > 3)
        status = rec_mlflow_pull(&version, &registry, &mlflow, argv[3], (int64_t)time(NULL), &err);
    if (status == 0 && version.number)
        printf("%s\n", version.digest);
    rec_version_clear(&version);
    rec_registry_close(&registry);
out:
    if (status < 0)
        fprintf(stderr, "mlflow: %s\n", err.text);
    return status < 0;
}
