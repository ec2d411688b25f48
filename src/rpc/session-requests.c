/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "errors.h"
#include "log.h"
#include "session-private.h"

#define LINE_CALLS_MAX 64      /* of one connection, that wait for others of it to end … */
#define LINE_BYTES_MAX 1048576 /* … and bytes of their arguments: then its socket waits */

/* ---- where a call is run ---- */

/* The pool whose share of the workers a call takes: that of the handle it begins with. */
static Pool *target_pool(Call *call)
{
    const XdrType *type = call->procedure->args;
    Engine *engine = call->core->engine;

    if (type->n_fields > 0 && type->fields[0].kind == XDR_STRUCT)
        type = type->fields[0].type;
    if (type == &rpc_pool_type)
        return engine_find_pool_by_uuid(engine, &((RpcPool *)call->args)->uuid, NULL, NULL);
    if (type == &rpc_volume_type)
        return engine_find_pool_by_name(engine, ((RpcVolume *)call->args)->pool, NULL);
    return NULL;
}

/* The pool of another volume that the call reads, if it has one. */
static Pool *source_pool(Call *call)
{
    const XdrType *type = call->procedure->args;

    for (guint i = 1; i < type->n_fields; i++)
        if (type->fields[i].kind == XDR_STRUCT && type->fields[i].type == &rpc_volume_type) {
            const RpcVolume *source =
                (const void *)((const char *)call->args + type->fields[i].offset);
            return engine_find_pool_by_name(call->core->engine, source->pool, NULL);
        }
    return NULL;
}

static bool is_for_storage(const HandlerRow *row)
{
    return row->place == ON_WORKER || row->place == ON_CONTROL || row->place == LOOP_THEN_WORKER;
}

/* Chooses the threads it takes: storage that hangs must not take those of other pools. */
static WorkShare choose_share(Call *call)
{
    g_autoptr(Pool) source = source_pool(call);

    if (!is_for_storage(call->row))
        return WORK_CONTROL;
    if (!call->pool)
        call->pool = target_pool(call);
    if (!source || source == call->pool)
        return call->row->place == ON_CONTROL ? WORK_CONTROL : WORK_STORAGE;
    pool_unref(call->pool);
    call->pool = g_steal_pointer(&source);
    return WORK_SOURCE;
}

static bool asks_first(const Session *session, const Procedure *procedure)
{
    return session->core->config.access_waits && procedure->rights[0].object != ACCESS_NONE;
}

static bool may_need_worker(const Session *session, const Procedure *procedure,
                            const HandlerRow *row)
{
    return (row->place != ON_LOOP && row->place != ON_SESSION) || asks_first(session, procedure);
}

static bool is_tried_on_loop(const Session *session, const Procedure *procedure,
                             const HandlerRow *row)
{
    return row->place != ON_WORKER && row->place != ON_CONTROL && row->place != ON_WORKER_ALONE &&
           !asks_first(session, procedure);
}

static CallLane lane_of(const HandlerRow *row)
{
    return row->place == ON_WORKER || row->place == LOOP_THEN_WORKER ? LANE_STORAGE : LANE_OTHER;
}

/* ---- taking requests ---- */

static Call *new_call(Session *session, const Procedure *procedure, const HandlerRow *row,
                      const FrameHeader *header)
{
    Call *call = g_new0(Call, 1);

    g_atomic_ref_count_init(&call->refs);
    call->core = core_ref(session->core);
    call->procedure = procedure;
    call->row = row;
    call->lane = lane_of(row);
    call->header = *header;
    call->identity = identity_ref(session->identity);
    call->client = call->identity->label;
    call->op = session_new_operation(session, row);
    call->cancellable = g_cancellable_new();
    call->id = ++session->core->last_request;
    call->began = g_get_monotonic_time();
    if (row->place == ON_WORKER_ALONE && session->sasl)
        call->sasl = sasl_ref(session->sasl);
    if (session->stage == SESSION_AUTHENTICATING && session->auth == LISTENER_AUTH_POLKIT)
        call->polkit_action =
            session->read_only ? "org.libvirt.unix.monitor" : "org.libvirt.unix.manage";
    if (row->deadline == DEADLINE_LOOKUP)
        call->expires = g_get_monotonic_time() + LOOKUP_DEADLINE * G_GINT64_CONSTANT(1000);
    return call;
}

static bool decode_args(Call *call, const Frame *frame, GError **error)
{
    const XdrType *type = call->procedure->args;
    g_autofree void *args = g_malloc0(type->size);

    if (!xdr_decode(type, frame->payload, frame->size, args, error))
        return false;
    call->args = g_steal_pointer(&args);
    call->size = frame->size;
    return true;
}

static bool refuse_read_only(Call *call, GError **error)
{
    g_autofree char *function = procedure_function(call->header.program, call->procedure);

    return error_set(error, ERROR_OPERATION_DENIED, ORIGIN_STORAGE, "read only access prevents %s",
                     function);
}

/* While the daemon waits for what runs, nothing is begun; jobs may be looked at and cancelled. */
static bool check_open(const Session *session, const Call *call, GError **error)
{
    const FrameHeader *header = &call->header;
    bool is_close = header->program == PROGRAM_REMOTE && header->procedure == REMOTE_CONNECT_CLOSE;

    return !session->core->draining || header->program == PROGRAM_CISTERN || is_close ||
           error_set(error, ERROR_OPERATION_INVALID, ORIGIN_RPC,
                     "the daemon is stopping; connect again when it is back");
}

/* Everything that is checked before the handler looks at anything, in libvirt's order. */
static bool check_call(Session *session, Call *call, GError **error)
{
    guint flags = call->procedure->flags;

    if (session->stage != SESSION_READY && !(flags & PROCEDURE_BEFORE_AUTH))
        return error_set(error, ERROR_RPC, ORIGIN_RPC,
                         "authentication required; AUTH_LIST says which");
    if (!session->opened && !(flags & PROCEDURE_BEFORE_OPEN))
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "connection not open");
    if (session->read_only && !(flags & PROCEDURE_READ_ONLY))
        return refuse_read_only(call, error);
    if (may_need_worker(session, call->procedure, call->row) &&
        session->calls->len - session_count_running(session) - session_count_in_line(session) >=
            SESSION_ABANDONED_MAX)
        return error_set(error, ERROR_BUSY, ORIGIN_RPC,
                         "%d calls of this connection still wait for storage that does not answer",
                         SESSION_ABANDONED_MAX);
    return check_open(session, call, error) &&
           (asks_first(session, call->procedure) || call_check_connect(call, error));
}

/* The reply, or NULL when a worker will make it. */
static GByteArray *run_call(Session *session, Call *call, const Frame *frame)
{
    g_autoptr(GError) error = NULL;
    GByteArray *reply = NULL;

    if (!decode_args(call, frame, &error) || !check_call(session, call, &error))
        return call_refuse(call, error);
    call->session = session; /* for the connection's own handlers */
    if (is_tried_on_loop(session, call->procedure, call->row))
        reply = call_answer(call, TURN_ON_LOOP);
    call->session = NULL;
    if (reply)
        return reply;
    call->share = choose_share(call);
    reply = session_answer_at_once(call);
    if (!reply)
        session_start_on_worker(session, call);
    return reply;
}

static bool refuse(Session *session, const FrameHeader *header, GError *error)
{
    log_info("%s: %s", session->client, error->message);
    session_send(session, frame_new_error(header, error));
    g_error_free(error);
    return true;
}

/* Answers a call that no row fits. */
static bool refuse_unknown(Session *session, const FrameHeader *header, const Program *program)
{
    GError *error = NULL;

    if (!program)
        error_set(&error, ERROR_RPC, ORIGIN_RPC, "unknown program 0x%x version %u", header->program,
                  header->version);
    else
        error_set(&error, ERROR_RPC, ORIGIN_RPC, "unknown procedure: %d", header->procedure);
    return refuse(session, header, error);
}

static bool refuse_status(Session *session, const FrameHeader *header)
{
    GError *error = NULL;

    error_set(&error, ERROR_RPC, ORIGIN_RPC, "a call with status %u; it must be %d", header->status,
              FRAME_OK);
    return refuse(session, header, error);
}

/* Whether a call may begin, or wait in line without keeping those behind it from being answered. */
static bool has_room(const Session *session, const Procedure *procedure, const HandlerRow *row)
{
    bool is_alone = row->place == ON_WORKER_ALONE || row->place == ON_SESSION;

    if (!may_need_worker(session, procedure, row))
        return true;
    if (is_alone)
        return session_has_place(session, lane_of(row));
    return session_count_in_line(session) < LINE_CALLS_MAX && session->in_line < LINE_BYTES_MAX;
}

bool session_take_call(Session *session, const Frame *frame)
{
    const FrameHeader *header = &frame->header;
    const Program *program = program_find(header->program, header->version);
    const Procedure *procedure = program ? procedure_find(program, header->procedure) : NULL;
    const HandlerRow *row = procedure ? handler_find(program, header->procedure) : NULL;

    if (!row)
        return refuse_unknown(session, header, program);
    if (header->status != FRAME_OK)
        return refuse_status(session, header);
    if (!has_room(session, procedure, row))
        return false;
    g_autoptr(Call) call = new_call(session, procedure, row, header);
    GByteArray *reply = run_call(session, call, frame);
    if (reply)
        session_send(session, reply);
    return true;
}
