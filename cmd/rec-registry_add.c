/* SPDX-License-Identifier: MIT
 *
 * rec-registry add: a model and what belongs to it become a version.
 */
#include "rec-registry.h"

#include <rec/score.h>

static const char *metrics, *users, *trace, *catalogue, *test, *note;
static struct rec_opt_list data, tags, files;
static bool promote, without_signature;
static struct registry_promotion promotion = {.alias = REC_ALIAS_PRODUCTION, .rule.significance = "0.05"};

struct rec_opt registry_add_opts[] = {
    {0, "metrics", "FILE", REC_OPT_FILE, &metrics, .help = "what rec-eval wrote"},
    {0, "users", "FILE", REC_OPT_FILE, &users, .help = "what rec-eval --per-user wrote: for tests of significance"},
    {0, "trace", "FILE", REC_OPT_FILE, &trace, .help = "what rec-train --trace wrote"},
    {0, "catalogue", "FILE", REC_OPT_FILE, &catalogue, .help = "the movies, kept with the model"},
    {0, "file", "FILE", REC_OPT_LIST, &files, .flags = REC_OPT_NO_CONFIG, .help = "any other file to keep with it; may be repeated"},
    {0, "data", "FILE", REC_OPT_LIST, &data, .help = "what it was trained on: its SHA-256 is kept; may be repeated"},
    {0, "test", "FILE", REC_OPT_FILE, &test, .help = "what it was measured on: its SHA-256 is kept"},
    {0, "note", "TEXT", REC_OPT_TEXT, &note, .flags = REC_OPT_NO_CONFIG, .help = "a remark"},
    {0, "tag", "KEY=VALUE", REC_OPT_LIST, &tags, .help = "anything worth knowing; may be repeated"},
    {0, "unsigned", NULL, REC_OPT_FLAG, &without_signature, .help = "do not sign it"},
    {0, "promote", NULL, REC_OPT_FLAG, &promote, .flags = REC_OPT_NO_CONFIG, .help = "and put it into production, if it is good enough"},
    REGISTRY_RULE(promotion.rule),
    {0},
};

/* A model that no tool can read is not worth a version. */
static int check_model(const char *path, struct rec_err *err)
{
    struct rec_model model;

    if (!strcmp(path, "-"))
        return rec_err_set(err, "a version is made of files: name the model");
    if (rec_model_read(&model, path, err) < 0)
        return -1;
    rec_model_clear(&model);
    return 0;
}

static void tell(struct tool *tool, const struct rec_registry *registry, const struct rec_version *v, bool added, const struct rec_registry_add *add)
{
    if (add->key_made)
        tool_note(tool, "%s: a new signing key, whose public half is %s/keys/%s.pub; who has it can sign versions", add->key, registry->path, v->key);
    if (added)
        tool_note(tool, "version %lld: %s, %.12s%s%s", (long long)v->number, v->model, v->digest, v->signed_by_key ? ", signed by " : ", not signed", v->key);
    else
        tool_note(tool, "version %lld is this model already: nothing was added", (long long)v->number);
}

static int print_number(int64_t number, struct rec_err *err)
{
    struct rec_buf out = {0};

    rec_buf_addf(&out, "%lld\n", (long long)number);
    return tool_print(&out, err);
}

int registry_add(struct tool *tool, struct rec_err *err)
{
    /* An option list holds 64 at most, and one more place here ends them. */
    const char *data_list[REC_OPT_LIST_MAX + 1] = {0}, *tag_list[REC_OPT_LIST_MAX + 1] = {0}, *file_list[REC_OPT_LIST_MAX + 1] = {0};
    struct rec_registry_add add = {.model = tool_operand(tool, 0), .metrics = metrics, .users = users, .trace = trace, .catalogue = catalogue,
                                   .extra = file_list, .data = data_list, .test = test, .note = note, .tags = tag_list,
                                   .key = without_signature ? NULL : registry_key(), .tools = tool_build()};
    struct rec_registry registry = {.dir = -1, .lock = -1};
    struct rec_version version = {0};
    bool added;
    int status = -1;

    memcpy(data_list, data.text, data.n * sizeof *data.text);
    memcpy(tag_list, tags.text, tags.n * sizeof *tags.text);
    memcpy(file_list, files.text, files.n * sizeof *files.text);
    if (promotion.rule.conditions.n && !promote)
        return tool_usage(tool, "--if: goes with --promote");
    promotion.is_unsigned = without_signature;
    if (check_model(add.model, err) < 0 || registry_open(&registry, REC_REGISTRY_CREATE, err) < 0)
        goto out;
    if (rec_registry_add(&version, &added, &registry, &add, registry_now(), err) < 0 || registry_note(&registry, "add", &version, NULL, err) < 0)
        goto out;
    tell(tool, &registry, &version, added, &add);
    status = promote ? registry_promote_version(tool, &registry, &version, &promotion, err) : 0;
    if (status >= 0) {
        registry_send(tool, &registry);
        status = print_number(version.number, err) < 0 ? -1 : status;
    }
out:
    rec_version_clear(&version);
    rec_registry_close(&registry);
    return status;
}
