/* SPDX-License-Identifier: MIT
 *
 * Whether a version may take another's place: each condition with its figures, as a line for people and as JSON for the journal.
 *
 * A comparison with a version in use has two parts. The figures of both versions must hold it as they stand; and where the figures of each
 * user are there, a paired one-sided t test must reject that they hold it by chance alone. So `production*0.99` asks whether being more than
 * one per cent worse can be ruled out (non-inferiority), and `> production` whether not being better can (superiority).
 */
#include "rec-registry.h"

#include <math.h>

enum { ROUNDS = 9999, ROUNDS_LEAST = 999, FLIPS = 100000000, SEED = 42 };

struct judging {
    const struct rec_registry *registry;
    const struct rec_version *candidate;
    const struct registry_rule *rule;
    double significance;         /* NAN: the figures as they stand */
    struct rec_buf *lines;
    struct rec_json *json;
};

/* What came of one condition. */
struct finding {
    struct rec_bound bound;
    double value, limit, base;
    struct rec_version other;    /* the version it is compared with; number 0: none */
    bool met, tested;
    struct rec_paired paired;
    double low, permutation;
    size_t rounds;
    char why[600];
};

/* ---- one condition ---- */

static int test_users(struct finding *f, const struct judging *j, const struct registry_pair *pair, struct rec_err *err)
{
    struct rec_err why = {0};
    double *d = NULL;
    size_t n;
    int status = rec_users_pair(&d, &n, &pair->users[0], &pair->users[1], f->bound.key, f->bound.factor, f->bound.offset, &why);

    if (status != 0) {
        f->met = false;
        snprintf(f->why, sizeof f->why, "%s", why.text);
        if (status < 0)
            *err = why;
        return status < 0 ? -1 : 0;
    }
    for (size_t i = 0; i < n && f->bound.sign[0] == '<'; i++)
        d[i] = -d[i];
    rec_paired_test(&f->paired, d, n);
    f->rounds = n * ROUNDS <= FLIPS ? ROUNDS : FLIPS / n > ROUNDS_LEAST ? FLIPS / n : ROUNDS_LEAST;
    f->permutation = rec_paired_permutation(d, n, f->rounds, SEED);
    f->low = rec_paired_low(&f->paired, j->significance);
    f->tested = true;
    free(d);
    /* Figures that differ from the limit by the same in each user leave nothing to chance; n < 2 says nothing. */
    if (f->paired.error == 0 ? !(f->bound.sign[1] ? f->paired.mean >= 0 : f->paired.mean > 0) : !(f->paired.greater < j->significance)) {
        f->met = false;
        snprintf(f->why, sizeof f->why, "it may be chance: p = %.4g, not below %.4g", f->paired.greater, j->significance);
    } else
        snprintf(f->why, sizeof f->why, "p = %.4g", f->paired.greater);
    return 0;
}

/* The other version's figure: its own, or one measured anew. */
static int find_base(struct finding *f, const struct judging *j, struct rec_err *err)
{
    const char *path = j->rule->baseline_metrics;
    struct rec_json_value *root;
    struct rec_in in;

    f->base = rec_version_metric(&f->other, f->bound.key);
    if (!path)
        return 0;
    f->base = NAN;
    if (rec_in_open(&in, path, err) < 0)
        return -1;
    root = rec_json_read(path, (const char *)in.data, in.len, err);
    rec_in_close(&in);
    if (!root)
        return -1;
    (void)!rec_json_number(&f->base, rec_json_get(root, f->bound.key));
    rec_json_free(root);
    return 0;
}

static int compare(struct finding *f, const struct judging *j, struct rec_err *err)
{
    bool anew = j->rule->baseline_metrics || j->rule->baseline_users;
    struct registry_pair pair;
    int status = 0;

    if (find_base(f, j, err) < 0)
        return -1;
    f->limit = rec_bound_limit(&f->bound, f->base);
    f->met = rec_bound_holds(&f->bound, f->value, f->limit);
    if (isnan(f->base)) {
        snprintf(f->why, sizeof f->why, "%s, version %lld, has no %s", f->bound.baseline, (long long)f->other.number, f->bound.key);
        return 0;
    }
    if (registry_pair_open(&pair, j->registry, j->candidate, &f->other, j->rule->baseline_users, err) < 0)
        return -1;
    if (anew && !j->rule->baseline_users)
        rec_users_clear(&pair.users[1]); /* of another measurement */
    if (!anew && registry_pair_differs(&pair)) {
        f->met = false;
        snprintf(f->why, sizeof f->why, "they were measured on other test ratings: evaluate both on the same");
    } else if (!f->met || isnan(j->significance))
        snprintf(f->why, sizeof f->why, "%s", f->met ? "the means alone were asked for" : "the means say so");
    else if (!registry_pair_has(&pair, f->bound.key))
        snprintf(f->why, sizeof f->why, "the means alone: one has no figures of users");
    /* Where the means say no, there is nothing left to test; the figures are wanted all the same. */
    if (!isnan(j->significance) && registry_pair_has(&pair, f->bound.key) && (anew || !registry_pair_differs(&pair)))
        status = test_users(f, j, &pair, err);
    registry_pair_close(&pair);
    return status;
}

static int find(struct finding *f, const struct judging *j, const char *text, struct rec_err *err)
{
    char digest[REC_SHA256_TEXT];

    *f = (struct finding){.base = NAN, .limit = NAN, .low = NAN};
    if (rec_bound_parse(&f->bound, text, err) < 0)
        return -1;
    f->value = rec_version_metric(j->candidate, f->bound.key);
    if (isnan(f->value))
        return rec_err_set(err, "version %lld has no metric %s (rec-registry add --metrics): '%.80s' cannot be judged", (long long)j->candidate->number,
                           f->bound.key, text);
    if (!*f->bound.baseline) {
        f->limit = f->bound.offset;
        f->met = rec_bound_holds(&f->bound, f->value, f->limit);
        return 0;
    }
    if (rec_registry_target(digest, j->registry, f->bound.baseline, err) < 0)
        return -1;
    if (!*digest) {
        f->met = true;
        snprintf(f->why, sizeof f->why, "no %s version", f->bound.baseline);
        return 0;
    }
    return rec_version_read(&f->other, j->registry, digest, err) < 0 ? -1 : compare(f, j, err);
}

/* ---- saying so ---- */

static void say(struct rec_buf *out, const struct finding *f, const char *text)
{
    rec_buf_addf(out, "%s: %s: %.6g", text, f->met ? "yes" : "no", f->value);
    if (!isnan(f->limit))
        rec_buf_addf(out, " against %.6g", f->limit);
    if (f->other.number)
        rec_buf_addf(out, " (version %lld has %.6g)", (long long)f->other.number, f->base);
    if (f->tested)
        rec_buf_addf(out, ", difference %.4g, at least %.4g, %zu users", f->paired.mean, f->low, f->paired.n);
    rec_buf_addf(out, "%s%s\n", *f->why ? ": " : "", f->why);
}

static void record(struct rec_json *json, const struct finding *f, const struct judging *j, const char *text)
{
    rec_json_object(json, NULL);
    rec_json_text(json, "condition", text, strlen(text));
    rec_json_bool(json, "met", f->met);
    rec_json_text(json, "reason", f->why, strlen(f->why));
    rec_json_real(json, "value", f->value);
    rec_json_real(json, "limit", f->limit);
    if (f->other.number) {
        rec_json_object(json, "baseline");
        rec_json_text(json, "alias", f->bound.baseline, strlen(f->bound.baseline));
        rec_json_int(json, "number", f->other.number);
        rec_json_text(json, "digest", f->other.digest, strlen(f->other.digest));
        rec_json_real(json, "value", f->base);
        rec_json_end(json);
    }
    if (f->tested) {
        rec_json_object(json, "test");
        rec_json_int(json, "users", (int64_t)f->paired.n);
        rec_json_real(json, "difference", f->paired.mean);
        rec_json_real(json, "low", f->low);
        rec_json_real(json, "t", f->paired.t);
        rec_json_real(json, "p", f->paired.greater);
        rec_json_real(json, "p_permutation", f->permutation);
        rec_json_int(json, "rounds", (int64_t)f->rounds);
        rec_json_real(json, "significance", j->significance);
        rec_json_end(json);
    }
    rec_json_end(json);
}

/* ---- all of them ---- */

static int read_significance(double *out, const char *text, struct rec_err *err)
{
    *out = NAN;
    if (!strcmp(text, "none"))
        return 0;
    if (rec_num_double(out, text, strlen(text)) < 0 || !(*out > 0 && *out <= 0.5))
        return rec_err_set(err, "--significance %.40s: is neither none nor a number above 0, up to 0.5", text);
    return 0;
}

int registry_decide(struct registry_verdict *verdict, const struct rec_registry *registry, const struct rec_version *candidate,
                    const struct registry_rule *rule, bool force, struct rec_err *err)
{
    struct rec_json json = {.out = &verdict->reasons, .flat = true};
    struct judging j = {.registry = registry, .candidate = candidate, .rule = rule, .lines = &verdict->lines, .json = &json};
    int status = read_significance(&j.significance, rule->significance, err);

    verdict->yes = true;
    rec_json_object(&json, NULL);
    rec_json_array(&json, "conditions");
    for (size_t i = 0; i < rule->conditions.n && status == 0; i++) {
        struct finding f;
        status = find(&f, &j, rule->conditions.text[i], err);
        if (status == 0) {
            say(&verdict->lines, &f, rule->conditions.text[i]);
            record(&json, &f, &j, rule->conditions.text[i]);
            verdict->yes = verdict->yes && f.met;
        }
        rec_version_clear(&f.other);
    }
    rec_json_end(&json);
    if (rule->baseline_metrics || rule->baseline_users)
        rec_json_bool(&json, "measured_anew", true);
    if (force && !verdict->yes)
        rec_json_bool(&json, "forced", true);
    rec_json_end(&json);
    if (status == 0 && (verdict->lines.failed || verdict->reasons.failed))
        status = rec_err_memory(err, "decision");
    return status;
}

void registry_verdict_clear(struct registry_verdict *verdict)
{
    rec_buf_clear(&verdict->lines);
    rec_buf_clear(&verdict->reasons);
}
