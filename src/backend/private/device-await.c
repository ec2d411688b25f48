/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-volume.h"

#include "errors.h"

#include <errno.h>
#include <libudev.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Nodes of devices come and go by the kernel, and what udev does with them
 * (links, owner, its database) comes after. Who used one in between would meet
 * udev's own look at it, or find no link yet.
 */

/* udev's own limit for one event is three minutes: by then it gave up. */
#define PATIENCE (30 * G_TIME_SPAN_SECOND)
/* Without udev nothing tells; with it, in case that an event was lost. */
#define POLL_ALONE_MS 10
#define POLL_UDEV_MS  500

typedef struct udev Udev;
typedef struct udev_monitor UdevMonitor;
typedef struct udev_device UdevDevice;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Udev, udev_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevMonitor, udev_monitor_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevDevice, udev_device_unref)

typedef struct Await {
    const char *path;
    bool present;
    Operation *op;
    gint64 end;
    Udev *udev; /* NULL where it doesn't run */
    UdevMonitor *monitor;
} Await;

static bool udev_runs(void)
{
    return access("/run/udev/control", F_OK) == 0;
}

static bool udev_knows(Udev *udev, dev_t number)
{
    g_autoptr(UdevDevice) device = udev_device_new_from_devnum(udev, 'b', number);

    return device && udev_device_get_is_initialized(device) > 0;
}

static bool is_done(const Await *await)
{
    struct stat st;

    if (!await->present)
        return lstat(await->path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
    return stat(await->path, &st) == 0 && S_ISBLK(st.st_mode) &&
           (!await->udev || udev_knows(await->udev, st.st_rdev));
}

/* Set up before the first look, so that nothing comes between the two. */
static UdevMonitor *monitor_new(Udev *udev)
{
    g_autoptr(UdevMonitor) monitor = udev_monitor_new_from_netlink(udev, "udev");

    if (!monitor || udev_monitor_filter_add_match_subsystem_devtype(monitor, "block", NULL) < 0 ||
        udev_monitor_enable_receiving(monitor) < 0)
        return NULL;
    return g_steal_pointer(&monitor);
}

static void take_events(UdevMonitor *monitor)
{
    UdevDevice *device;

    while ((device = udev_monitor_receive_device(monitor)))
        udev_device_unref(device);
}

static void wait_a_while(const Await *await)
{
    int monitor = await->monitor ? udev_monitor_get_fd(await->monitor) : -1;
    struct pollfd fds[] = {
        {.fd = monitor, .events = POLLIN},
        {.fd = operation_cancel_fd(await->op), .events = POLLIN},
    };
    gint64 rest = MIN(await->end, operation_deadline(await->op)) - g_get_monotonic_time();
    int longest = await->monitor ? POLL_UDEV_MS : POLL_ALONE_MS;

    (void)poll(fds, G_N_ELEMENTS(fds), (int)CLAMP(rest / 1000 + 1, 1, longest));
    if (await->monitor && fds[0].revents)
        take_events(await->monitor);
}

static bool wait_until_done(const Await *await, GError **error)
{
    while (!is_done(await)) {
        if (!operation_check(await->op, error))
            return false;
        if (g_get_monotonic_time() >= await->end)
            return error_set(error, ERROR_TIMEOUT, ORIGIN_STORAGE,
                             "device '%s' did not %s within %d s", await->path,
                             await->present ? "appear" : "disappear",
                             (int)(PATIENCE / G_TIME_SPAN_SECOND));
        wait_a_while(await);
    }
    return true;
}

bool device_await(const char *path, bool present, Operation *op, GError **error)
{
    g_autoptr(Udev) udev = udev_runs() ? udev_new() : NULL;
    g_autoptr(UdevMonitor) monitor = udev ? monitor_new(udev) : NULL;
    const Await await = {
        .path = path,
        .present = present,
        .op = op,
        .end = g_get_monotonic_time() + PATIENCE,
        .udev = udev,
        .monitor = monitor,
    };

    return wait_until_done(&await, error);
}
