/* SPDX-License-Identifier: MIT
 *
 * rec-registry promote and rollback.
 */
#include "rec-registry.h"

static struct registry_promotion promotion = {.alias = REC_ALIAS_PRODUCTION, .rule.significance = "0.05"};
static const char *rollback_alias = REC_ALIAS_PRODUCTION;

#define ALIAS(var) {0, "alias", "NAME", REC_OPT_TEXT, (var), .help = "the name that is pointed elsewhere"}

struct rec_opt registry_promote_opts[] = {
    ALIAS(&promotion.alias),
    REGISTRY_RULE(promotion.rule),
    {0, "force", NULL, REC_OPT_FLAG, &promotion.force, .flags = REC_OPT_NO_CONFIG, .help = "all the same; the journal says so"},
    {0, "unsigned", NULL, REC_OPT_FLAG, &promotion.is_unsigned, .help = "also a version that nobody known has signed"},
    {0},
};
struct rec_opt registry_rollback_opts[] = {
    ALIAS(&rollback_alias),
    {0},
};

/* ---- promote ---- */

/* That the answer was no is worth a line as well. */
static int tell_no(struct rec_registry *registry, const char *alias, const struct rec_version *v, const char *reasons, struct rec_err *err)
{
    struct rec_buf text = {0};
    struct rec_json json = {.out = &text, .flat = true};
    struct rec_json_value *root = rec_json_read("reasons", reasons, strlen(reasons), err);
    int status;

    if (!root)
        return -1;
    rec_json_object(&json, NULL);
    rec_json_text(&json, "alias", alias, strlen(alias));
    rec_json_int(&json, "number", v->number);
    rec_json_text(&json, "digest", v->digest, strlen(v->digest));
    rec_json_copy(&json, "reasons", root);
    rec_json_end(&json);
    status = text.failed ? rec_err_memory(err, "journal") : rec_registry_journal(registry, "refuse", text.data, registry_now(), err);
    rec_json_free(root);
    rec_buf_clear(&text);
    return status;
}

static int point(struct tool *tool, struct rec_registry *registry, const char *alias, const struct rec_version *v, bool trusted, const char *event,
                 const char *reasons, struct rec_err *err)
{
    if (rec_registry_alias(registry, alias, v, trusted, event, reasons, registry_now(), err) < 0 ||
        registry_note(registry, "alias", v, alias, err) < 0)
        return -1;
    tool_note(tool, "%s is version %lld now: %s, %.12s", alias, (long long)v->number, v->model, v->digest);
    return TOOL_DONE;
}

int registry_promote_version(struct tool *tool, struct rec_registry *registry, const struct rec_version *version,
                             const struct registry_promotion *p, struct rec_err *err)
{
    struct registry_verdict verdict = {0};
    int status = registry_decide(&verdict, registry, version, &p->rule, p->force, err);

    if (status == 0 && verdict.lines.len)
        fputs(verdict.lines.data, stderr);
    if (status == 0 && !verdict.yes && !p->force) {
        status = tell_no(registry, p->alias, version, verdict.reasons.data, err);
        if (status == 0)
            tool_note(tool, "version %lld is not good enough for %s: nothing was changed", (long long)version->number, p->alias);
        status = status < 0 ? -1 : TOOL_NO;
    } else if (status == 0)
        status = point(tool, registry, p->alias, version, !p->is_unsigned, "promote", verdict.reasons.data, err);
    registry_verdict_clear(&verdict);
    return status;
}

int registry_promote(struct tool *tool, struct rec_err *err)
{
    struct rec_registry registry;
    struct rec_version version = {0};
    int status = -1;

    if (registry_open(&registry, REC_REGISTRY_WRITE, err) < 0)
        return -1;
    if (rec_version_read(&version, &registry, tool_operand(tool, 0), err) == 0)
        status = registry_promote_version(tool, &registry, &version, &promotion, err);
    if (status == TOOL_DONE)
        registry_send(tool, &registry);
    rec_version_clear(&version);
    rec_registry_close(&registry);
    return status;
}

/* ---- rollback ---- */

/* What was in production before was asked for its signature then. */
int registry_rollback(struct tool *tool, struct rec_err *err)
{
    struct rec_registry registry;
    struct rec_version version = {0};
    int status = -1;

    if (registry_open(&registry, REC_REGISTRY_WRITE, err) < 0)
        return -1;
    if (rec_registry_previous(&version, &registry, rollback_alias, err) == 0)
        status = point(tool, &registry, rollback_alias, &version, false, "rollback", NULL, err);
    if (status == TOOL_DONE)
        registry_send(tool, &registry);
    rec_version_clear(&version);
    rec_registry_close(&registry);
    return status;
}
