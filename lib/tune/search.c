/* SPDX-License-Identifier: MIT
 *
 * Trials side by side: each worker takes the next number, asks what to try, trains, measures between passes, and gives up where others did better.
 */
#include <rec/tune.h>

#include <math.h>
#include <pthread.h>
#include <time.h>

/* What workers share; all of it, trials included, is for who holds the lock. */
struct shared {
    struct rec_search *search;
    pthread_mutex_t lock;
    double until;          /* 0: no limit */
    bool broken;           /* a search that cannot go on */
    bool greater;          /* metrics are better */
};

/* One trial, of one worker. */
struct run {
    struct shared *shared;
    struct rec_validate validate;
    struct rec_trial trial; /* what is known of it so far */
    size_t index;           /* among the trials */
    size_t measured, waited;
    bool broken;            /* it failed of what every trial would fail of */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double score(const struct shared *s, double metric)
{
    return isnan(metric) ? -INFINITY : s->greater ? metric : -metric;
}

/* ---- within a trial ------------------------------------------------------------------------------- */

static int measure(struct run *run, const struct rec_model *model, size_t step, struct rec_err *err)
{
    const struct rec_search *search = run->shared->search;
    struct rec_model m = *model;

    if (search->seen) {
        m.seen_ptr = search->seen->user_ptr;
        m.seen_item = search->seen->item;
    }
    run->broken = true;
    if (rec_validate_model(&run->validate, &m, err) < 0)
        return -1;
    if (isnan(run->validate.figure[0]))
        return rec_err_set(err, "%s: nothing in it that %s could be measured by", search->held_out->file.name ? search->held_out->file.name : "validation ratings",
                           search->metric);
    run->broken = false;
    run->measured++;
    run->waited++;
    if (run->measured > 1 && score(run->shared, run->validate.figure[0]) <= score(run->shared, run->trial.metric))
        return 0;
    run->trial.metric = run->validate.figure[0];
    run->trial.passes = search->passes ? step : 0;
    run->waited = 0;
    return 0;
}

/* The rung that `step` is, or -1. */
static ptrdiff_t find_rung(const struct rec_search *search, size_t step)
{
    for (size_t r = 0; r < search->n_rungs; r++)
        if (search->rung[r] == step)
            return (ptrdiff_t)r;
    return -1;
}

/* Whether the trial may go on from rung r. */
static bool passes_rung(struct run *run, size_t r)
{
    struct shared *s = run->shared;
    struct rec_trials *t = s->search->trials_made;
    bool keep = true;
    size_t n = 0;
    double *others;

    pthread_mutex_lock(&s->lock);
    run->trial.rung[r] = t->trial[run->index].rung[r] = run->trial.metric;
    others = malloc(t->n * sizeof *others);
    for (size_t i = 0; others && i < t->n; i++)
        if (!isnan(t->trial[i].rung[r]))
            others[n++] = score(s, t->trial[i].rung[r]);
    keep = !others || rec_rungs_keep(score(s, run->trial.metric), others, n, s->search->eta);
    pthread_mutex_unlock(&s->lock);
    free(others);
    return keep;
}

static bool wants_model(void *context, size_t step, size_t steps)
{
    const struct run *run = context;
    const struct rec_search *search = run->shared->search;

    /* What cannot be asked for by a number of passes is not looked at before the end. */
    return step == steps || (search->passes > 0 && (step % search->every == 0 || find_rung(search, step) >= 0));
}

static int progress(void *context, const struct rec_progress *p, struct rec_err *err)
{
    struct run *run = context;
    const struct rec_search *search = run->shared->search;
    ptrdiff_t rung = find_rung(search, p->step);

    if (!p->model || !wants_model(run, p->step, p->steps))
        return 0;
    if (measure(run, p->model, p->step, err) < 0)
        return -1;
    if (p->step < p->steps && rung >= 0 && !passes_rung(run, (size_t)rung)) {
        run->trial.status = REC_TRIAL_PRUNED;
        return 1;
    }
    return search->patience > 0 && run->waited >= search->patience;
}

/* Trains and measures. What a trial fails of is its own affair, but for what every other would fail of too. */
static int run_trial(struct run *run, struct rec_err *err)
{
    const struct rec_search *search = run->shared->search;
    struct rec_train_job job = {.ratings = search->ratings, .param = run->trial.param, .seed = search->seed, .threads = search->threads, .features = search->features,
                                .progress = progress, .wants_model = wants_model, .context = run};
    struct rec_model model = {0};
    double began = now();
    int rc = -1;

    run->validate.threads = search->threads;
    run->validate.relevant = search->relevant;
    if (rec_eval_init(&run->validate.eval, search->metric, "10", err) < 0 ||
        rec_validate_begin(&run->validate, search->held_out, &search->ratings->users, &search->ratings->items, err) < 0)
        run->broken = true;
    else
        rc = search->space->type->train(&model, &job, err);
    if (rc == 0 && run->measured == 0)
        rc = measure(run, &model, search->passes, err); /* it has told nothing in between */
    if (rc < 0)
        run->trial.status = REC_TRIAL_FAILED;
    else if (run->trial.status == REC_TRIAL_RUNNING)
        run->trial.status = REC_TRIAL_DONE;
    run->trial.seconds = now() - began;
    rec_model_clear(&model);
    rec_validate_clear(&run->validate);
    return run->broken ? -1 : 0;
}

/* ---- which trial comes next ------------------------------------------------------------------------- */

struct order {
    const struct shared *shared;
    const struct rec_trial *trial;
};

/* Those that were done by their metric, then those that were given up, the later the better, then those that failed; then those that run. */
static int rank_of(const struct rec_trial *t)
{
    int rungs = 0;

    for (size_t r = 0; r < REC_RUNGS_MAX; r++)
        rungs += !isnan(t->rung[r]);
    switch (t->status) {
    case REC_TRIAL_DONE: return 1000;
    case REC_TRIAL_PRUNED: return 100 + rungs;
    case REC_TRIAL_FAILED: return 1;
    case REC_TRIAL_RUNNING: break;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    int rank = rank_of(y->trial) - rank_of(x->trial);
    double sx = score(x->shared, x->trial->metric), sy = score(x->shared, y->trial->metric);

    if (rank != 0)
        return rank;
    if (sx != sy && x->trial->status != REC_TRIAL_RUNNING)
        return sx > sy ? -1 : 1;
    return x->trial->number < y->trial->number ? -1 : 1;
}

static int propose(double *param, const struct shared *s, size_t number, struct rec_err *err)
{
    const struct rec_search *search = s->search;
    const struct rec_trials *t = search->trials_made;
    struct order *order = rec_malloc(t->n + 1, sizeof *order, "trials", err);
    const double **seen = rec_malloc(t->n + 1, sizeof *seen, "trials", err);
    size_t done = 0;
    int rc = -1;

    if (order && seen) {
        for (size_t i = 0; i < t->n; i++)
            order[i] = (struct order){s, &t->trial[i]};
        qsort(order, t->n, sizeof *order, compare);
        for (size_t i = 0; i < t->n; i++) {
            seen[i] = order[i].trial->param;
            done += order[i].trial->status != REC_TRIAL_RUNNING;
        }
        rc = rec_tpe_propose(param, search->space, seen, done, t->n, search->seed, number, err);
    }
    free(order);
    free(seen);
    return rc;
}

/* The defaults come first, as far as the space has them. In the model's own range a default may stand outside: 0 for "find out yourself". */
static void take_defaults(double *param, const struct rec_space *space)
{
    for (size_t d = 0; d < space->n; d++) {
        const struct rec_space_dim *dim = &space->dim[d];
        double def = dim->param->def;
        bool own = dim->lo == dim->param->lo && dim->hi == dim->param->hi;
        param[d] = dim->n == 0 && (own || (def >= dim->lo && def <= dim->hi)) ? def : rec_space_value(dim, rec_space_at(dim, def));
    }
}

/* The least number that no trial has. */
static size_t next_number(const struct rec_trials *t)
{
    for (size_t number = 1;; number++) {
        size_t i = 0;
        while (i < t->n && t->trial[i].number != number)
            i++;
        if (i == t->n)
            return number;
    }
}

/* @return 1, 0 when there are enough, -1 */
static int next_trial(struct run *run, struct shared *s, struct rec_err *err)
{
    const struct rec_search *search = s->search;
    size_t number = next_number(search->trials_made), finished = 0;
    double param[REC_PARAM_MAX] = {0};
    struct rec_trial *trial;

    if (s->broken || number > search->trials || (s->until > 0 && now() >= s->until))
        return 0;
    for (size_t i = 0; i < search->trials_made->n; i++)
        finished += search->trials_made->trial[i].status != REC_TRIAL_RUNNING;
    if (number == 1)
        take_defaults(param, search->space);
    else if (search->random || number <= search->startup || finished < 2)
        rec_tpe_random(param, search->space, search->seed, number);
    else if (propose(param, s, number, err) < 0)
        return -1;
    if (!(trial = rec_trials_begin(search->trials_made, err)))
        return -1;
    trial->number = number;
    memcpy(trial->param, param, sizeof trial->param);
    *run = (struct run){.shared = s, .trial = *trial, .index = search->trials_made->n - 1};
    return 1;
}

static int end_trial(struct run *run, const struct rec_err *why, struct rec_err *err)
{
    struct rec_search *search = run->shared->search;

    search->trials_made->trial[run->index] = run->trial;
    if (rec_trials_end(search->trials_made, &run->trial, err) < 0)
        return -1;
    if (search->told)
        search->told(search->context, search, &run->trial, why->text);
    return 0;
}

static int work(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct shared *s = context;
    struct run *run = rec_malloc(1, sizeof *run, "trial", err);
    int rc = run ? 1 : -1;

    (void)begin, (void)end, (void)thread;
    while (rc > 0) {
        struct rec_err why = {0};
        pthread_mutex_lock(&s->lock);
        rc = next_trial(run, s, err);
        pthread_mutex_unlock(&s->lock);
        if (rc <= 0)
            break;
        bool broken = run_trial(run, &why) < 0;
        pthread_mutex_lock(&s->lock);
        if (broken)
            rc = rec_err_set(err, "%s", why.text);
        else if (end_trial(run, &why, err) < 0)
            rc = -1;
        s->broken = s->broken || rc < 0;
        pthread_mutex_unlock(&s->lock);
    }
    free(run);
    return rc;
}

/* ---- the search ------------------------------------------------------------------------------------- */

int rec_search_run(struct rec_search *search, struct rec_err *err)
{
    struct shared s = {.search = search, .until = search->seconds > 0 ? now() + search->seconds : 0};
    const struct rec_measure *measure_of = rec_measures_find(search->metric, strcspn(search->metric, "@"));
    unsigned workers = search->workers ? search->workers : 1;
    int rc;

    s.greater = !measure_of || measure_of->greater_is_better;
    search->every = search->every ? search->every : 1;
    if (pthread_mutex_init(&s.lock, NULL) != 0)
        return rec_err_memory(err, "search");
    rc = rec_pool_run(workers, workers, 1, work, &s, err);
    pthread_mutex_destroy(&s.lock);
    return rc;
}

const struct rec_trial *rec_search_best(const struct rec_search *search)
{
    const struct rec_measure *measure_of = rec_measures_find(search->metric, strcspn(search->metric, "@"));
    const struct rec_trials *t = search->trials_made;
    const struct rec_trial *best = NULL;

    for (size_t i = 0; i < t->n; i++) {
        const struct rec_trial *trial = &t->trial[i];
        if ((trial->status != REC_TRIAL_DONE && trial->status != REC_TRIAL_PRUNED) || isnan(trial->metric))
            continue;
        bool tie = best && trial->metric == best->metric;
        if (!best || (tie ? trial->number < best->number : (!measure_of || measure_of->greater_is_better) == (trial->metric > best->metric)))
            best = trial;
    }
    return best;
}
