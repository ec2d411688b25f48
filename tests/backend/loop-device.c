/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop-device.h"

#include "command.h"
#include "fd.h"

#include <unistd.h>

static char *attach(const char *file, const LoopOptions *options)
{
    g_autofree char *sector = g_strdup_printf("%u", MAX(options->sector_size, 512));
    const char *argv[] = {"losetup", "--find",
                          "--show",  "--sector-size",
                          sector,    options->read_only ? "--read-only" : file,
                          file,      NULL};
    Command command = {.argv = argv};
    g_auto(CommandResult) result = {0};

    if (!options->read_only)
        argv[6] = NULL;
    if (!command_run_ok(NULL, &command, &result, NULL))
        return NULL;
    return g_strdup(g_strchomp(result.output));
}

bool loop_attach(LoopDevice *ret, const LoopOptions *options)
{
    g_autofree char *file = NULL;
    autofd int fd = g_file_open_tmp("backend-loop-XXXXXX", &file, NULL);

    g_assert_cmpint(ftruncate(fd, (off_t)options->size), ==, 0);
    *ret = (LoopDevice){.path = attach(file, options), .file = g_steal_pointer(&file)};
    if (ret->path)
        return true;
    g_test_skip("no loop devices");
    return false;
}

void loop_detach(LoopDevice *device)
{
    const char *argv[] = {"losetup", "-d", device->path, NULL};
    Command command = {.argv = argv};

    if (device->path)
        (void)command_run_ok(NULL, &command, NULL, NULL);
    if (device->file)
        (void)unlink(device->file);
    g_clear_pointer(&device->path, g_free);
    g_clear_pointer(&device->file, g_free);
}
