/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The engine over a real folder: what others do there is seen, and what it does itself. */

#define SOON (10 * G_TIME_SPAN_SECOND) /* for the watch, on a busy machine */

static char *target(Fixture *f)
{
    return g_build_filename(f->root, "pool", NULL);
}

static Pool *start_pool(Fixture *f)
{
    g_autofree char *path = target(f);
    g_autofree char *xml =
        g_strdup_printf("<pool type='dir'><name>p</name><target><path>%s</path></target></pool>",
                        path);
    g_autoptr(GError) error = NULL;
    Pool *pool = engine_define_pool(f->engine, xml, false, NOW(f), &error);

    g_assert_no_error(error);
    g_assert_true(pool_start(pool, POOL_CREATE_WITH_BUILD, NOW(f), &error));
    g_assert_no_error(error);
    return pool;
}

static void write_file(Fixture *f, const char *name, const char *text)
{
    g_autofree char *folder = target(f);
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_file(Fixture *f, const char *name)
{
    g_autofree char *folder = target(f);
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_cmpint(g_unlink(path), ==, 0);
}

static void check_listed(Pool *pool, const char *wanted)
{
    g_autofree char *names = listed(pool);

    g_assert_cmpstr(names, ==, wanted);
}

/* Until the list is as wanted. */
static void await_listed(Pool *pool, const char *wanted)
{
    gint64 end = g_get_monotonic_time() + SOON;

    while (g_get_monotonic_time() < end) {
        g_autofree char *names = listed(pool);
        if (g_str_equal(names, wanted))
            return;
        g_usleep(10000);
    }
    check_listed(pool, wanted);
}

static void test_own_changes(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = start_pool(f);
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "b", 1 << 20);
    fixture_create_volume(f, pool, "a", 1 << 20);
    check_listed(pool, "a b");
    g_autofree char *xml = volume_xml("c", 0);
    g_autoptr(VolumeRecord) clone = volume_create_from(pool, xml, pool, "a", 0, NOW(f), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(volume_record_capacity(clone), ==, 1 << 20);
    g_assert_true(volume_resize(pool, "c", 2 << 20, 0, NOW(f), &error));
    g_assert_true(volume_wipe(pool, "b", WIPE_ZERO, NOW(f), &error));
    g_assert_true(volume_delete(pool, "a", 0, NOW(f), &error));
    g_assert_no_error(error);
    g_usleep(200000); /* the watch has told about all of it, and nothing changes */
    check_listed(pool, "b c");
    g_autoptr(VolumeDef) read = volume_read(pool, "c", NOW(f), &error);
    g_assert_cmpuint(read->capacity, ==, 2 << 20);
}

static void test_changes_of_others(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = start_pool(f);

    fixture_create_volume(f, pool, "mine", 4096);
    write_file(f, "theirs", "content");
    await_listed(pool, "mine theirs");
    remove_file(f, "mine");
    await_listed(pool, "theirs");
    for (guint i = 0; i < 50; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i);
        write_file(f, name, "x");
        remove_file(f, name);
    }
    await_listed(pool, "theirs");
    write_file(f, "theirs", "a longer content than before");
    gint64 end = g_get_monotonic_time() + SOON;
    for (;;) {
        g_autoptr(VolumeDef) known = volume_last_known(pool, "theirs", NULL);
        if (known->capacity == strlen("a longer content than before"))
            return;
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
    }
}

static void test_found_before_told(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = start_pool(f);
    g_autofree char *folder = target(f);
    g_autofree char *path = g_build_filename(folder, "new", NULL);
    g_autoptr(Pool) found = NULL;
    g_autoptr(GError) error = NULL;

    write_file(f, "new", "content");
    g_autoptr(VolumeRecord) record G_GNUC_UNUSED =
        engine_find_volume_by_path(f->engine, path, &found, NOW(f), &error);
    g_assert_no_error(error);
    g_assert_true(found == pool);
    check_listed(pool, "new");
}

static void test_missing_folder(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = start_pool(f);
    g_autofree char *folder = target(f);
    g_autoptr(GError) error = NULL;
    PoolInfo info;

    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_assert_false(pool_refresh(pool, NOW(f), &error));
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_clear_error(&error);
    pool_get_info(pool, &info);
    g_assert_cmpint(info.state, ==, POOL_STATE_INACCESSIBLE);
    g_assert_true(pool_stop(pool, NOW(f), &error));
    g_assert_false(pool_start(pool, 0, NOW(f), &error));
    g_autofree char *wanted =
        g_strdup_printf("pool 'p': cannot open directory '%s': No such file or directory", folder);
    check_error(&error, ERROR_SYSTEM, wanted);

    /* It comes back, and is watched again. */
    g_assert_true(pool_start(pool, POOL_CREATE_WITH_BUILD, NOW(f), &error));
    write_file(f, "v", "x");
    await_listed(pool, "v");
}

static void test_restart(Fixture *f, gconstpointer data)
{
    {
        g_autoptr(Pool) pool = start_pool(f);
        fixture_create_volume(f, pool, "v", 4096);
    }
    fixture_close(f);
    write_file(f, "w", "x");
    fixture_open(f);
    g_autoptr(Pool) pool = engine_find_pool_by_name(f->engine, "p", NULL);
    check_listed(pool, "v w");
    write_file(f, "x", "x");
    await_listed(pool, "v w x");
    /* A pool that the administrator stopped stays so, though its folder is there. */
    g_assert_true(pool_stop(pool, NOW(f), NULL));
    g_clear_pointer(&pool, pool_unref);
    fixture_reopen(f);
    g_autoptr(Pool) stopped = engine_find_pool_by_name(f->engine, "p", NULL);
    g_assert_false(pool_is_active(stopped));
}

static void test_chain(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = start_pool(f);
    g_autofree char *folder = target(f);
    g_autofree char *xml = g_strdup_printf(
        "<volume><name>o</name><capacity>1048576</capacity><target><format type='qcow2'/></target>"
        "<backingStore><path>%s/base</path><format type='raw'/></backingStore></volume>",
        folder);
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "base", 1 << 20);
    g_autoptr(VolumeRecord) overlay G_GNUC_UNUSED = volume_create(pool, xml, 0, NOW(f), &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) chain = volume_chain(pool, "o", NOW(f), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(chain->len, ==, 2);
    g_assert_null(volume_chain(pool, "none", NOW(f), &error));
    g_assert_cmpint(error_code(error), ==, ERROR_NO_VOLUME);
}

static bool flush_fails; /* the next one */

/* Takes the place of the C library's; like the kernel it tells a failure once. */
int fdatasync(int fd)
{
    if (!flush_fails)
        return (int)syscall(SYS_fdatasync, fd);
    flush_fails = false;
    errno = EIO;
    return -1;
}

static guint64 resume_at(Fixture *f, Pool *pool)
{
    ResumePoint point = {0};
    GError *error = NULL;

    volume_resume_point(pool, "a", NOW(f), &point, &error);
    g_assert_no_error(error);
    return point.done;
}

/* One that breaks off at once, and one of which something was lost before, which only then was
 * told. */
static void test_lost_upload(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = start_pool(f);
    g_autoptr(GError) error = NULL;
    static const char text[4096];

    fixture_create_volume(f, pool, "a", sizeof text);
    for (guint lost = 0; lost < 2; lost++) {
        VolumeStream *stream =
            volume_stream_open(pool, "a", VOLUME_WRITE, &(StreamRange){0}, 0, NOW(f), &error);
        g_assert_no_error(error);
        gsize before = lost ? sizeof text / 2 : 0;
        if (lost) {
            g_assert_true(volume_stream_write(stream, text, before, &error));
            g_usleep(G_USEC_PER_SEC + G_USEC_PER_SEC / 10); /* a note is due then */
        }
        flush_fails = lost;
        bool written = volume_stream_write(stream, text, sizeof text - before, &error);
        g_assert_cmpint(written, ==, !lost);
        if (lost)
            check_error(&error, ERROR_SYSTEM,
                        "pool 'p': volume 'a': cannot write the data to disk: Input/output error");
        g_assert_true(volume_stream_close(stream, false, &error));
        g_assert_cmpuint(resume_at(f, pool), ==, lost ? 0 : sizeof text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    REAL_ENGINE_TEST("/engine/folder/own-changes", test_own_changes);
    REAL_ENGINE_TEST("/engine/folder/changes-of-others", test_changes_of_others);
    REAL_ENGINE_TEST("/engine/folder/found-before-told", test_found_before_told);
    REAL_ENGINE_TEST("/engine/folder/missing-folder", test_missing_folder);
    REAL_ENGINE_TEST("/engine/folder/restart", test_restart);
    REAL_ENGINE_TEST("/engine/folder/chain", test_chain);
    REAL_ENGINE_TEST("/engine/folder/lost-upload", test_lost_upload);
    return g_test_run();
}
