/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"

#include "image-format.h"
#include "recorder.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Somebody who may write to the pool's folder swaps a volume for a link to a
 * file outside, again and again, while every operation runs. Whatever each of
 * them answers, the file outside stays as it was.
 */
#define SECRET    "what is outside stays as it is"
#define RACE_TIME (700 * G_TIME_SPAN_MILLISECOND)

typedef struct Race {
    DirWorld *world;
    char *outside;
    GThread *swapper;
    gint stop;
    guint rounds;
} Race;

/* "volume" is in turn a file and a link; the other one waits beside it. */
static void *swap(void *data)
{
    Race *race = data;
    int folder = race->world->fd;

    while (!g_atomic_int_get(&race->stop)) {
        if (renameat2(folder, "volume", folder, "other", RENAME_EXCHANGE) == 0) {
            race->rounds++;
            continue;
        }
        /* An operation removed or replaced one of them. */
        (void)symlinkat(race->outside, folder, "other");
        dir_put(race->world, "spare", "x", 64 * 1024);
        (void)renameat2(folder, "spare", folder, "volume", RENAME_NOREPLACE);
    }
    return NULL;
}

static void race_start(Race *race, DirWorld *world)
{
    *race = (Race){
        .world = world,
        .outside = g_strconcat(world->pool->target_path, ".outside", NULL),
    };
    g_assert_true(g_file_set_contents(race->outside, SECRET, -1, NULL));
    dir_put(world, "volume", "x", 64 * 1024);
    g_assert_cmpint(symlinkat(race->outside, world->fd, "other"), ==, 0);
    race->swapper = g_thread_new("swap", swap, race);
}

static void race_end(Race *race)
{
    g_autofree char *text = NULL;
    gsize size;

    g_atomic_int_set(&race->stop, 1);
    g_thread_join(race->swapper);
    g_assert_cmpuint(race->rounds, >, 10);
    g_assert_true(g_file_get_contents(race->outside, &text, &size, NULL));
    g_assert_cmpmem(text, size, SECRET, strlen(SECRET));
    g_assert_cmpint(unlink(race->outside), ==, 0);
    g_free(race->outside);
}

typedef void (*RaceFunc)(DirWorld *world, const VolumeDef *volume);

static void do_create(DirWorld *world, const VolumeDef *volume)
{
    g_auto(VolumeState) state = {0};

    (void)world->backend->volume_create(world->pool, world->op, volume, 0, &state, NULL);
}

static void do_resize(DirWorld *world, const VolumeDef *volume)
{
    (void)world->backend->volume_resize(world->pool, world->op, volume, 4096, VOLUME_RESIZE_SHRINK,
                                        NULL);
    (void)world->backend->volume_resize(world->pool, world->op, volume, 65536,
                                        VOLUME_RESIZE_ALLOCATE, NULL);
}

static void do_resize_by_tool(DirWorld *world, const VolumeDef *volume)
{
    g_autoptr(VolumeDef) image = volume_def_copy(volume);

    image->target.format = IMAGE_FORMAT_QCOW2;
    (void)world->backend->volume_resize(world->pool, world->op, image, 4096, VOLUME_RESIZE_SHRINK,
                                        NULL);
}

static void do_wipe(DirWorld *world, const VolumeDef *volume)
{
    (void)world->backend->volume_wipe(world->pool, world->op, volume, WIPE_ZERO, NULL);
    (void)world->backend->volume_wipe(world->pool, world->op, volume, WIPE_TRIM, NULL);
}

static void do_scrub(DirWorld *world, const VolumeDef *volume)
{
    (void)world->backend->volume_wipe(world->pool, world->op, volume, WIPE_RANDOM, NULL);
}

static void do_delete(DirWorld *world, const VolumeDef *volume)
{
    (void)world->backend->volume_delete(world->pool, world->op, volume, 0, NULL);
}

static void do_upload(DirWorld *world, const VolumeDef *volume)
{
    g_autoptr(Io) io = NULL;

    if (world->backend->volume_open(world->pool, world->op, volume, VOLUME_WRITE, &io, NULL))
        (void)io->ops->write(io, "overwritten", 11, 0, NULL);
}

/* What is read must not come from outside either. */
static void do_read(DirWorld *world, const VolumeDef *volume)
{
    g_autoptr(Io) io = NULL;
    char bytes[4] = {0};

    if (world->backend->volume_open(world->pool, world->op, volume, VOLUME_READ, &io, NULL)) {
        g_assert_cmpint(io->ops->read(io, bytes, sizeof bytes, 0, NULL), ==, sizeof bytes);
        g_assert_cmpint(memcmp(bytes, SECRET, sizeof bytes), !=, 0);
    }
}

/* The size of the file outside would give away that it was looked at. */
static void assert_not_followed(const VolumeDef *volume)
{
    g_assert_cmpuint(volume->capacity, !=, strlen(SECRET));
    g_assert_cmpuint(volume->physical, !=, strlen(SECRET));
}

static void do_stat(DirWorld *world, const VolumeDef *volume)
{
    g_auto(VolumeState) state = {0};

    if (world->backend->volume_stat(world->pool, world->op, volume->name, &state, NULL))
        assert_not_followed(state.volume);
}

static void do_scan(DirWorld *world, const VolumeDef *volume)
{
    g_auto(Recorder) recorder;

    recorder_init(&recorder);
    g_assert_true(world->backend->scan(world->pool, world->op, &recorder.scan, NULL));
    const VolumeDef *seen = recorder_find(&recorder, volume->name);
    if (seen)
        assert_not_followed(seen);
}

static const struct {
    const char *path;
    RaceFunc run;
} races[] = {
    {"/dir/race/create", do_create},
    {"/dir/race/resize", do_resize},
    {"/dir/race/resize-by-tool", do_resize_by_tool},
    {"/dir/race/wipe", do_wipe},
    {"/dir/race/scrub", do_scrub},
    {"/dir/race/delete", do_delete},
    {"/dir/race/upload", do_upload},
    {"/dir/race/read", do_read},
    {"/dir/race/stat", do_stat},
    {"/dir/race/scan", do_scan},
};

static void test_race(DirWorld *world, gconstpointer data)
{
    const guint *which = data;
    g_autoptr(VolumeDef) volume = dir_spec("volume", IMAGE_FORMAT_RAW, 64 * 1024);
    gint64 end = g_get_monotonic_time() + RACE_TIME;
    Race race;

    volume->target.path = dir_path(world, "volume");
    race_start(&race, world);
    while (g_get_monotonic_time() < end)
        races[*which].run(world, volume);
    race_end(&race);
}

int main(int argc, char **argv)
{
    static guint numbers[G_N_ELEMENTS(races)];

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(races); i++) {
        numbers[i] = i;
        g_test_add(races[i].path, DirWorld, &numbers[i], dir_setup, test_race, dir_teardown);
    }
    return g_test_run();
}
