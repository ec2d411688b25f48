/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "draft.h"
#include "errors.h"
#include "fd.h"
#include "log.h"
#include "store-flusher.h"
#include "units.h"

#define SUFFIX           ".xml"
#define LOCK_FILE        "driver.pid" /* libvirt's name for it, so that the two exclude each other */
#define UPLOAD_SUFFIX    ".upload"
#define UPLOAD_LIMIT     8192 /* bytes: some numbers and a volume's name */
#define AUTOSTART_FOLDER "autostart"
#define AUTOSTART_MARKER "autostarted"
#define FILE_LIMIT       (4 * 1024 * 1024) /* bytes; far above any definition */

struct Store {
    char *paths[2]; /* absolute; by StoreKind */
    int folders[2];
    int lock;
    StoreJournal *journal; /* of new definitions */
    StoreFlusher *flusher;
    gint new_count; /* how many were saved; atomic */

    GMutex lock_of_names; /* guards what follows */
    GHashTable *names;    /* of the definitions' files, whole or not */
};

/* ---- names ---- */

/* Known without asking the folder, which is locked while a file is made in it. */
static bool is_new(Store *store, const char *file)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&store->lock_of_names);

    return !g_hash_table_contains(store->names, file);
}

static void note_saved(Store *store, const char *file)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&store->lock_of_names);

    g_hash_table_add(store->names, g_strdup(file));
}

static void note_removed(Store *store, const char *file)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&store->lock_of_names);

    g_hash_table_remove(store->names, file);
}

/* ---- what differs between saved definitions and those of running pools ---- */

/* True: the definition of a new name is safe, and its file comes in a moment. One alone has its
 * file at once; where more follow, they share. */
static bool save_in_journal(Store *store, const char *file, const char *text)
{
    if (!is_new(store, file) || g_atomic_int_add(&store->new_count, 1) == 0 ||
        !store_journal_add(store->journal, file, text))
        return false;
    note_saved(store, file);
    store_flusher_add_new(store->flusher);
    return true;
}

/* What is replaced must not be lost with a power failure: it has its file before. */
static bool publish_config(Store *store, Draft *draft, const char *file, GError **error)
{
    if (!store_journal_make(store->journal, error) || !draft_publish(draft, file, true, error))
        return false;
    store_journal_forget(store->journal, file);
    note_saved(store, file);
    return true;
}

/* Fine if there is none. Errno. */
static bool remove_name(int folder, const char *file)
{
    return unlinkat(folder, file, 0) == 0 || errno == ENOENT;
}

/* The link first: one that outlived its definition would come to life with the next of that name.
 */
static bool remove_config(Store *store, const char *name, const char *file, GError **error)
{
    if (!store_set_autostart(store, name, false, error))
        return false;
    autofd int removed =
        fd_open_beneath(store->folders[STORE_CONFIG], file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (!store_journal_remove(store->journal, file))
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "cannot remove config for %s",
                         name);
    note_removed(store, file);
    store_flusher_add_removed(store->flusher, &removed);
    return true;
}

/* Void after a power failure, whatever of it reached the disk: nothing waits for that. */
static bool publish_state(Store *store, Draft *draft, const char *file, GError **error)
{
    return draft_publish_unflushed(draft, file, error);
}

static bool remove_state(Store *store, const char *name, const char *file, GError **error)
{
    return remove_name(store->folders[STORE_STATE], file) ||
           error_set_errno(error, ORIGIN_STORAGE, errno, "cannot remove '%s/%s'",
                           store->paths[STORE_STATE], file);
}

/* What differs between saved definitions and those of running pools. */
static const struct {
    char *(*format)(const PoolDef *def);
    bool (*publish)(Store *store, Draft *draft, const char *file, GError **error);
    bool (*remove)(Store *store, const char *name, const char *file, GError **error);
    ErrorCode mismatch_code;
    const char *mismatch; /* of "… '<path>' does not match pool name '<name>'" */
} kinds[] = {
    [STORE_CONFIG] = {pool_def_format_config, publish_config, remove_config, ERROR_XML,
                      "Storage pool config filename"},
    [STORE_STATE] = {pool_def_format_state, publish_state, remove_state, ERROR_INTERNAL,
                     "Storage pool state file"},
};

/* ---- the folders ---- */

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of files that end so, in order; NULL with errno. */
static GPtrArray *list_files(int folder, const char *suffix)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    autofd int fd = fd_open_beneath(folder, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!entries)
        return NULL;
    fd_steal(&fd);
    while (errno = 0, (entry = readdir(entries)))
        if (g_str_has_suffix(entry->d_name, suffix))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    int status = errno;
    closedir(entries);
    errno = status;
    if (status != 0)
        return NULL;
    g_ptr_array_sort(names, compare_strings);
    return g_steal_pointer(&names);
}

/* ---- opening and the lock ---- */

static bool open_folder(const char *path, char **ret_path, int *ret_fd, GError **error)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);

    if (g_mkdir_with_parents(absolute, 0700) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot make the folder '%s'",
                               absolute);
    *ret_fd = fd_open_folder(absolute);
    if (*ret_fd < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot open the folder '%s'",
                               absolute);
    *ret_path = g_steal_pointer(&absolute);
    return true;
}

/* Whole-file lock of this open file: it also collides with the lock that libvirt's daemons take
 * with fcntl(). */
static bool lock_file(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool report_locked(Store *store, int fd, GError **error)
{
    char text[24] = "";
    guint64 pid;

    if (fd_read_at(fd, text, sizeof text - 1, 0) > 0 &&
        number_parse(g_strstrip(text), G_MAXINT, &pid))
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "process %" G_GUINT64_FORMAT " works with the state folder '%s'; stop it "
                         "first or use another folder",
                         pid, store->paths[STORE_STATE]);
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "another process works with the state folder '%s'; stop it first or use "
                     "another folder",
                     store->paths[STORE_STATE]);
}

/* True if the name still leads to the open file: libvirt removes its lock file at the end. */
static bool is_same_file(int folder, const char *name, int fd)
{
    struct stat named, opened;

    return fstat(fd, &opened) == 0 && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static bool write_pid(int fd)
{
    char text[24];
    int length = g_snprintf(text, sizeof text, "%d\n", (int)getpid());

    return ftruncate(fd, 0) == 0 && fd_write_at(fd, text, (size_t)length, 0);
}

static bool take_lock(Store *store, GError **error)
{
    int folder = store->folders[STORE_STATE];
    autofd int fd = -1;

    do {
        fd_close(&fd);
        fd = fd_open_beneath(folder, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
        if (fd < 0)
            return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot open '%s/" LOCK_FILE "'",
                                   store->paths[STORE_STATE]);
        if (!lock_file(fd))
            return errno == EAGAIN || errno == EACCES
                       ? report_locked(store, fd, error)
                       : error_set_errno(error, ORIGIN_STORAGE, errno,
                                         "cannot lock '%s/" LOCK_FILE "'",
                                         store->paths[STORE_STATE]);
    } while (!is_same_file(folder, LOCK_FILE, fd));

    if (!write_pid(fd))
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write '%s/" LOCK_FILE "'",
                               store->paths[STORE_STATE]);
    store->lock = fd_steal(&fd);
    return true;
}

/* ---- the boot ---- */

/* Changes with every boot; empty where the system doesn't tell. */
static char *boot_id(void)
{
    char *id = NULL;

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &id, NULL, NULL))
        return g_strdup("");
    return g_strstrip(id);
}

/* The boot in which pools were autostarted last. Empty: it isn't told (libvirt's marker, which lies
 * in a folder that doesn't outlive the boot). NULL with errno, ENOENT when there was none yet. */
static char *marked_boot(Store *store)
{
    char *boot = fd_read_file_at(store->folders[STORE_STATE], AUTOSTART_MARKER, 256, NULL);

    return boot ? g_strstrip(boot) : NULL;
}

static bool remove_states(Store *store, GError **error)
{
    int folder = store->folders[STORE_STATE];
    g_autoptr(GPtrArray) files = list_files(folder, SUFFIX);

    for (guint i = 0; files && i < files->len; i++)
        if (unlinkat(folder, files->pdata[i], 0) < 0 && errno != ENOENT)
            g_clear_pointer(&files, g_ptr_array_unref);
    return files || error_set_errno(error, ORIGIN_STORAGE, errno,
                                    "cannot remove the states of an earlier boot from '%s'",
                                    store->paths[STORE_STATE]);
}

/* A folder of states that lies on a disk is older than the boot when no pool is up any more. */
static bool forget_earlier_boot(Store *store, GError **error)
{
    g_autofree char *marked = marked_boot(store);
    g_autofree char *boot = boot_id();

    if (!marked && errno != ENOENT)
        return error_set_errno(error, ORIGIN_STORAGE, errno,
                               "cannot read '%s/" AUTOSTART_MARKER "'", store->paths[STORE_STATE]);
    if (!marked || *marked == '\0' || *boot == '\0' || strcmp(marked, boot) == 0)
        return true;
    return remove_states(store, error);
}

static void sweep(Store *store)
{
    autofd int links =
        fd_open_beneath(store->folders[STORE_CONFIG], AUTOSTART_FOLDER, O_RDONLY | O_DIRECTORY, 0);

    draft_sweep(store->folders[STORE_CONFIG]);
    draft_sweep(store->folders[STORE_STATE]);
    if (links >= 0)
        draft_sweep(links);
}

static bool read_names(Store *store, GError **error)
{
    g_autoptr(GPtrArray) files = list_files(store->folders[STORE_CONFIG], SUFFIX);

    if (!files)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the folder '%s'",
                               store->paths[STORE_CONFIG]);
    for (guint i = 0; i < files->len; i++)
        note_saved(store, files->pdata[i]);
    return true;
}

Store *store_open(const char *config_dir, const char *state_dir, GError **error)
{
    g_autoptr(Store) store = g_new0(Store, 1);
    const char *paths[] = {[STORE_CONFIG] = config_dir, [STORE_STATE] = state_dir};

    g_mutex_init(&store->lock_of_names);
    store->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    store->folders[STORE_CONFIG] = store->folders[STORE_STATE] = store->lock = -1;
    for (StoreKind kind = STORE_CONFIG; kind <= STORE_STATE; kind++)
        if (!open_folder(paths[kind], &store->paths[kind], &store->folders[kind], error))
            return NULL;
    int configs = store->folders[STORE_CONFIG];
    store->journal = store_journal_new(configs);
    store->flusher = store_flusher_new(store->journal, store->paths[STORE_CONFIG]);
    if (!take_lock(store, error) || !forget_earlier_boot(store, error) ||
        !store_journal_replay(configs, store->paths[STORE_CONFIG], error) ||
        !read_names(store, error))
        return NULL;
    sweep(store);
    return g_steal_pointer(&store);
}

void store_close(Store *store)
{
    if (!store)
        return;
    store_flusher_free(store->flusher);
    store_journal_free(store->journal);
    g_hash_table_unref(store->names);
    g_mutex_clear(&store->lock_of_names);
    for (StoreKind kind = STORE_CONFIG; kind <= STORE_STATE; kind++) {
        fd_close(&store->folders[kind]);
        g_free(store->paths[kind]);
    }
    fd_close(&store->lock);
    g_free(store);
}

/* ---- loading ---- */

void store_problem_free(StoreProblem *problem)
{
    if (!problem)
        return;
    g_free(problem->path);
    g_clear_error(&problem->error);
    g_free(problem);
}

static bool is_file_of(const char *file, const char *name)
{
    gsize length = strlen(name);

    return strncmp(file, name, length) == 0 && strcmp(file + length, SUFFIX) == 0;
}

static PoolDef *load_file(Store *store, StoreKind kind, const char *file,
                          const PoolSchemaList *schemas, GError **error)
{
    g_autofree char *text = fd_read_file_at(store->folders[kind], file, FILE_LIMIT, NULL);
    if (!text) {
        error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read '%s/%s'", store->paths[kind],
                        file);
        return NULL;
    }
    g_autoptr(PoolDef) def = pool_def_parse_file(text, schemas, error);
    if (!def)
        return NULL;
    if (!is_file_of(file, def->name)) {
        error_set(error, kinds[kind].mismatch_code, ORIGIN_STORAGE,
                  "%s '%s/%s' does not match pool name '%s'", kinds[kind].mismatch,
                  store->paths[kind], file, def->name);
        return NULL;
    }
    return g_steal_pointer(&def);
}

/* Takes over the error. */
static void add_problem(GPtrArray *problems, const char *folder, const char *file, GError *error)
{
    StoreProblem *problem = g_new(StoreProblem, 1);

    *problem = (StoreProblem){g_build_filename(folder, file, NULL), error};
    if (problems)
        g_ptr_array_add(problems, problem);
    else
        store_problem_free(problem);
}

GPtrArray *store_load(Store *store, StoreKind kind, const PoolSchemaList *schemas,
                      GPtrArray *problems, GError **error)
{
    if (!store_journal_make(store->journal, error))
        return NULL;
    g_autoptr(GPtrArray) files = list_files(store->folders[kind], SUFFIX);
    g_autoptr(GPtrArray) defs = g_ptr_array_new_with_free_func((GDestroyNotify)pool_def_unref);

    if (!files) {
        error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the folder '%s'",
                        store->paths[kind]);
        return NULL;
    }
    for (guint i = 0; i < files->len; i++) {
        const char *file = g_ptr_array_index(files, i);
        GError *problem = NULL;
        PoolDef *def = load_file(store, kind, file, schemas, &problem);
        if (def)
            g_ptr_array_add(defs, def);
        else
            add_problem(problems, store->paths[kind], file, problem);
    }
    return g_steal_pointer(&defs);
}

/* ---- saving and removing ---- */

/* The file of a pool; NULL for a name that would lead out of the folder. */
static char *file_of(const char *name, GError **error)
{
    if (*name != '\0' && !strchr(name, '/'))
        return g_strconcat(name, SUFFIX, NULL);
    error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE, "'%s' can't be the name of a pool",
              name);
    return NULL;
}

static bool write_file(Store *store, StoreKind kind, const char *file, const char *text,
                       GError **error)
{
    autodraft Draft draft = DRAFT_INIT;

    if (!draft_create(store->folders[kind], 0600, &draft, error))
        return false;
    if (!fd_write_at(draft.fd, text, strlen(text), 0))
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write its content");
    return kinds[kind].publish(store, &draft, file, error);
}

bool store_save(Store *store, StoreKind kind, const PoolDef *def, GError **error)
{
    g_autofree char *text = kinds[kind].format(def);
    g_autofree char *file = file_of(def->name, error);

    if (!file)
        return false;
    if ((kind == STORE_CONFIG && save_in_journal(store, file, text)) ||
        write_file(store, kind, file, text, error))
        return true;
    error_add_context(error, "cannot save '%s/%s': ", store->paths[kind], file);
    return false;
}

bool store_remove(Store *store, StoreKind kind, const char *name, GError **error)
{
    g_autofree char *file = file_of(name, error);

    return file && kinds[kind].remove(store, name, file, error);
}

/* ---- uploads ---- */

/* The volume's name may hold anything, the file's may not. */
static char *upload_file(const Uuid *pool, const char *volume)
{
    g_autofree char *checksum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, volume, -1);
    char uuid[UUID_STRING_SIZE];

    return g_strconcat(uuid_format(pool, uuid), ".", checksum, UPLOAD_SUFFIX, NULL);
}

bool store_save_upload(Store *store, const Uuid *pool, const char *volume, const char *text,
                       GError **error)
{
    g_autofree char *file = upload_file(pool, volume);

    if (write_file(store, STORE_STATE, file, text, error))
        return true;
    error_add_context(error, "cannot save '%s/%s': ", store->paths[STORE_STATE], file);
    return false;
}

char *store_read_upload(Store *store, const Uuid *pool, const char *volume)
{
    g_autofree char *file = upload_file(pool, volume);

    return fd_read_file_at(store->folders[STORE_STATE], file, UPLOAD_LIMIT, NULL);
}

static void forget_upload(Store *store, const char *file)
{
    if (!remove_name(store->folders[STORE_STATE], file))
        log_warning("cannot remove '%s/%s': %s", store->paths[STORE_STATE], file,
                    g_strerror(errno));
}

void store_forget_upload(Store *store, const Uuid *pool, const char *volume)
{
    g_autofree char *file = upload_file(pool, volume);

    forget_upload(store, file);
}

static bool pool_of_upload(const char *file, Uuid *ret)
{
    g_autofree char *uuid = g_strndup(file, strcspn(file, "."));

    return uuid_parse(uuid, ret);
}

void store_keep_uploads(Store *store, bool (*keep)(const Uuid *pool, void *data), void *data)
{
    g_autoptr(GPtrArray) files = list_files(store->folders[STORE_STATE], UPLOAD_SUFFIX);
    Uuid pool;

    for (guint i = 0; files && i < files->len; i++)
        if (!pool_of_upload(files->pdata[i], &pool) || !keep(&pool, data))
            forget_upload(store, files->pdata[i]);
}

static void change_upload(Store *store, const char *file, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (!write_file(store, STORE_STATE, file, text, &error))
        log_warning("cannot save '%s/%s': %s", store->paths[STORE_STATE], file, error->message);
}

void store_change_uploads(Store *store, UploadChange change, void *data)
{
    int folder = store->folders[STORE_STATE];
    g_autoptr(GPtrArray) files = list_files(folder, UPLOAD_SUFFIX);
    Uuid pool;

    for (guint i = 0; files && i < files->len; i++) {
        if (!pool_of_upload(files->pdata[i], &pool))
            continue;
        g_autofree char *text = fd_read_file_at(folder, files->pdata[i], UPLOAD_LIMIT, NULL);
        g_autofree char *changed = text ? change(&pool, text, data) : NULL;
        if (changed)
            change_upload(store, files->pdata[i], changed);
    }
}

/* ---- autostart ---- */

/* The folder of links, made if that is asked for. -1 with errno. */
static int open_links(Store *store, bool make)
{
    int folder = store->folders[STORE_CONFIG];

    if (make && mkdirat(folder, AUTOSTART_FOLDER, 0755) == 0 && !fd_flush_folder(folder))
        return -1;
    return fd_open_beneath(folder, AUTOSTART_FOLDER, O_RDONLY | O_DIRECTORY, 0);
}

/* Whether the link leads to the saved definition, on whatever way. */
static bool leads_to_definition(Store *store, int links, const char *file)
{
    struct stat linked, saved;

    return fstatat(links, file, &linked, 0) == 0 &&
           fstatat(store->folders[STORE_CONFIG], file, &saved, 0) == 0 &&
           linked.st_dev == saved.st_dev && linked.st_ino == saved.st_ino;
}

bool store_autostart(Store *store, const char *name)
{
    g_autofree char *file = file_of(name, NULL);
    autofd int links = open_links(store, false);

    return file && links >= 0 && leads_to_definition(store, links, file);
}

/* A stale link is replaced; whatever else has the name stays. Errno. */
static bool make_link(Store *store, int links, const char *file)
{
    g_autofree char *target = g_build_filename(store->paths[STORE_CONFIG], file, NULL);
    struct stat st;

    if (leads_to_definition(store, links, file))
        return true;
    if (fstatat(links, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
        unlinkat(links, file, 0) < 0)
        return false;
    if (symlinkat(target, links, file) < 0)
        return false;
    if (fd_flush_folder(links))
        return true;
    int failed = errno;
    (void)unlinkat(links, file, 0);
    errno = failed;
    return false;
}

/* Flushed at once: a link that comes back would start the pool. Errno. */
static bool remove_link(int links, const char *file)
{
    if (unlinkat(links, file, 0) < 0)
        return errno == ENOENT;
    /* What was removed and comes back with a power failure is as it was before: that is worth a
     * warning, not an error that says it is still there. */
    if (!fd_flush_folder(links))
        log_warning("an autostart link is removed, but may come back after a power failure: %s",
                    g_strerror(errno));
    return true;
}

bool store_set_autostart(Store *store, const char *name, bool autostart, GError **error)
{
    g_autofree char *file = file_of(name, error);

    if (!file)
        return false;
    if (autostart && !store_journal_make(store->journal, error))
        return false; /* the link would lead to nothing */
    autofd int links = open_links(store, autostart);
    if (links < 0 && !autostart && errno == ENOENT)
        return true;
    if (links >= 0 && (autostart ? make_link(store, links, file) : remove_link(links, file)))
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot %s '%s/" AUTOSTART_FOLDER "/%s'",
                           autostart ? "make the link" : "remove", store->paths[STORE_CONFIG],
                           file);
}

bool store_claim_autostart(Store *store)
{
    g_autofree char *boot = boot_id();
    g_autofree char *marker = marked_boot(store);
    g_autoptr(GError) error = NULL;

    if (!marker && errno != ENOENT) {
        log_error("no pool is autostarted: cannot read '%s/" AUTOSTART_MARKER "': %s",
                  store->paths[STORE_STATE], g_strerror(errno));
        return false;
    }
    if (marker && (*marker == '\0' || strcmp(marker, boot) == 0))
        return false;
    if (!write_file(store, STORE_STATE, AUTOSTART_MARKER, boot, &error))
        log_warning("pools may be autostarted again: cannot write '%s/" AUTOSTART_MARKER "': %s",
                    store->paths[STORE_STATE], error->message);
    return true;
}
