/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity.h"

#include "errors.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define STAT_SIZE_MAX   4096
#define STAT_START_TIME 20 /* of the fields that follow the program's name */

Identity *identity_new(const char *label)
{
    Identity *identity = g_new0(Identity, 1);

    g_atomic_ref_count_init(&identity->refs);
    identity->label = g_strdup(label);
    return identity;
}

Identity *identity_ref(Identity *identity)
{
    g_atomic_ref_count_inc(&identity->refs);
    return identity;
}

void identity_unref(Identity *identity)
{
    if (!identity || !g_atomic_ref_count_dec(&identity->refs))
        return;
    g_free(identity->label);
    g_free(identity->user_name);
    g_free(identity->group_name);
    g_free(identity->sasl_user);
    g_free(identity->x509_name);
    g_free(identity->selinux_context);
    g_free(identity);
}

Identity *identity_copy(const Identity *identity)
{
    Identity *copy = g_new0(Identity, 1);

    *copy = *identity;
    g_atomic_ref_count_init(&copy->refs);
    copy->label = g_strdup(identity->label);
    copy->user_name = g_strdup(identity->user_name);
    copy->group_name = g_strdup(identity->group_name);
    copy->sasl_user = g_strdup(identity->sasl_user);
    copy->x509_name = g_strdup(identity->x509_name);
    copy->selinux_context = g_strdup(identity->selinux_context);
    return copy;
}

void identity_set_label(Identity *identity, const char *label)
{
    g_free(identity->label);
    identity->label = g_strdup(label);
}

/* ---- who is at the other end ---- */

/* The program's name, in parentheses, may hold anything: what follows its last one is read. */
static guint64 parse_start_time(const char *stat)
{
    const char *rest = strrchr(stat, ')');
    g_auto(GStrv) fields = rest ? g_strsplit(rest + 1, " ", STAT_START_TIME + 2) : NULL;

    return fields && g_strv_length(fields) > STAT_START_TIME
               ? g_ascii_strtoull(fields[STAT_START_TIME], NULL, 10)
               : 0;
}

static guint64 process_start_time(gint64 pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/stat", pid);
    g_autofree char *stat = NULL;

    return g_file_get_contents(path, &stat, NULL, NULL) ? parse_start_time(stat) : 0;
}

Identity *identity_of_peer(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || size != sizeof peer)
        return identity_new("unix");
    g_autofree char *label = g_strdup_printf("unix:%d", (int)peer.pid);
    Identity *identity = identity_new(label);
    identity->has_process = peer.pid > 0;
    identity->pid = peer.pid;
    identity->start_time = process_start_time(peer.pid);
    identity->has_user = identity->has_group = true;
    identity->uid = peer.uid;
    identity->gid = peer.gid;
    return identity;
}

Identity *identity_of_address(int fd, const char *kind)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getpeername(fd, (struct sockaddr *)&address, &size) < 0 ||
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return identity_new(kind);
    g_autofree char *label = g_strdup_printf("%s:%s:%s", kind, host, port);
    return identity_new(label);
}

/* ---- what a trusted peer says ---- */

typedef struct IdentityField {
    const char *name;
    RpcParamType type;
    size_t offset;
    size_t known; /* offset of the flag that says so, or 0 */
} IdentityField;

#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, RPC_PARAM_STRING, offsetof(Identity, member), 0                                      \
    }
#define NUMBER(name, member, type, known)                                                          \
    {                                                                                              \
        name, type, offsetof(Identity, member), known                                              \
    }

static const IdentityField fields[] = {
    TEXT("user-name", user_name),
    NUMBER("unix-user-id", uid, RPC_PARAM_ULLONG, offsetof(Identity, has_user)),
    TEXT("group-name", group_name),
    NUMBER("unix-group-id", gid, RPC_PARAM_ULLONG, offsetof(Identity, has_group)),
    NUMBER("process-id", pid, RPC_PARAM_LLONG, offsetof(Identity, has_process)),
    NUMBER("process-time", start_time, RPC_PARAM_ULLONG, 0),
    TEXT("sasl-user-name", sasl_user),
    TEXT("x509-distinguished-name", x509_name),
    TEXT("selinux-context", selinux_context),
};

static const IdentityField *find_field(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static bool is_repeated(const RpcIdentity *params, guint32 index)
{
    for (guint32 i = 0; i < index; i++)
        if (strcmp(params->params[i].field, params->params[index].field) == 0)
            return true;
    return false;
}

/* Numbers that the kernel gives to nobody would turn into others' on their way. */
static bool check_number(const RpcParam *param, const IdentityField *field, GError **error)
{
    if (field->known == 0 ||
        param->value.ull < (param->type == RPC_PARAM_LLONG ? G_MAXINT32 : G_MAXUINT32))
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC, "parameter '%s' is out of range",
                     param->field);
}

static bool check_param(const RpcIdentity *params, guint32 index, const IdentityField *field,
                        GError **error)
{
    const RpcParam *param = &params->params[index];

    if (!field)
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED, ORIGIN_RPC,
                         "parameter '%.64s' not supported", param->field);
    if (param->type != (gint32)field->type)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                         "invalid type of parameter '%s'", param->field);
    if (is_repeated(params, index))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                         "parameter '%s' occurs multiple times", param->field);
    return check_number(param, field, error);
}

static void set_field(Identity *identity, const IdentityField *field, const RpcParam *param)
{
    guint8 *at = (guint8 *)identity;

    if (field->type == RPC_PARAM_STRING)
        memcpy(at + field->offset, &(char *){g_strdup(param->value.text)}, sizeof(char *));
    else
        memcpy(at + field->offset, &param->value.ull, sizeof(guint64));
    if (field->known)
        at[field->known] = true;
}

Identity *identity_from_params(const RpcIdentity *params, GError **error)
{
    g_autoptr(Identity) identity = identity_new("");

    for (guint32 i = 0; i < params->n_params; i++) {
        const IdentityField *field = find_field(params->params[i].field);
        if (!check_param(params, i, field, error))
            return NULL;
        set_field(identity, field, &params->params[i]);
    }
    g_autofree char *label =
        g_strdup_printf("%.64s:%" G_GINT64_FORMAT,
                        identity->user_name ?: identity->sasl_user ?: "unix", identity->pid);
    identity_set_label(identity, label);
    return g_steal_pointer(&identity);
}
