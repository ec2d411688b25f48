/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "polkit.h"

#include "errors.h"

#include <string.h>

#define SERVICE           "org.freedesktop.PolicyKit1"
#define OBJECT            "/org/freedesktop/PolicyKit1/Authority"
#define INTERFACE         "org.freedesktop.PolicyKit1.Authority"
#define ALLOW_INTERACTION 1
#define ACCESS_TIMEOUT    25000 /* milliseconds */

/* ---- the bus ---- */

static bool refuse_bus(GError **error, const GError *reason)
{
    return error_set(error, ERROR_INTERNAL, ORIGIN_DBUS, "polkit can't be asked: %s",
                     reason->message);
}

static GDBusConnection *connect_bus(GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, &reason);
    GDBusConnection *bus = address ? g_dbus_connection_new_for_address_sync(
                                         address,
                                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                             G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                         NULL, NULL, &reason)
                                   : NULL;

    if (!bus)
        refuse_bus(error, reason);
    return bus;
}

/* The process's one connection, made again where the bus went away. A reference. */
static GDBusConnection *get_bus(GError **error)
{
    static GMutex lock;
    static GDBusConnection *bus;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&lock);

    if (bus && g_dbus_connection_is_closed(bus))
        g_clear_object(&bus);
    if (!bus)
        bus = connect_bus(error);
    return bus ? g_object_ref(bus) : NULL;
}

/* ---- the question ---- */

static GVariant *describe_subject(const Identity *identity)
{
    GVariantBuilder keys;

    g_variant_builder_init(&keys, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&keys, "{sv}", "pid", g_variant_new_uint32((guint32)identity->pid));
    g_variant_builder_add(&keys, "{sv}", "start-time", g_variant_new_uint64(identity->start_time));
    g_variant_builder_add(&keys, "{sv}", "uid", g_variant_new_int32((gint32)identity->uid));
    return g_variant_new("(sa{sv})", "unix-process", &keys);
}

static GVariant *describe_details(const char *const *details)
{
    GVariantBuilder pairs;

    g_variant_builder_init(&pairs, G_VARIANT_TYPE("a{ss}"));
    for (; details && details[0]; details += 2)
        g_variant_builder_add(&pairs, "{ss}", details[0], details[1]);
    return g_variant_builder_end(&pairs);
}

static char *new_cancellation_id(void)
{
    static gint last;

    return g_strdup_printf("cistern-%d", g_atomic_int_add(&last, 1));
}

/* So that no dialogue stays on the user's screen. Nobody waits for the answer. */
static void withdraw(GDBusConnection *bus, const char *id)
{
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call(SERVICE, OBJECT, INTERFACE, "CancelCheckAuthorization");

    g_dbus_message_set_body(message, g_variant_new("(s)", id));
    g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    g_dbus_connection_send_message(bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static GVariant *ask(GDBusConnection *bus, GVariant *question, bool interactive, const char *id,
                     GCancellable *cancellable, GError **error)
{
    g_autoptr(GError) reason = NULL;
    GVariant *answer =
        g_dbus_connection_call_sync(bus, SERVICE, OBJECT, INTERFACE, "CheckAuthorization", question,
                                    G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE,
                                    interactive ? G_MAXINT : ACCESS_TIMEOUT, cancellable, &reason);

    if (answer)
        return answer;
    if (g_cancellable_is_cancelled(cancellable))
        withdraw(bus, id);
    g_dbus_error_strip_remote_error(reason);
    refuse_bus(error, reason);
    return NULL;
}

static bool read_answer(GVariant *answer, const char *action, GError **error)
{
    gboolean allowed, challenge;

    g_variant_get(answer, "((bb@a{ss}))", &allowed, &challenge, NULL);
    if (allowed)
        return true;
    if (challenge)
        return error_set(error, ERROR_AUTH_UNAVAILABLE, ORIGIN_POLKIT,
                         "no polkit agent available to authenticate action '%s'", action);
    return error_set(error, ERROR_AUTH_FAILED, ORIGIN_POLKIT, "access denied by policy");
}

bool polkit_check(const Identity *identity, const char *action, const char *const *details,
                  bool interactive, GCancellable *cancellable, GError **error)
{
    if (!identity->has_process || !identity->has_user)
        return error_set(error, ERROR_AUTH_FAILED, ORIGIN_POLKIT,
                         "%s is no process of this host, and polkit knows only these",
                         identity->label);
    g_autoptr(GDBusConnection) bus = get_bus(error);
    if (!bus)
        return false;
    g_autofree char *id = new_cancellation_id();
    GVariant *question =
        g_variant_new("(@(sa{sv})s@a{ss}us)", describe_subject(identity), action,
                      describe_details(details), interactive ? ALLOW_INTERACTION : 0, id);
    g_autoptr(GVariant) answer = ask(bus, question, interactive, id, cancellable, error);
    return answer && read_answer(answer, action, error);
}

/* ---- the access driver ---- */

#define DETAILS_MAX 11 /* names, values and the end */

static void put_dashes(char *text)
{
    for (; *text; text++)
        if (*text == '_')
            *text = '-';
}

static void add_detail(const char **details, guint *count, const char *name, const char *value)
{
    /* The bus carries UTF-8 only; a rule can't name anything else. */
    if (!value || !g_utf8_validate(value, -1, NULL))
        return;
    details[(*count)++] = name;
    details[(*count)++] = value;
}

bool polkit_access(const AccessQuery *query, void *data, GError **error)
{
    const char *details[DETAILS_MAX] = {NULL};
    char uuid[UUID_STRING_SIZE] = "";
    guint count = 0;
    g_autoptr(GError) reason = NULL;
    g_autofree char *action =
        g_strdup_printf("org.libvirt.api.%s.%s", access_object_name(query->right.object),
                        query->right.permission);

    put_dashes(action);
    if (query->pool_uuid)
        uuid_format(query->pool_uuid, uuid);
    add_detail(details, &count, "connect_driver", "storage");
    if (query->right.object != ACCESS_CONNECT) {
        add_detail(details, &count, "pool_name", query->pool_name);
        add_detail(details, &count, "pool_uuid", query->pool_uuid ? uuid : NULL);
    }
    if (query->right.object == ACCESS_VOLUME) {
        add_detail(details, &count, "vol_name", query->volume_name);
        add_detail(details, &count, "vol_key", query->volume_key);
    }
    if (polkit_check(query->identity, action, details, false, NULL, &reason))
        return true;
    return error_set(error, ERROR_ACCESS_DENIED, ORIGIN_ACCESS, "'%s' denied to %s: %s", action,
                     query->identity->label, error_detail(reason));
}
