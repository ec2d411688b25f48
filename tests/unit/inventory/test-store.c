/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "draft.h"
#include "errors.h"
#include "registry.h"

typedef struct Fixture {
    char *root, *config, *state, *links;
    Store *store;
    GPtrArray *problems;
} Fixture;

static void open_store(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    fixture->store = store_open(fixture->config, fixture->state, &error);
    g_assert_no_error(error);
}

static void setup(Fixture *fixture, gconstpointer data)
{
    fixture->root = g_dir_make_tmp("store-XXXXXX", NULL);
    fixture->config = g_build_filename(fixture->root, "etc", "storage", NULL);
    fixture->state = g_build_filename(fixture->root, "run", "storage", NULL);
    fixture->links = g_build_filename(fixture->config, "autostart", NULL);
    fixture->problems = g_ptr_array_new_with_free_func((GDestroyNotify)store_problem_free);
    open_store(fixture);
}

static void remove_tree(const char *path)
{
    GDir *dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);
        remove_tree(entry);
    }
    if (dir)
        g_dir_close(dir);
    g_assert_cmpint(g_remove(path), ==, 0);
}

static void teardown(Fixture *fixture, gconstpointer data)
{
    store_close(fixture->store);
    remove_tree(fixture->root);
    g_free(fixture->root);
    g_free(fixture->config);
    g_free(fixture->state);
    g_free(fixture->links);
    g_ptr_array_unref(fixture->problems);
}

static PoolDef *make_pool(const char *name, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = g_markup_printf_escaped(
        "<pool type='dir'><name>%s</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"
        "<target><path>%s</path></target></pool>",
        name, path);
    PoolDef *def = pool_def_parse(xml, backend_schemas(), 0, &error);

    g_assert_no_error(error);
    return def;
}

static void save_pool(Fixture *fixture, StoreKind kind, const char *name)
{
    g_autoptr(PoolDef) def = make_pool(name, "/srv/images");
    g_autoptr(GError) error = NULL;

    store_save(fixture->store, kind, def, &error);
    g_assert_no_error(error);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static bool has_entry(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    struct stat st;

    return lstat(path, &st) == 0;
}

/* The names of what loads, with blanks between; problems are added to those of the fixture. */
static char *load_names(Fixture *fixture, StoreKind kind)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) defs =
        store_load(fixture->store, kind, backend_schemas(), fixture->problems, &error);
    GString *names = g_string_new(NULL);

    g_assert_no_error(error);
    for (guint i = 0; i < defs->len; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? " " : "",
                               ((PoolDef *)g_ptr_array_index(defs, i))->name);
    return g_string_free(names, FALSE);
}

static void assert_loads(Fixture *fixture, StoreKind kind, const char *expected)
{
    g_autofree char *names = load_names(fixture, kind);

    g_assert_cmpstr(names, ==, expected);
}

static const StoreProblem *problem_of(Fixture *fixture, const char *folder, const char *file)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);

    for (guint i = 0; i < fixture->problems->len; i++) {
        const StoreProblem *problem = g_ptr_array_index(fixture->problems, i);
        if (strcmp(problem->path, path) == 0)
            return problem;
    }
    g_error("no problem with '%s'", path);
}

/* ---- the lock ---- */

static void assert_refused(Fixture *fixture, int pid)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *expected = g_strdup_printf("process %d ", pid);

    g_assert_null(store_open(fixture->config, fixture->state, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_OPERATION_INVALID);
    g_assert_nonnull(strstr(error->message, expected));
    g_assert_nonnull(strstr(error->message, fixture->state));
}

static void test_one_at_a_time(Fixture *fixture, gconstpointer data)
{
    assert_refused(fixture, (int)getpid());
    store_close(g_steal_pointer(&fixture->store));
    open_store(fixture);
}

/* What a libvirt daemon does: another process, a lock of the old kind on the first byte. */
static void hold_old_lock(const char *path, int ready)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    int fd = open(path, O_RDWR | O_CREAT, 0644);

    if (fcntl(fd, F_SETLK, &lock) < 0 || ftruncate(fd, 0) < 0 || dprintf(fd, "%d", getpid()) < 0)
        _exit(1);
    (void)!write(ready, "x", 1);
    pause();
    _exit(0);
}

static void test_other_daemon(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->state, "driver.pid", NULL);
    int ready[2];
    char byte;

    store_close(g_steal_pointer(&fixture->store));
    g_assert_cmpint(pipe(ready), ==, 0);
    pid_t child = fork();
    if (child == 0)
        hold_old_lock(path, ready[1]);
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    assert_refused(fixture, (int)child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    open_store(fixture);
}

/* A lock file that its owner removed in the meantime, or that holds nonsense. */
static void test_odd_lock_files(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    write_file(fixture->state, "driver.pid", "999999999999999999 or so");
    g_autoptr(Store) beside = store_open(fixture->config, fixture->state, &error);
    g_assert_no_error(error); /* the file was replaced: its lock is of no use any more */
    g_assert_null(store_open(fixture->config, fixture->state, NULL));
}

static void test_no_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *below_file = g_build_filename(fixture->state, "driver.pid", "x", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(store_open(below_file, fixture->state, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(error), ==, ENOTDIR);
}

/* ---- files ---- */

static void test_save_and_load(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PoolDef) def = make_pool("b & <c>", "/srv/b");
    g_autofree char *path = g_build_filename(fixture->config, "b & <c>.xml", NULL);
    g_autofree char *expected = pool_def_format_config(def);
    g_autofree char *text = NULL;
    struct stat st;

    save_pool(fixture, STORE_CONFIG, "z");
    g_assert_true(store_save(fixture->store, STORE_CONFIG, def, NULL));
    save_pool(fixture, STORE_CONFIG, "a");
    assert_loads(fixture, STORE_CONFIG, "a b & <c> z");
    assert_loads(fixture, STORE_STATE, "");
    g_assert_cmpuint(fixture->problems->len, ==, 0);

    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0600);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, expected);
}

static void test_replace(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PoolDef) def = make_pool("a", "/srv/other");
    g_autoptr(GPtrArray) defs = NULL;

    save_pool(fixture, STORE_STATE, "a");
    g_assert_true(store_save(fixture->store, STORE_STATE, def, NULL));
    defs = store_load(fixture->store, STORE_STATE, backend_schemas(), NULL, NULL);
    g_assert_cmpuint(defs->len, ==, 1);
    g_assert_true(pool_def_equal(g_ptr_array_index(defs, 0), def));
    g_assert_false(has_entry(fixture->config, "a.xml"));
}

static void test_remove(Fixture *fixture, gconstpointer data)
{
    save_pool(fixture, STORE_CONFIG, "a");
    save_pool(fixture, STORE_STATE, "a");
    g_assert_true(store_set_autostart(fixture->store, "a", true, NULL));
    for (int i = 0; i < 2; i++) {
        g_assert_true(store_remove(fixture->store, STORE_CONFIG, "a", NULL));
        g_assert_false(has_entry(fixture->config, "a.xml"));
        g_assert_false(has_entry(fixture->links, "a.xml"));
    }
    assert_loads(fixture, STORE_STATE, "a");
    g_assert_true(store_remove(fixture->store, STORE_STATE, "a", NULL));
    assert_loads(fixture, STORE_STATE, "");
}

static void test_remove_fails(Fixture *fixture, gconstpointer data)
{
    g_autofree char *folder = g_build_filename(fixture->config, "a.xml", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    g_assert_false(store_remove(fixture->store, STORE_CONFIG, "a", &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_INTERNAL);
    g_assert_cmpstr(error->message, ==, "internal error: cannot remove config for a");
}

/* Neither reads nor writes leave the folders, whatever the name. */
static void test_hostile_names(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"", "../x", "/etc/x", "autostart/x", "a/../x"};

    write_file(fixture->root, "etc/x.xml", "precious");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(PoolDef) pool = make_pool("x", "/srv/x");
        g_autoptr(PoolDef) def = pool_def_copy(pool);
        g_autoptr(GError) error = NULL;
        g_free(def->name);
        def->name = g_strdup(names[i]);
        g_assert_false(store_save(fixture->store, STORE_CONFIG, def, &error));
        g_assert_error(error, CISTERN_ERROR, ERROR_INVALID_ARGUMENT);
        g_assert_false(store_remove(fixture->store, STORE_CONFIG, names[i], NULL));
        g_assert_false(store_set_autostart(fixture->store, names[i], true, NULL));
        g_assert_false(store_autostart(fixture->store, names[i]));
    }
    g_assert_true(has_entry(fixture->root, "etc/x.xml"));
    assert_loads(fixture, STORE_CONFIG, "");
}

static void test_name_too_long(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PoolDef) pool = make_pool("x", "/srv/x");
    g_autoptr(PoolDef) def = pool_def_copy(pool);
    g_autoptr(GError) error = NULL;

    g_free(def->name);
    def->name = g_strnfill(300, 'n');
    g_assert_false(store_save(fixture->store, STORE_CONFIG, def, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(error), ==, ENAMETOOLONG);
    g_autoptr(GDir) dir = g_dir_open(fixture->config, 0, NULL);
    g_assert_null(g_dir_read_name(dir));
}

static void test_broken_files(Fixture *fixture, gconstpointer data)
{
    g_autofree char *fifo = g_build_filename(fixture->config, "fifo.xml", NULL);
    g_autofree char *folder = g_build_filename(fixture->config, "folder.xml", NULL);
    g_autofree char *outward = g_build_filename(fixture->config, "outward.xml", NULL);
    g_autofree char *huge = g_build_filename(fixture->config, "huge.xml", NULL);
    g_autofree char *elsewhere = g_build_filename(fixture->root, "elsewhere.xml", NULL);
    g_autofree char *expected = g_strdup_printf("XML error: Storage pool config filename "
                                                "'%s/other.xml' does not match pool name 'good'",
                                                fixture->config);
    g_autoptr(PoolDef) def = make_pool("good", "/srv/good");
    g_autofree char *text = pool_def_format_config(def);

    save_pool(fixture, STORE_CONFIG, "good");
    write_file(fixture->config, "other.xml", text);
    write_file(fixture->config, "good.xml.new", "left by libvirt");
    write_file(fixture->config, "empty.xml", "");
    write_file(fixture->config, "bad.xml", "<pool type='dir'><name>bad");
    write_file(fixture->root, "elsewhere.xml", text);
    g_assert_cmpint(symlink(elsewhere, outward), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    write_file(fixture->config, "huge.xml", "");
    g_assert_cmpint(truncate(huge, (off_t)1 << 40), ==, 0);

    assert_loads(fixture, STORE_CONFIG, "good");
    g_assert_cmpuint(fixture->problems->len, ==, 7);
    g_assert_cmpstr(problem_of(fixture, fixture->config, "other.xml")->error->message, ==,
                    expected);
    g_assert_cmpint(error_errno(problem_of(fixture, fixture->config, "outward.xml")->error), ==,
                    EXDEV);
    g_assert_cmpint(error_errno(problem_of(fixture, fixture->config, "huge.xml")->error), ==,
                    EFBIG);
    problem_of(fixture, fixture->config, "empty.xml");
    problem_of(fixture, fixture->config, "bad.xml");
    problem_of(fixture, fixture->config, "fifo.xml");
    problem_of(fixture, fixture->config, "folder.xml");
    /* Nobody wants to know. */
    g_autoptr(GPtrArray) defs =
        store_load(fixture->store, STORE_CONFIG, backend_schemas(), NULL, NULL);
    g_assert_cmpuint(defs->len, ==, 1);
}

static void test_state_of_other_name(Fixture *fixture, gconstpointer data)
{
    g_autoptr(PoolDef) def = make_pool("good", "/srv/good");
    g_autofree char *text = pool_def_format_state(def);
    g_autofree char *expected = g_strdup_printf("internal error: Storage pool state file "
                                                "'%s/other.xml' does not match pool name 'good'",
                                                fixture->state);

    write_file(fixture->state, "other.xml", text);
    assert_loads(fixture, STORE_STATE, "");
    g_assert_cmpstr(problem_of(fixture, fixture->state, "other.xml")->error->message, ==, expected);
}

/* Folders as libvirt leaves them are taken over as they are. */
static void test_folders_of_libvirt(Fixture *fixture, gconstpointer data)
{
    g_autofree char *saved = g_build_filename(fixture->config, "default.xml", NULL);
    g_autofree char *link = g_build_filename(fixture->links, "default.xml", NULL);
    g_autofree char *before = NULL, *after = NULL;
    static const char document[] =
        "<!--\nSome comment\n-->\n\n"
        "<pool type='dir'>\n  <name>default</name>\n"
        "  <uuid>0a1b2c3d-0000-4000-8000-000000000001</uuid>\n"
        "  <capacity unit='bytes'>0</capacity>\n  <allocation unit='bytes'>0</allocation>\n"
        "  <available unit='bytes'>0</available>\n  <source>\n  </source>\n"
        "  <target>\n    <path>/var/lib/libvirt/images</path>\n  </target>\n</pool>\n";

    write_file(fixture->config, "default.xml", document);
    g_assert_cmpint(g_mkdir(fixture->links, 0755), ==, 0);
    g_assert_cmpint(symlink(saved, link), ==, 0);
    write_file(fixture->state, "autostarted", "");
    g_assert_true(g_file_get_contents(saved, &before, NULL, NULL));

    store_close(g_steal_pointer(&fixture->store));
    open_store(fixture);
    assert_loads(fixture, STORE_CONFIG, "default");
    g_assert_cmpuint(fixture->problems->len, ==, 0);
    g_assert_true(store_autostart(fixture->store, "default"));
    g_assert_false(store_claim_autostart(fixture->store));
    g_assert_true(g_file_get_contents(saved, &after, NULL, NULL));
    g_assert_cmpstr(after, ==, before);
}

static void test_left_drafts(Fixture *fixture, gconstpointer data)
{
    write_file(fixture->config, DRAFT_PREFIX "0123", "half");
    write_file(fixture->state, DRAFT_PREFIX "4567", "half");
    store_close(g_steal_pointer(&fixture->store));
    open_store(fixture);
    g_assert_false(has_entry(fixture->config, DRAFT_PREFIX "0123"));
    g_assert_false(has_entry(fixture->state, DRAFT_PREFIX "4567"));
}

#define CLIENTS  4
#define EACH     60
#define REPLACED "/srv/replaced"

typedef struct Client {
    Fixture *fixture;
    int number;
} Client;

static void save_at(Fixture *fixture, const char *name, const char *path)
{
    g_autoptr(PoolDef) def = make_pool(name, path);

    g_assert_true(store_save(fixture->store, STORE_CONFIG, def, NULL));
}

/* Of four definitions one stays, one is replaced, one goes, one comes back. */
static void *save_and_remove(void *data)
{
    const Client *client = data;
    Fixture *fixture = client->fixture;

    for (int i = 0; i < EACH; i++) {
        g_autofree char *name = g_strdup_printf("pool-%d-%02d", client->number, i);
        save_at(fixture, name, "/srv/images");
        if (i % 4 == 1)
            save_at(fixture, name, REPLACED);
        if (i % 4 >= 2)
            g_assert_true(store_remove(fixture->store, STORE_CONFIG, name, NULL));
        if (i % 4 == 3)
            save_at(fixture, name, REPLACED);
    }
    return NULL;
}

static void assert_saved(Fixture *fixture)
{
    g_autoptr(GPtrArray) defs =
        store_load(fixture->store, STORE_CONFIG, backend_schemas(), fixture->problems, NULL);

    g_assert_nonnull(defs);
    g_assert_cmpuint(defs->len, ==, CLIENTS * EACH / 4 * 3);
    for (guint i = 0; i < defs->len; i++) {
        const PoolDef *def = defs->pdata[i];
        int part = atoi(strrchr(def->name, '-') + 1) % 4;
        g_assert_cmpint(part, !=, 2);
        g_assert_cmpstr(def->target_path, ==, part == 0 ? "/srv/images" : REPLACED);
    }
}

/* Files are made by another thread than those that save and remove. */
static void test_many_at_once(Fixture *fixture, gconstpointer data)
{
    GThread *threads[CLIENTS];
    Client clients[CLIENTS];

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (Client){fixture, i};
        threads[i] = g_thread_new("client", save_and_remove, &clients[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        g_thread_join(threads[i]);
    assert_saved(fixture);
    store_close(g_steal_pointer(&fixture->store));
    g_assert_false(has_entry(fixture->config, ".cistern-journal"));
    open_store(fixture);
    assert_saved(fixture);
    g_assert_cmpuint(fixture->problems->len, ==, 0);
}

/* ---- autostart ---- */

/* States on a disk are void after a boot. */
static void test_earlier_boot(Fixture *fixture, gconstpointer data)
{
    save_pool(fixture, STORE_CONFIG, "pool");
    save_pool(fixture, STORE_STATE, "pool");
    g_assert_true(store_claim_autostart(fixture->store));
    store_close(g_steal_pointer(&fixture->store));
    open_store(fixture);
    assert_loads(fixture, STORE_STATE, "pool");
    write_file(fixture->state, "autostarted", "an earlier one\n");
    store_close(g_steal_pointer(&fixture->store));
    open_store(fixture);
    assert_loads(fixture, STORE_STATE, "");
    assert_loads(fixture, STORE_CONFIG, "pool");
    g_assert_true(store_claim_autostart(fixture->store));
}

static void test_autostart(Fixture *fixture, gconstpointer data)
{
    g_autofree char *link = g_build_filename(fixture->links, "a.xml", NULL);
    g_autofree char *saved = g_build_filename(fixture->config, "a.xml", NULL);

    save_pool(fixture, STORE_CONFIG, "a");
    g_assert_false(store_autostart(fixture->store, "a"));
    g_assert_true(store_set_autostart(fixture->store, "a", false, NULL));
    g_assert_false(has_entry(fixture->config, "autostart"));
    for (int i = 0; i < 2; i++) {
        g_assert_true(store_set_autostart(fixture->store, "a", true, NULL));
        g_assert_true(store_autostart(fixture->store, "a"));
        g_autofree char *target = g_file_read_link(link, NULL);
        g_assert_cmpstr(target, ==, saved);
    }
    g_assert_false(store_autostart(fixture->store, "b"));
    /* Saving replaces the file; the link leads to the new one. */
    save_pool(fixture, STORE_CONFIG, "a");
    g_assert_true(store_autostart(fixture->store, "a"));
    for (int i = 0; i < 2; i++) {
        g_assert_true(store_set_autostart(fixture->store, "a", false, NULL));
        g_assert_false(store_autostart(fixture->store, "a"));
        g_assert_false(has_entry(fixture->links, "a.xml"));
    }
}

static void test_stale_link(Fixture *fixture, gconstpointer data)
{
    g_autofree char *link = g_build_filename(fixture->links, "a.xml", NULL);

    save_pool(fixture, STORE_CONFIG, "a");
    save_pool(fixture, STORE_CONFIG, "b");
    g_assert_cmpint(g_mkdir(fixture->links, 0755), ==, 0);
    g_assert_cmpint(symlink("../b.xml", link), ==, 0);
    g_assert_false(store_autostart(fixture->store, "a"));
    g_assert_true(store_set_autostart(fixture->store, "a", true, NULL));
    g_assert_true(store_autostart(fixture->store, "a"));
    /* On another way, but there. */
    g_assert_cmpint(unlink(link), ==, 0);
    g_assert_cmpint(symlink("../a.xml", link), ==, 0);
    g_assert_true(store_autostart(fixture->store, "a"));
}

static void test_file_in_place_of_link(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    save_pool(fixture, STORE_CONFIG, "a");
    g_assert_cmpint(g_mkdir(fixture->links, 0755), ==, 0);
    write_file(fixture->links, "a.xml", "somebody's");
    g_assert_false(store_autostart(fixture->store, "a"));
    g_assert_false(store_set_autostart(fixture->store, "a", true, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(error), ==, EEXIST);
    g_assert_true(has_entry(fixture->links, "a.xml"));
}

static void test_once_per_boot(Fixture *fixture, gconstpointer data)
{
    g_assert_true(store_claim_autostart(fixture->store));
    g_assert_false(store_claim_autostart(fixture->store));
    store_close(g_steal_pointer(&fixture->store));
    open_store(fixture);
    g_assert_false(store_claim_autostart(fixture->store));
    /* The folder outlived a reboot. */
    write_file(fixture->state, "autostarted", "00000000-0000-0000-0000-000000000000\n");
    g_assert_true(store_claim_autostart(fixture->store));
    g_assert_false(store_claim_autostart(fixture->store));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/store/one-at-a-time", test_one_at_a_time},
        {"/store/other-daemon", test_other_daemon},
        {"/store/odd-lock-files", test_odd_lock_files},
        {"/store/no-folder", test_no_folder},
        {"/store/save-and-load", test_save_and_load},
        {"/store/replace", test_replace},
        {"/store/remove", test_remove},
        {"/store/remove-fails", test_remove_fails},
        {"/store/hostile-names", test_hostile_names},
        {"/store/name-too-long", test_name_too_long},
        {"/store/broken-files", test_broken_files},
        {"/store/state-of-other-name", test_state_of_other_name},
        {"/store/folders-of-libvirt", test_folders_of_libvirt},
        {"/store/left-drafts", test_left_drafts},
        {"/store/many-at-once", test_many_at_once},
        {"/store/earlier-boot", test_earlier_boot},
        {"/store/autostart", test_autostart},
        {"/store/stale-link", test_stale_link},
        {"/store/file-in-place-of-link", test_file_in_place_of_link},
        {"/store/once-per-boot", test_once_per_boot},
    };

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, setup, tests[i].func, teardown);
    return g_test_run();
}
