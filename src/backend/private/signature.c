/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "signature.h"

#include "errors.h"
#include "fd.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define EDGE_SIZE (G_GUINT64_CONSTANT(1) << 20)

/* No device has that many; one that shows ever new ones is broken. */
#define SIGNATURES_MAX 256

typedef struct blkid_struct_probe Probe;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Probe, blkid_free_probe)

/* ---- looking ---- */

/* What libblkid looks for, in the order in which libvirt asks. */
typedef struct Chain {
    const char *value; /* under which the finding is told */
    bool superblocks, partitions;
} Chain;

static const Chain chains[] = {
    {.value = "TYPE", .superblocks = true},
    {.value = "PTTYPE", .partitions = true},
};
#define N_CHAINS G_N_ELEMENTS(chains)

static Probe *probe_new(int fd, const Chain *chain)
{
    g_autoptr(Probe) probe = blkid_new_probe();

    if (!probe || blkid_probe_set_device(probe, fd, 0, 0) != 0)
        return NULL;
    blkid_probe_enable_superblocks(probe, chain->superblocks);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);
    blkid_probe_enable_partitions(probe, chain->partitions);
    return g_steal_pointer(&probe);
}

static bool probe_failed(const char *device, GError **error)
{
    return error_set(error, ERROR_PROBE_FAILED, ORIGIN_STORAGE,
                     "Failed to create filesystem probe for device %s: %s", device,
                     g_strerror(errno));
}

/* Sets *ret to NULL when this chain finds nothing. */
static bool ask_chain(int fd, const char *device, const Chain *chain, char **ret, GError **error)
{
    g_autoptr(Probe) probe = probe_new(fd, chain);
    const char *found = NULL;

    *ret = NULL;
    if (!probe)
        return probe_failed(device, error);
    int status = blkid_do_safeprobe(probe);
    if (status == -2)
        return error_set(error, ERROR_PROBE_FAILED, ORIGIN_STORAGE,
                         "Found additional probes to run, probing may be incorrect: '%s' has "
                         "signatures of more than one format",
                         device);
    if (status < 0)
        return error_set(error, ERROR_PROBE_FAILED, ORIGIN_STORAGE,
                         "Failed to probe for format type: cannot read '%s': %s", device,
                         g_strerror(errno));
    if (status == 0 && blkid_probe_lookup_value(probe, chain->value, &found, NULL) == 0)
        *ret = g_strdup(found);
    return true;
}

/* What each chain finds; NULL for nothing. */
typedef struct Findings {
    char *found[N_CHAINS];
} Findings;

static void findings_clear(Findings *findings)
{
    for (guint i = 0; i < N_CHAINS; i++)
        g_free(findings->found[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Findings, findings_clear)

static bool look(const char *device, Findings *ret, GError **error)
{
    autofd int fd = open(device, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return probe_failed(device, error);
    for (guint i = 0; i < N_CHAINS; i++)
        if (!ask_chain(fd, device, &chains[i], &ret->found[i], error))
            return false;
    return true;
}

static const char *first_found(const Findings *findings)
{
    for (guint i = 0; i < N_CHAINS; i++)
        if (findings->found[i])
            return findings->found[i];
    return NULL;
}

static bool has_found(const Findings *findings, const char *format)
{
    for (guint i = 0; i < N_CHAINS; i++)
        if (g_strcmp0(findings->found[i], format) == 0)
            return true;
    return false;
}

bool signature_find(const char *device, char **ret_found, GError **error)
{
    g_auto(Findings) findings = {0};

    if (!look(device, &findings, error))
        return false;
    *ret_found = g_strdup(first_found(&findings));
    return true;
}

bool signature_check_blank(const char *device, const char *format, GError **error)
{
    g_auto(Findings) findings = {0};

    if (!look(device, &findings, error))
        return false;
    const char *found = first_found(&findings);
    if (!found)
        return true;
    if (has_found(&findings, format))
        return error_set(error, ERROR_POOL_BUILT, ORIGIN_STORAGE,
                         "Device '%s' already formatted using '%s'", device, format);
    return error_set(error, ERROR_POOL_BUILT, ORIGIN_STORAGE,
                     "Format of device '%s' does not match the expected format '%s', forced "
                     "overwrite is necessary: it holds '%s'",
                     device, format, found);
}

bool signature_require(const char *device, const char *format, GError **error)
{
    g_auto(Findings) findings = {0};

    if (!look(device, &findings, error))
        return false;
    const char *found = first_found(&findings);
    if (!found)
        return error_set(error, ERROR_PROBE_FAILED, ORIGIN_STORAGE,
                         "Device '%s' is unrecognized, requires build", device);
    if (has_found(&findings, format))
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "Format of device '%s' does not match the expected format '%s': it holds '%s'",
                     device, format, found);
}

/* ---- clearing ---- */

static bool clear_failed(const char *device, GError **error)
{
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot remove what '%s' holds, which may be gone in part", device);
}

/* Also those that are damaged, and the second table that a GPT has at the end. */
static Probe *eraser_new(int fd)
{
    const Chain all = {.superblocks = true, .partitions = true};
    g_autoptr(Probe) probe = probe_new(fd, &all);

    if (!probe)
        return NULL;
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC |
                                                 BLKID_SUBLKS_BADCSUM);
    blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
    return g_steal_pointer(&probe);
}

static bool erase_magic(int fd, const char *device, Operation *op, GError **error)
{
    g_autoptr(Probe) probe = eraser_new(fd);
    int status = 0;

    if (!probe)
        return probe_failed(device, error);
    for (guint i = 0; i < SIGNATURES_MAX && status == 0; i++) {
        if (!operation_check(op, error))
            return false;
        status = blkid_do_probe(probe);
        if (status == 0 && blkid_do_wipe(probe, 0) != 0)
            status = -1;
    }
    return status == 1 || clear_failed(device, error);
}

static bool zero_edges(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    guint64 size = (guint64)MAX(end, 0);
    gsize edge = MIN(size, EDGE_SIZE);
    g_autofree guint8 *zeros = g_malloc0(EDGE_SIZE);

    return end >= 0 && fd_write_at(fd, zeros, edge, 0) &&
           fd_write_at(fd, zeros, edge, size - edge) && fsync(fd) == 0;
}

static bool open_alone(const char *device, int *ret, GError **error)
{
    *ret = open(device, O_RDWR | O_EXCL | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*ret >= 0)
        return true;
    if (errno == EBUSY)
        return error_set_errno(error, ORIGIN_STORAGE, errno,
                               "'%s' is in use: it is mounted, or part of a volume group, an "
                               "array or a mapping",
                               device);
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot open '%s'", device);
}

bool signature_check_unused(const char *device, GError **error)
{
    autofd int fd = -1;

    return open_alone(device, &fd, error);
}

bool signature_clear(const char *device, Operation *op, GError **error)
{
    autofd int fd = -1;

    return open_alone(device, &fd, error) && erase_magic(fd, device, op, error) &&
           (zero_edges(fd) || clear_failed(device, error));
}
