/* SPDX-License-Identifier: MIT
 *
 * What the parts of rec-registry share.
 *
 *     rec-registry.c              the commands, the registry's directory and its key
 *     rec-registry_add.c          add
 *     rec-registry_list.c         list, show
 *     rec-registry_compare.c      compare; two versions' figures, user by user
 *     rec-registry_decide.c       whether a version may take another's place, and why
 *     rec-registry_promote.c      promote, rollback
 *     rec-registry_keep.c         verify, gc
 *     rec-registry_mlflow.c       push, pull; telling MLflow of what was done
 */
#ifndef REC_REGISTRY_TOOL_H
#define REC_REGISTRY_TOOL_H

#include "tool.h"

#include <rec/crypto.h>
#include <rec/eval.h>
#include <rec/registry.h>

int64_t registry_now(void);
/** The directory of --registry. @param how  REC_REGISTRY_READ, WRITE or CREATE */
int registry_open(struct rec_registry *registry, int how, struct rec_err *err);
/** --key, or DIRECTORY.key. */
const char *registry_key(void);

/* ---- comparing ---- */

/** The figures of both, user by user; none where a version has none. `b_users`: a file of b's, instead of what the registry has; or NULL. */
struct registry_pair {
    const struct rec_version *version[2];
    struct rec_users users[2];
    struct rec_buf path[2];
};
int registry_pair_open(struct registry_pair *pair, const struct rec_registry *registry, const struct rec_version *a, const struct rec_version *b,
                       const char *b_users, struct rec_err *err);
void registry_pair_close(struct registry_pair *pair);
/** Whether both have figures of users for that metric. */
bool registry_pair_has(const struct registry_pair *pair, const char *key);
/** Whether they are known to have been measured on other test ratings. */
bool registry_pair_differs(const struct registry_pair *pair);

/* ---- deciding ---- */

struct registry_rule {
    struct rec_opt_list conditions;
    const char *significance;    /**< "0.05", "none" */
    const char *baseline_metrics, *baseline_users; /**< of the version in use, measured anew where the candidate was; or NULL */
};
#define REGISTRY_RULE(rule) \
    {0, "if", "CONDITION", REC_OPT_LIST, &(rule).conditions, .help = "only if 'ndcg@10 >= production*0.99' or such; may be repeated"}, \
    {0, "significance", "P", REC_OPT_TEXT, &(rule).significance, .help = "how sure a comparison with production has to be; none: means alone"}, \
    {0, "baseline-metrics", "FILE", REC_OPT_FILE, &(rule).baseline_metrics, .help = "production's metrics, measured anew where the candidate's were"}, \
    {0, "baseline-users", "FILE", REC_OPT_FILE, &(rule).baseline_users, .help = "and its figures of users"}

struct registry_verdict {
    bool yes;
    struct rec_buf lines;        /**< a line for each condition, for people */
    struct rec_buf reasons;      /**< the same with all figures, JSON, for the journal */
};
int registry_decide(struct registry_verdict *verdict, const struct rec_registry *registry, const struct rec_version *candidate,
                    const struct registry_rule *rule, bool force, struct rec_err *err);
void registry_verdict_clear(struct registry_verdict *verdict);
/** Decides, says why, and points the alias at the version. TOOL_DONE, TOOL_NO, or -1. */
struct registry_promotion {
    const char *alias;
    struct registry_rule rule;
    bool is_unsigned, force;
};
int registry_promote_version(struct tool *tool, struct rec_registry *registry, const struct rec_version *version,
                             const struct registry_promotion *promotion, struct rec_err *err);

/* ---- MLflow ---- */

/** Notes what MLflow has to be told, where one is configured. */
int registry_note(struct rec_registry *registry, const char *event, const struct rec_version *version, const char *alias, struct rec_err *err);
/** Sends what was noted; that it cannot be is a remark and no failure. Before the registry is closed. */
void registry_send(struct tool *tool, struct rec_registry *registry);

/* ---- the commands and their options ---- */

#define REGISTRY_COMMANDS(X) X(add) X(list) X(show) X(compare) X(promote) X(rollback) X(verify) X(gc) X(push) X(pull)
#define REGISTRY_DECLARE(command) int registry_##command(struct tool *tool, struct rec_err *err);
REGISTRY_COMMANDS(REGISTRY_DECLARE)

extern struct rec_opt registry_add_opts[], registry_list_opts[], registry_show_opts[], registry_compare_opts[], registry_promote_opts[],
    registry_rollback_opts[], registry_verify_opts[], registry_gc_opts[], registry_push_opts[], registry_pull_opts[];

#endif
