/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "errors.h"
#include "server-private.h"

/*
 * Registrations for events. Pools have some; of guests, networks, devices and
 * secrets a storage host has none, so registering for theirs is accepted and
 * never brings one. All of it runs on the loop and uses the session.
 */

typedef struct FamilyRow {
    const char *callback; /* what libvirt calls a callback of the family, and an event's number */
    const char *number;
    gint32 n_events; /* of libvirt 9.0 */
} FamilyRow;

static const FamilyRow families[] = {
    [EVENTS_OF_POOLS] = {"storage pool event", "storage pool event", RPC_EVENT_COUNT},
    [EVENTS_OF_DOMAINS] = {"domain event", "event", 27},
    [EVENTS_OF_DOMAINS_LEGACY] = {"domain event", "event", 27},
    [EVENTS_OF_NETWORKS] = {"network event", "network event", 1},
    [EVENTS_OF_DEVICES] = {"node device event", "node device event", 2},
    [EVENTS_OF_SECRETS] = {"secret event", "secret event", 2},
};

static EventFamily family_of(const Turn *turn)
{
    return (EventFamily)turn->call->row->filter;
}

static bool check_number(EventFamily family, gint32 event, GError **error)
{
    if (event >= 0 && event < families[family].n_events)
        return true;
    return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "unsupported %s ID %d",
                     families[family].number, event);
}

/* Keeps a registration, which gets its id. */
static bool keep(Turn *turn, Registration *registration, GError **error)
{
    Session *session = turn->call->session;

    registration->family = family_of(turn);
    if (!check_number(registration->family, registration->event, error))
        return false;
    if (session->registrations->len >= SESSION_REGISTRATIONS_MAX)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_RPC,
                         "a connection can register for events %d times at most",
                         SESSION_REGISTRATIONS_MAX);
    registration->id = server_next_registration(session->server);
    g_array_append_val(session->registrations, *registration);
    core_count_listeners(session->core, 1);
    return true;
}

static bool on_pool_register(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcEventRegister *args = data;
    Registration registration = {.event = (gint32)args->event, .has_pool = args->pool != NULL};

    if (args->pool)
        registration.pool = args->pool->uuid;
    if (!keep(turn, &registration, error))
        return false;
    ((RpcInt *)result)->value = registration.id;
    return true;
}

static bool on_other_register(Turn *turn, const void *data, void *result, GError **error)
{
    Registration registration = {.event = ((const RpcOtherRegister *)data)->event};

    if (!keep(turn, &registration, error))
        return false;
    ((RpcInt *)result)->value = registration.id;
    return true;
}

static bool remove_registration(Turn *turn, gint32 id)
{
    GArray *registrations = turn->call->session->registrations;

    for (guint i = 0; i < registrations->len; i++) {
        const Registration *one = &g_array_index(registrations, Registration, i);
        if (one->family != family_of(turn) || one->id != id)
            continue;
        g_array_remove_index(registrations, i);
        core_count_listeners(turn->call->core, -1);
        return true;
    }
    return false;
}

static bool on_deregister(Turn *turn, const void *data, void *result, GError **error)
{
    gint32 id = ((const RpcInt *)data)->value;

    return remove_registration(turn, id) ||
           error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "%s callback %d not registered",
                     families[family_of(turn)].callback, id);
}

/* ---- without callback ids: each kind of event once ---- */

static const Registration *find_legacy(Turn *turn, gint32 event)
{
    GArray *registrations = turn->call->session->registrations;

    for (guint i = 0; i < registrations->len; i++) {
        const Registration *one = &g_array_index(registrations, Registration, i);
        if (one->family == EVENTS_OF_DOMAINS_LEGACY && one->event == event)
            return one;
    }
    return NULL;
}

static bool register_legacy(Turn *turn, gint32 event, GError **error)
{
    Registration registration = {.event = event};

    if (find_legacy(turn, event))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "event callback already tracked");
    return keep(turn, &registration, error);
}

static bool deregister_legacy(Turn *turn, gint32 event, GError **error)
{
    const Registration *found = find_legacy(turn, event);

    if (!check_number(EVENTS_OF_DOMAINS_LEGACY, event, error))
        return false;
    if (!found)
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "domain event %d not registered",
                         event);
    return remove_registration(turn, found->id);
}

static bool on_register_legacy(Turn *turn, const void *data, void *result, GError **error)
{
    return register_legacy(turn, ((const RpcInt *)data)->value, error);
}

static bool on_deregister_legacy(Turn *turn, const void *data, void *result, GError **error)
{
    return deregister_legacy(turn, ((const RpcInt *)data)->value, error);
}

/* The oldest style knows of one kind only; its answer is 0. */
static bool on_register_lifecycle(Turn *turn, const void *data, void *result, GError **error)
{
    return register_legacy(turn, RPC_EVENT_LIFECYCLE, error);
}

static bool on_deregister_lifecycle(Turn *turn, const void *data, void *result, GError **error)
{
    return deregister_legacy(turn, RPC_EVENT_LIFECYCLE, error);
}

/* clang-format off */
#define ROW(name, run, family) {REMOTE_CONNECT_##name, run, ON_SESSION, DEADLINE_NONE, EVENTS_OF_##family}

static const HandlerRow event_rows[] = {
    ROW(STORAGE_POOL_EVENT_REGISTER_ANY, on_pool_register, POOLS),
    ROW(STORAGE_POOL_EVENT_DEREGISTER_ANY, on_deregister, POOLS),
    ROW(DOMAIN_EVENT_REGISTER, on_register_lifecycle, DOMAINS_LEGACY),
    ROW(DOMAIN_EVENT_DEREGISTER, on_deregister_lifecycle, DOMAINS_LEGACY),
    ROW(DOMAIN_EVENT_REGISTER_ANY, on_register_legacy, DOMAINS_LEGACY),
    ROW(DOMAIN_EVENT_DEREGISTER_ANY, on_deregister_legacy, DOMAINS_LEGACY),
    ROW(DOMAIN_EVENT_CALLBACK_REGISTER_ANY, on_other_register, DOMAINS),
    ROW(DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, on_deregister, DOMAINS),
    ROW(NETWORK_EVENT_REGISTER_ANY, on_other_register, NETWORKS),
    ROW(NETWORK_EVENT_DEREGISTER_ANY, on_deregister, NETWORKS),
    ROW(NODE_DEVICE_EVENT_REGISTER_ANY, on_other_register, DEVICES),
    ROW(NODE_DEVICE_EVENT_DEREGISTER_ANY, on_deregister, DEVICES),
    ROW(SECRET_EVENT_REGISTER_ANY, on_other_register, SECRETS),
    ROW(SECRET_EVENT_DEREGISTER_ANY, on_deregister, SECRETS),
};
/* clang-format on */

const HandlerTable event_handlers = {event_rows, G_N_ELEMENTS(event_rows)};
