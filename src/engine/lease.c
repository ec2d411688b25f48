/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lease.h"

#include "job.h"
#include "lease-private.h"
#include "pool-private.h"

/* How often a waiting lease looks whether it was cancelled from outside. */
#define WAIT_TICK (100 * G_TIME_SPAN_MILLISECOND)
/* How long a stop waits for a cancelled scan, which may hang with its storage. */
#define SCAN_PATIENCE (2 * G_TIME_SPAN_SECOND)

typedef enum Verdict { VERDICT_GO, VERDICT_WAIT, VERDICT_REFUSE } Verdict;

/* How something wanted stands to something held. */
typedef enum Relation {
    RELATION_NONE,
    RELATION_WAIT,
    RELATION_CANCEL, /* a scan in the way of a stop: cancelled, then waited for */
    RELATION_JOBS,   /* these and the following refuse */
    RELATION_BUILDING,
    RELATION_IN_USE,
    RELATION_EXISTS,
} Relation;

/* ---- one against the other ---- */

static Relation volume_relation(const OperationRow *wanted, const OperationRow *held)
{
    if (wanted->use == VOLUME_USE_SHARED && held->use == VOLUME_USE_SHARED)
        return RELATION_NONE;
    if (held->use == VOLUME_USE_NEW)
        return wanted->use == VOLUME_USE_NEW ? RELATION_EXISTS : RELATION_BUILDING;
    if (!held->is_long)
        return RELATION_WAIT;
    return wanted->use == VOLUME_USE_NEW ? RELATION_EXISTS : RELATION_IN_USE;
}

static bool takes_turns(const Pool *pool, const OperationRow *wanted, const OperationRow *held)
{
    return engine_backend(pool->engine, pool->def->schema)->concurrency == BACKEND_SERIAL_POOL &&
           wanted->use > VOLUME_USE_SHARED && held->use > VOLUME_USE_SHARED;
}

static Relation hold_relation(const Hold *wanted, const Hold *held)
{
    const OperationRow *want = operation_row(wanted->operation);
    const OperationRow *have = operation_row(held->operation);

    if (wanted->pool != held->pool)
        return RELATION_NONE;
    if (want->classes & have->classes)
        return RELATION_WAIT;
    if (want->needs_quiet && (have->classes & CLASS_SCAN))
        return RELATION_CANCEL;
    if (want->needs_quiet && have->use)
        return have->is_long ? RELATION_JOBS : RELATION_WAIT;
    if (have->needs_quiet && (want->use || (want->classes & CLASS_SCAN)))
        return RELATION_WAIT;
    if (!want->use || !have->use)
        return RELATION_NONE;
    if (g_str_equal(wanted->volume, held->volume))
        return volume_relation(want, have);
    return takes_turns(wanted->pool, want, have) ? RELATION_WAIT : RELATION_NONE;
}

static Relation lease_relation(const Hold *wanted, const Lease *held)
{
    Relation worst = RELATION_NONE;

    for (guint i = 0; i < held->count; i++) {
        Relation relation = hold_relation(wanted, &held->holds[i]);
        worst = MAX(worst, relation);
    }
    return worst;
}

/* ---- refusals ---- */

static Verdict refuse(Relation relation, const Hold *wanted, const Job *job, bool judged,
                      GError **error)
{
    g_autofree char *way = job_in_the_way(job, !judged);

    switch (relation) {
    case RELATION_JOBS:
        error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE,
                  "pool '%s' has asynchronous jobs running. %s", wanted->pool->name, way);
        break;
    case RELATION_BUILDING:
        error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                  "volume '%s' is still being allocated. %s", wanted->volume, way);
        break;
    case RELATION_IN_USE:
        error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE, "volume '%s' is still in use. %s",
                  wanted->volume, way);
        break;
    default:
        refusal_set(operation_row(wanted->operation)->taken, wanted->volume, error);
    }
    return VERDICT_REFUSE;
}

static const Refusal *state_refusal(const Pool *pool, const OperationRow *row)
{
    const Refusal *refusal = row->allowed[pool_phase(pool)];

    return refusal || pool->persistent ? refusal : row->transient;
}

static Verdict judge_state(const Pool *pool, const OperationRow *row, GError **error)
{
    const Refusal *refusal = state_refusal(pool, row);

    if (!refusal)
        return VERDICT_GO;
    if (refusal->wait)
        return VERDICT_WAIT;
    if (refusal->code == ERROR_NO_POOL)
        pool_not_found_by_uuid(&pool->uuid, pool->name, error);
    else
        refusal_set(refusal, pool->name, error);
    return VERDICT_REFUSE;
}

/* ---- one against all ---- */

/* Cancels the scan; past the lease's patience, which silent storage doesn't deserve, it no longer
 * matters. */
static Verdict push_aside(Lease *lease, const Hold *hold, Lease *scan)
{
    gint64 now = g_get_monotonic_time();

    if (!lease->patience) {
        lease->patience = now + (hold->pool->silent ? 0 : SCAN_PATIENCE);
        operation_cancel(scan->job.op);
    }
    return now < lease->patience ? VERDICT_WAIT : VERDICT_GO;
}

static Verdict judge_against(Lease *lease, const Hold *hold, Lease *held, GError **error)
{
    Relation relation = lease_relation(hold, held);

    if (relation == RELATION_NONE)
        return VERDICT_GO;
    if (relation == RELATION_CANCEL)
        return push_aside(lease, hold, held);
    if (relation != RELATION_WAIT)
        return refuse(relation, hold, &held->job, lease->judged, error);
    lease->blocker = held->job.id;
    return VERDICT_WAIT;
}

static Verdict judge_running(Lease *lease, const Hold *hold, GError **error)
{
    Verdict worst = VERDICT_GO;

    for (GList *l = hold->pool->engine->running.head; l && worst != VERDICT_REFUSE; l = l->next) {
        Verdict verdict = judge_against(lease, hold, l->data, error);
        worst = MAX(worst, verdict);
    }
    return worst;
}

static Verdict judge_name(const Hold *hold, GError **error)
{
    const OperationRow *row = operation_row(hold->operation);

    if (row->use != VOLUME_USE_NEW)
        return VERDICT_GO;
    g_autoptr(VolumeRecord) record = inventory_find(hold->pool->inventory, hold->volume);
    if (!record)
        return VERDICT_GO;
    refusal_set(row->taken, hold->volume, error);
    return VERDICT_REFUSE;
}

static bool waits_for_state(const Lease *lease)
{
    for (guint i = 0; i < lease->count; i++) {
        const Hold *hold = &lease->holds[i];
        const Refusal *refusal = state_refusal(hold->pool, operation_row(hold->operation));
        if (refusal && refusal->wait)
            return true;
    }
    return false;
}

/* Those who came earlier go first, but what only waits for the pool's state to pass: it may be this
 * one that ends it. */
static Verdict judge_waiting(Lease *lease, const Hold *hold)
{
    for (GList *l = hold->pool->engine->waiting.head; l && l->data != lease; l = l->next)
        if (lease_relation(hold, l->data) == RELATION_WAIT && !waits_for_state(l->data))
            return VERDICT_WAIT;
    return VERDICT_GO;
}

static Verdict judge_hold(Lease *lease, const Hold *hold, GError **error)
{
    Verdict verdict = judge_state(hold->pool, operation_row(hold->operation), error);

    if (verdict == VERDICT_GO)
        verdict = judge_running(lease, hold, error);
    if (verdict == VERDICT_GO)
        verdict = judge_name(hold, error);
    if (verdict == VERDICT_GO)
        verdict = judge_waiting(lease, hold);
    return verdict;
}

static Verdict judge(Lease *lease, GError **error)
{
    Verdict worst = VERDICT_GO;

    for (guint i = 0; i < lease->count && worst != VERDICT_REFUSE; i++) {
        Verdict verdict = judge_hold(lease, &lease->holds[i], error);
        worst = MAX(worst, verdict);
    }
    return worst;
}

/* ---- taking and giving back ---- */

static Lease *lease_new(const Hold *holds, guint count, const Request *request)
{
    Lease *lease = g_new0(Lease, 1);

    g_assert(count <= LEASE_MAX_HOLDS);
    lease->link.data = lease;
    lease->count = count;
    lease->judged = request && request->judge;
    for (guint i = 0; i < count; i++)
        lease->holds[i] = (Hold){.pool = pool_ref(holds[i].pool),
                                 .operation = holds[i].operation,
                                 .volume = g_strdup(holds[i].volume)};
    job_init(&lease->job, operation_row(holds[0].operation)->word, holds[0].pool->name,
             holds[0].volume, request);
    return lease;
}

static void lease_free(Lease *lease)
{
    for (guint i = 0; i < lease->count; i++) {
        pool_unref(lease->holds[i].pool);
        g_free((char *)lease->holds[i].volume);
    }
    job_clear(&lease->job);
    g_free(lease);
}

static bool may_wait_on(Lease *lease, GError **error)
{
    if (operation_check(lease->job.op, error))
        return true;
    if (lease->blocker)
        error_add_context(error, "waiting for job %" G_GUINT64_FORMAT ": ", lease->blocker);
    return false;
}

static bool wait_for_turn(Engine *engine, Lease *lease, GError **error)
{
    for (;;) {
        if (engine->closing)
            return error_set(error, ERROR_ABORTED, ORIGIN_STORAGE,
                             "the storage manager is shutting down");
        Verdict verdict = judge(lease, error);
        if (verdict != VERDICT_WAIT)
            return verdict == VERDICT_GO;
        if (!may_wait_on(lease, error))
            return false;
        g_cond_wait_until(&engine->changed, &engine->lock, g_get_monotonic_time() + WAIT_TICK);
    }
}

static void enter_phase(Lease *lease)
{
    const OperationRow *row = operation_row(lease->holds[0].operation);

    lease->phase_before = lease->holds[0].pool->phase;
    if (row->has_phase)
        lease->holds[0].pool->phase = row->phase;
}

static void leave_phase(Lease *lease)
{
    const OperationRow *row = operation_row(lease->holds[0].operation);

    if (row->has_phase && lease->holds[0].pool->phase == row->phase)
        lease->holds[0].pool->phase = lease->phase_before;
}

static void grant(Engine *engine, Lease *lease)
{
    lease->job.id = ++engine->last_job;
    lease->job.started = g_get_real_time();
    g_queue_push_tail_link(&engine->running, &lease->link);
    enter_phase(lease);
}

static void settle_pools(Lease *lease)
{
    for (guint i = 0; i < lease->count; i++)
        pool_list_settle(lease->holds[i].pool);
    g_cond_broadcast(&lease->holds[0].pool->engine->changed);
}

Lease *lease_take(const Hold *holds, guint count, const Request *request, GError **error)
{
    Engine *engine = holds[0].pool->engine;
    Lease *lease = lease_new(holds, count, request);

    g_mutex_lock(&engine->lock);
    g_queue_push_tail_link(&engine->waiting, &lease->link);
    bool granted = wait_for_turn(engine, lease, error);
    g_queue_unlink(&engine->waiting, &lease->link);
    if (granted)
        grant(engine, lease);
    else
        settle_pools(lease);
    g_mutex_unlock(&engine->lock);

    if (!granted)
        g_clear_pointer(&lease, lease_free);
    return lease;
}

Lease *lease_take_one(Pool *pool, PoolOperation operation, const char *volume,
                      const Request *request, GError **error)
{
    Hold hold = {.pool = pool, .operation = operation, .volume = volume};

    return lease_take(&hold, 1, request, error);
}

void lease_release(Lease *lease)
{
    if (!lease)
        return;
    Engine *engine = lease->holds[0].pool->engine;

    g_mutex_lock(&engine->lock);
    g_queue_unlink(&engine->running, &lease->link);
    leave_phase(lease);
    settle_pools(lease);
    g_mutex_unlock(&engine->lock);
    lease_free(lease);
}

bool lease_check(Pool *pool, PoolOperation operation, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return judge_state(pool, operation_row(operation), error) != VERDICT_REFUSE;
}

bool lease_holds_pool(const Engine *engine, const Pool *pool)
{
    const GQueue *queues[] = {&engine->running, &engine->waiting};

    for (guint i = 0; i < G_N_ELEMENTS(queues); i++)
        for (GList *l = queues[i]->head; l; l = l->next)
            for (guint h = 0; h < ((Lease *)l->data)->count; h++)
                if (((Lease *)l->data)->holds[h].pool == pool)
                    return true;
    return false;
}

static bool is_silent(const Lease *lease)
{
    for (guint i = 0; i < lease->count; i++)
        if (lease->holds[i].pool->silent)
            return true;
    return false;
}

/* Nothing but what waits for storage that doesn't answer. */
static bool only_silent_left(const Engine *engine)
{
    for (GList *l = engine->running.head; l; l = l->next)
        if (!is_silent(l->data))
            return false;
    return !engine->waiting.head;
}

bool lease_cancel_all(Engine *engine, gint64 timeout)
{
    gint64 end = g_get_monotonic_time() + timeout;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);

    engine->closing = true;
    g_cond_broadcast(&engine->changed);
    for (GList *l = engine->running.head; l; l = l->next)
        operation_cancel(((Lease *)l->data)->job.op);
    while (engine->running.head || engine->waiting.head) {
        if (g_get_monotonic_time() >= end || only_silent_left(engine))
            return false;
        g_cond_wait_until(&engine->changed, &engine->lock, g_get_monotonic_time() + WAIT_TICK);
    }
    return true;
}
