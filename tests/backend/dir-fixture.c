/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"

#include "errors.h"

#include <dirent.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const Backend *dir_backend(void)
{
    for (guint i = 0; i < n_backends; i++)
        if (g_str_equal(backends[i]->schema.type, "dir"))
            return backends[i];
    g_assert_not_reached();
}

PoolDef *dir_pool_at(const char *path)
{
    PoolDef *pool = g_new0(PoolDef, 1);

    g_atomic_ref_count_init(&pool->refs);
    pool->schema = &dir_backend()->schema;
    pool->name = g_strdup("pool");
    pool->target_path = g_strdup(path);
    pool->permissions = PERMISSIONS_INIT;
    return pool;
}

PoolDef *dir_pool_new(void)
{
    g_autofree char *scratch = g_dir_make_tmp("backend-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(scratch, "pool", NULL);

    return dir_pool_at(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void dir_pool_free(PoolDef *pool)
{
    g_autofree char *scratch = g_path_get_dirname(pool->target_path);

    g_assert_cmpint(nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
    pool_def_unref(pool);
}

void dir_setup(DirWorld *world, gconstpointer data)
{
    GError *error = NULL;

    *world = (DirWorld){
        .backend = dir_backend(),
        .pool = dir_pool_new(),
        .op = operation_new(g_get_monotonic_time() + 100 * G_USEC_PER_SEC),
    };
    g_assert_true(world->backend->build(world->pool, world->op, 0, &error));
    g_assert_no_error(error);
    world->fd = fd_open_folder(world->pool->target_path);
    g_assert_cmpint(world->fd, >=, 0);
}

void dir_teardown(DirWorld *world, gconstpointer data)
{
    fd_close(&world->fd);
    operation_unref(world->op);
    dir_pool_free(world->pool);
}

char *dir_path(const DirWorld *world, const char *name)
{
    return g_build_filename(world->pool->target_path, name, NULL);
}

void dir_put(const DirWorld *world, const char *name, const char *text, guint64 size)
{
    autofd int fd = openat(world->fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(fd_write_at(fd, text, strlen(text), 0));
    g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
}

guint dir_count(const DirWorld *world)
{
    DIR *entries = opendir(world->pool->target_path);
    guint count = 0;

    g_assert_nonnull(entries);
    for (struct dirent *entry; (entry = readdir(entries));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return count;
}

VolumeDef *dir_spec(const char *name, int format, guint64 capacity)
{
    VolumeDef *spec = volume_def_new();

    spec->name = g_strdup(name);
    spec->target.format = format;
    spec->capacity = capacity;
    spec->has_capacity = spec->has_allocation = true;
    return spec;
}

VolumeDef *dir_create(const DirWorld *world, const VolumeDef *spec, guint flags)
{
    VolumeState state = {0};
    GError *error = NULL;
    bool ok = world->backend->volume_create(world->pool, world->op, spec, flags, &state, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
    return state.volume;
}

VolumeDef *dir_create_plain(const DirWorld *world, const char *name, int format, guint64 capacity)
{
    g_autoptr(VolumeDef) spec = dir_spec(name, format, capacity);

    return dir_create(world, spec, 0);
}

void dir_make(const DirWorld *world, const char *name, int format, guint64 capacity)
{
    volume_def_free(dir_create_plain(world, name, format, capacity));
}

VolumeDef *dir_stat(const DirWorld *world, const char *name)
{
    VolumeState state = {0};
    GError *error = NULL;
    bool ok = world->backend->volume_stat(world->pool, world->op, name, &state, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
    return state.volume;
}

void dir_refuse(const DirWorld *world, const VolumeDef *spec, guint flags, int code,
                const char *message)
{
    guint before = dir_count(world);
    VolumeState state = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(
        world->backend->volume_create(world->pool, world->op, spec, flags, &state, &error));
    g_assert_error(error, CISTERN_ERROR, code);
    g_assert_true(g_pattern_match_simple(message, error_detail(error)) ||
                  (g_test_message("got: %s", error->message), false));
    g_assert_null(state.volume);
    g_assert_cmpuint(dir_count(world), ==, before);
}

VolumeDef *dir_clone(const DirWorld *world, const VolumeDef *source, const VolumeDef *spec,
                     guint flags, GError **error)
{
    g_autoptr(Io) io = NULL;
    VolumeState state = {0};

    if (!world->backend->volume_open(world->pool, world->op, source, VOLUME_READ, &io, error))
        return NULL;
    VolumeSource from = {.pool = world->pool, .volume = source, .io = io};
    bool ok =
        world->backend->volume_clone(world->pool, world->op, spec, &from, flags, &state, error);
    g_assert_true(ok == (state.volume != NULL));
    return state.volume;
}

bool dir_needs(const char *program)
{
    g_autofree char *path = g_find_program_in_path(program);

    if (!path)
        g_test_skip(program);
    return path != NULL;
}

char *dir_run(const char *const *argv)
{
    Command command = {.argv = argv};
    g_auto(CommandResult) result = {0};
    GError *error = NULL;

    command_run_ok(NULL, &command, &result, &error);
    g_assert_no_error(error);
    return g_steal_pointer(&result.output);
}
