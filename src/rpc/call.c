/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "call-log.h"
#include "core.h"
#include "errors.h"
#include "stream.h"

Call *call_ref(Call *call)
{
    g_atomic_ref_count_inc(&call->refs);
    return call;
}

void call_unref(Call *call)
{
    if (!call || !g_atomic_ref_count_dec(&call->refs))
        return;
    pool_unref(call->pool);
    if (call->args)
        xdr_clear(call->procedure->args, call->args);
    g_free(call->args);
    g_clear_pointer(&call->reply, g_byte_array_unref);
    if (call->stream) /* nobody took it */
        stream_abandon(call->stream);
    stream_unref(call->stream);
    identity_unref(call->identity);
    operation_unref(call->op);
    g_object_unref(call->cancellable);
    sasl_unref(call->sasl);
    core_unref(call->core);
    g_free(call);
}

void call_cancel(Call *call)
{
    operation_cancel(call->op);
    g_cancellable_cancel(call->cancellable);
}

/* ---- the handlers' rows ---- */

static const HandlerRow *find_row(const HandlerTable *table, gint32 procedure)
{
    for (guint i = 0; i < table->n_rows; i++)
        if (table->rows[i].procedure == procedure)
            return &table->rows[i];
    return NULL;
}

const HandlerRow *handler_find(const Program *program, gint32 procedure)
{
    if (program == &program_cistern)
        return find_row(&cistern_handlers, procedure);
    return find_row(&volume_handlers, procedure)
               ?: find_row(&pool_handlers, procedure)
               ?: find_row(&connection_handlers, procedure)
               ?: find_row(&event_handlers, procedure)
               ?: find_row(&host_handlers, procedure)
               ?: find_row(&absent_handlers, procedure);
}

/* ---- running ---- */

GByteArray *call_refuse(Call *call, const GError *error)
{
    call_log_end(call, error);
    return frame_new_error(&call->header, error);
}

static GByteArray *encode_result(Call *call, const void *result, GError **error)
{
    FrameHeader header = call->header;

    header.type = FRAME_REPLY;
    header.status = FRAME_OK;
    return frame_new(&header, call->procedure->result, result, error);
}

GByteArray *call_answer(Call *call, TurnStage stage)
{
    const XdrType *type = call->procedure->result;
    Turn turn = {call, stage, false};
    g_autofree void *result = g_malloc0(type->size);
    g_autoptr(GError) error = NULL;
    GByteArray *reply = NULL;

    if (call->row->run(&turn, call->args, result, &error))
        reply = encode_result(call, result, &error);
    if (stage != TURN_LATE)
        call->succeeded = reply != NULL;
    xdr_clear(type, result);
    if (turn.pool)
        call->pool = turn.pool;
    if (reply)
        call_log_end(call, NULL);
    if (reply || turn.deferred)
        return reply;
    return call_refuse(call, error);
}

/* ---- for handlers ---- */

bool turn_defer(Turn *turn)
{
    turn->deferred = true;
    return false;
}

bool turn_defer_to(Turn *turn, Pool *pool)
{
    turn->pool = pool_ref(pool);
    return turn_defer(turn);
}

Engine *turn_engine(Turn *turn)
{
    return turn->call->core->engine;
}

bool core_allows(const Core *core, const AccessQuery *query, GError **error)
{
    const ServerConfig *config = &core->config;

    return !config->access || query->right.object == ACCESS_NONE ||
           config->access(query, config->access_data, error);
}

static bool allowed(Turn *turn, AccessRight right, const Subject *subject, const char *volume_key,
                    GError **error)
{
    AccessQuery query = {
        .identity = turn->call->identity,
        .right = right,
        .pool_name = subject->pool_name,
        .pool_uuid = subject->pool_uuid,
        .volume_name = subject->volume_name,
        .volume_key = volume_key,
    };

    return core_allows(turn->call->core, &query, error);
}

static Subject subject_of(Pool *pool, const char *volume_name)
{
    return (Subject){
        .pool_name = pool ? pool_name(pool) : NULL,
        .pool_uuid = pool ? pool_uuid(pool) : NULL,
        .volume_name = volume_name,
    };
}

/* A late turn is on the loop, which can't wait for an access driver: it has what the worker has
 * been told. */
static bool was_granted(Turn *turn, GError **error)
{
    return g_atomic_int_get(&turn->call->granted) ||
           error_set(error, ERROR_TIMEOUT, ORIGIN_ACCESS,
                     "the access driver has not said in time whether this is allowed");
}

bool turn_filters(Turn *turn)
{
    return turn->call->core->config.access != NULL;
}

/* Two of them; ACCESS_NONE is granted. */
static bool check_rights(Turn *turn, const AccessRight *rights, const Subject *subject,
                         const char *volume_key, GError **error)
{
    return allowed(turn, rights[0], subject, volume_key, error) &&
           allowed(turn, rights[1], subject, volume_key, error);
}

bool turn_check_access(Turn *turn, Pool *pool, const char *volume_name, const char *volume_key,
                       GError **error)
{
    const Subject subject = subject_of(pool, volume_name);

    if (turn->stage == TURN_LATE && turn->call->core->config.access_waits)
        return was_granted(turn, error);
    if (!check_rights(turn, turn->call->procedure->rights, &subject, volume_key, error))
        return false;
    g_atomic_int_set(&turn->call->granted, 1);
    return true;
}

/* The procedure's rights once more, now that the document has said what it is about. */
static bool judge_document(const Subject *subject, void *data, GError **error)
{
    Turn *turn = data;

    return check_rights(turn, turn->call->procedure->rights, subject, NULL, error);
}

Request turn_request(Turn *turn)
{
    return (Request){
        .op = turn->call->op,
        .client = turn->call->client,
        .judge = turn_filters(turn) ? judge_document : NULL,
        .judge_data = turn,
    };
}

bool call_check_connect(Call *call, GError **error)
{
    Turn turn = {call, TURN_ON_WORKER, false};

    return call->procedure->rights[0].object != ACCESS_CONNECT ||
           turn_check_access(&turn, NULL, NULL, NULL, error);
}

bool turn_may_list(Turn *turn, Pool *pool, const char *volume_name, const char *volume_key)
{
    const Subject subject = subject_of(pool, volume_name);

    return allowed(turn, turn->call->procedure->list_right, &subject, volume_key, NULL);
}

/* What is not listed has no key yet, or not any more. */
static char *listed_key(Pool *pool, const char *volume_name)
{
    g_autoptr(VolumeRecord) record = pool_peek_volume(pool, volume_name);
    g_autoptr(PoolDef) def = pool_definition(pool);

    return record ? volume_record_key(record, def->target_path) : NULL;
}

bool turn_check_seen(Turn *turn, Pool *pool, const char *volume_name, GError **error)
{
    const AccessRight see_pool = {ACCESS_POOL, "getattr"}, see_volume = {ACCESS_VOLUME, "getattr"};
    const Subject subject = subject_of(pool, volume_name);

    if (!allowed(turn, see_pool, &subject, NULL, error))
        return false;
    if (!volume_name)
        return true;
    g_autofree char *key = listed_key(pool, volume_name);
    return allowed(turn, see_volume, &subject, key, error);
}

Pool *turn_find_pool(Turn *turn, const RpcPool *handle, GError **error)
{
    g_autoptr(Pool) pool =
        engine_find_pool_by_uuid(turn_engine(turn), &handle->uuid, handle->name, error);

    if (!pool || !turn_check_access(turn, pool, NULL, NULL, error))
        return NULL;
    return g_steal_pointer(&pool);
}

/* The key of a handle's volume as it is now, which needs the storage where it isn't listed. */
static bool find_key(Turn *turn, Pool *pool, const RpcVolume *handle, char **ret, GError **error)
{
    g_autoptr(VolumeRecord) record = pool_peek_volume(pool, handle->name);
    Request request = turn_request(turn);

    if (!record && turn->stage == TURN_ON_LOOP)
        return turn_defer(turn);
    if (!record && turn->stage == TURN_ON_WORKER)
        record = pool_find_volume(pool, handle->name, &request, error);
    if (!record && turn->stage == TURN_LATE)
        return error_set(error, ERROR_TIMEOUT, ORIGIN_STORAGE,
                         "volume '%s' of pool '%s' could not be looked up in time", handle->name,
                         handle->pool);
    if (!record)
        return false;
    g_autoptr(PoolDef) def = pool_definition(pool);
    *ret = volume_record_key(record, def->target_path);
    return true;
}

static bool check_volume_access(Turn *turn, Pool *pool, const RpcVolume *handle, GError **error)
{
    g_autofree char *key = NULL;

    return find_key(turn, pool, handle, &key, error) &&
           turn_check_access(turn, pool, handle->name, key, error);
}

static bool check_source_access(Turn *turn, Pool *pool, const RpcVolume *handle, GError **error)
{
    const Subject subject = subject_of(pool, handle->name);
    g_autofree char *key = NULL;

    return find_key(turn, pool, handle, &key, error) &&
           check_rights(turn, turn->call->procedure->source_rights, &subject, key, error);
}

typedef bool (*HandleCheck)(Turn *turn, Pool *pool, const RpcVolume *handle, GError **error);

static Pool *find_pool_of(Turn *turn, const RpcVolume *handle, HandleCheck check, GError **error)
{
    g_autoptr(Pool) pool = engine_find_pool_by_name(turn_engine(turn), handle->pool, error);

    if (!pool)
        return NULL;
    if (turn_filters(turn) && !check(turn, pool, handle, error))
        return NULL;
    return g_steal_pointer(&pool);
}

Pool *turn_find_volume_pool(Turn *turn, const RpcVolume *handle, GError **error)
{
    return find_pool_of(turn, handle, check_volume_access, error);
}

Pool *turn_find_source_pool(Turn *turn, const RpcVolume *handle, GError **error)
{
    return find_pool_of(turn, handle, check_source_access, error);
}
