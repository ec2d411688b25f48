/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder-entry.h"

#include "acting.h"
#include "draft.h"
#include "errors.h"
#include "file-attributes.h"
#include "probe.h"
#include "registry.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* Two writes within a tick of the clock may leave the same times behind; a look between them must
 * not pass for the last word. Kernel ticks last up to 10 ms. */
#define SETTLE_TIME (50 * G_GINT64_CONSTANT(1000000))

#define NANOSECONDS G_GINT64_CONSTANT(1000000000)

#define READ_ON_MAX 131072 /* bytes that the kernel reads on by default */

/* Bytes, generously, that a file system may keep beside a file's metadata without a block for them.
 */
#define INLINE_DATA_MAX 65536

#define PLOOP_DESCRIPTOR "DiskDescriptor.xml"
#define PLOOP_IMAGE      "root.hds"

bool folder_open_any(const PoolDef *pool, Folder *ret, GError **error)
{
    int fd = fd_open_folder(pool->target_path);

    if (fd < 0)
        return error_set_errno(error, ORIGIN_NONE, errno, "cannot open directory '%s'",
                               pool->target_path);
    *ret = (Folder){.fd = fd, .path = pool->target_path};
    return true;
}

bool folder_open(const PoolDef *pool, Folder *ret, GError **error)
{
    const Backend *backend = backend_for_schema(pool->schema);

    if (!folder_open_any(pool, ret, error))
        return false;
    if (!backend->owns_folder || backend->owns_folder(pool, ret->fd, error))
        return true;
    folder_close(ret);
    return false;
}

void folder_close(Folder *folder)
{
    fd_close(&folder->fd);
}

char *folder_entry_path(const Folder *folder, const char *name)
{
    bool slash = g_str_has_suffix(folder->path, "/");

    return g_strconcat(folder->path, slash ? "" : "/", name, NULL);
}

bool folder_read_space(const Folder *folder, PoolSpace *ret, Permissions *ret_permissions,
                       GError **error)
{
    struct statvfs fs;
    struct stat st;

    if (fstatvfs(folder->fd, &fs) < 0 || fstat(folder->fd, &st) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the sizes of '%s'",
                               folder->path);
    guint64 capacity = (guint64)fs.f_blocks * fs.f_frsize;
    guint64 available = MIN((guint64)fs.f_bfree * fs.f_frsize, capacity);
    *ret = (PoolSpace){
        .capacity = capacity,
        .allocation = capacity - available,
        .available = available,
    };
    if (ret_permissions)
        *ret_permissions = (Permissions){
            .mode = st.st_mode & 0777,
            .uid = st.st_uid,
            .gid = st.st_gid,
            .label = file_read_label(folder->fd),
        };
    return true;
}

static bool is_plain_ascii(const char *name)
{
    for (; *name; name++)
        if ((guchar)*name < 0x20 || (guchar)*name >= 0x7f)
            return false;
    return true;
}

/* XML has no way to write control characters and the two non-characters. */
static bool is_plain_unicode(const char *name)
{
    if (!g_utf8_validate(name, -1, NULL))
        return false;
    for (; *name; name = g_utf8_next_char(name)) {
        gunichar c = g_utf8_get_char(name);
        if (g_unichar_iscntrl(c) || c == 0xfffe || c == 0xffff)
            return false;
    }
    return true;
}

bool entry_name_is_plain(const char *name)
{
    return (is_plain_ascii(name) || is_plain_unicode(name)) && !draft_is_name(name);
}

bool entry_name_check(const char *name, GError **error)
{
    const char *reason = NULL;

    if (strchr(name, '/'))
        reason = "cannot contain '/'";
    else if (!*name)
        reason = "cannot be empty";
    else if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        reason = "is not the name of a file";
    else if (strlen(name) > NAME_MAX)
        reason = "is longer than 255 bytes";
    else if (draft_is_name(name))
        reason = "begins like the names of files that are being made, which are reserved";
    else if (!entry_name_is_plain(name))
        reason = "cannot contain control characters or bytes that are not UTF-8";
    if (!reason)
        return true;
    g_autofree char *shown = g_strescape(name, NULL);
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE, "volume name '%.300s' %s",
                     shown, reason);
}

static gint64 in_nanoseconds(const struct statx_timestamp *time)
{
    return time->tv_sec * NANOSECONDS + time->tv_nsec;
}

gint64 entry_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

static EntryKind kind_of_mode(mode_t mode)
{
    if (S_ISREG(mode))
        return ENTRY_FILE;
    if (S_ISDIR(mode))
        return ENTRY_FOLDER;
    if (S_ISBLK(mode))
        return ENTRY_DEVICE;
    return ENTRY_FOREIGN;
}

static int read_stat(int fd, const char *name, int flags, Entry *entry)
{
    if (statx(fd, name, flags | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
              STATX_BASIC_STATS | STATX_BTIME, &entry->stat) < 0)
        return errno;
    entry->has_stat = true;
    return 0;
}

static void take_identity(Entry *entry, gint64 now)
{
    const struct statx *stat = &entry->stat;

    entry->identity = (FileIdentity){
        .device = makedev(stat->stx_dev_major, stat->stx_dev_minor),
        .inode = stat->stx_ino,
        .size = stat->stx_size,
        .mtime = in_nanoseconds(&stat->stx_mtime),
        .ctime = in_nanoseconds(&stat->stx_ctime),
    };
    entry->is_settled = entry->identity.ctime < now - SETTLE_TIME;
}

static void look_failed(Entry *entry, int errnum)
{
    bool gone = errnum == ENOENT || errnum == ELOOP || errnum == ENOTDIR || errnum == ENXIO;

    entry->kind = gone ? ENTRY_ABSENT : ENTRY_BROKEN;
    entry->problem = gone              ? NULL
                     : errnum == EXDEV ? "a link that leaves the pool's folder is not followed"
                                       : g_intern_string(g_strerror(errnum));
}

/* An absolute link may still lead into the folder. */
static int open_absolute_link(const Folder *folder, const char *name)
{
    char target[PATH_MAX];
    gsize length = strlen(folder->path);
    ssize_t size = readlinkat(folder->fd, name, target, sizeof target - 1);

    target[MAX(size, 0)] = '\0';
    if (!g_str_has_prefix(target, folder->path) || target[length] != '/' || !target[length + 1]) {
        errno = EXDEV;
        return -1;
    }
    return acting_open_beneath(folder->fd, target + length + 1, O_RDONLY | O_NONBLOCK);
}

int entry_open_read(const Folder *folder, const char *name)
{
    int fd = acting_open_beneath(folder->fd, name, O_RDONLY | O_NONBLOCK);

    return fd < 0 && errno == EXDEV ? open_absolute_link(folder, name) : fd;
}

/* Puts what a link leads to in the place of the link. */
static int look_behind_link(const Folder *folder, Entry *entry)
{
    autofd int fd = entry_open_read(folder, entry->name);

    if (fd < 0)
        return errno;
    entry->is_link = true;
    return read_stat(fd, "", AT_EMPTY_PATH, entry);
}

void entry_look(const Folder *folder, const char *name, gint64 now, Entry *ret)
{
    *ret = (Entry){.name = name, .fd = -1};
    int errnum = read_stat(folder->fd, name, 0, ret);

    if (!errnum && S_ISLNK(ret->stat.stx_mode))
        errnum = look_behind_link(folder, ret);
    if (ret->has_stat)
        take_identity(ret, now);
    if (errnum)
        look_failed(ret, errnum);
    else
        ret->kind = kind_of_mode(ret->stat.stx_mode);
}

void entry_open(const Folder *folder, const char *name, gint64 now, Entry *ret)
{
    int fd = acting_open_beneath(folder->fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    Entry entry = {.name = name, .fd = fd};

    if (fd < 0 || read_stat(fd, "", AT_EMPTY_PATH, &entry) != 0) {
        fd_close(&fd);
        entry_look(folder, name, now, ret);
        return;
    }
    take_identity(&entry, now);
    entry.kind = kind_of_mode(entry.stat.stx_mode);
    *ret = entry;
}

void entry_close(Entry *entry)
{
    fd_close(&entry->fd);
}

static void describe_stat(const Entry *entry, VolumeDef *volume)
{
    const struct statx *stat = &entry->stat;

    volume->target.permissions.mode = stat->stx_mode & 0777;
    volume->target.permissions.uid = stat->stx_uid;
    volume->target.permissions.gid = stat->stx_gid;
    volume->target.has_timestamps = true;
    volume->target.timestamps = (Timestamps){
        .atime = in_nanoseconds(&stat->stx_atime),
        .mtime = in_nanoseconds(&stat->stx_mtime),
        .ctime = in_nanoseconds(&stat->stx_ctime),
        .btime = stat->stx_mask & STATX_BTIME ? in_nanoseconds(&stat->stx_btime) : 0,
    };
    if (entry->kind != ENTRY_FILE)
        return;
    volume->allocation = stat->stx_blocks * 512;
    volume->physical = volume->capacity = stat->stx_size;
}

static void set_problem(VolumeDef *volume, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void set_problem(VolumeDef *volume, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_free(volume->problem);
    volume->problem = g_strdup_vprintf(format, args);
    va_end(args);
}

/* Reads the header of an open image of `size` bytes. False when it can't be read. */
static bool describe_image(const Folder *folder, int fd, guint64 size, VolumeDef *volume)
{
    g_auto(ImageInfo) info = {0};
    g_autoptr(GError) error = NULL;

    /* Only the header is wanted, not what the kernel would read on behind it. */
    if (size > READ_ON_MAX)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    if (!image_probe_fd(fd, size, &info, &error)) {
        set_problem(volume, "%s", error->message);
        return false;
    }
    image_info_apply(&info, size, folder->path, volume);
    if (info.problem && !volume->problem)
        set_problem(volume, "%s", info.problem);
    return true;
}

/* A file that is one hole has no header: nothing of it needs to be read. */
static bool is_one_hole(const Folder *folder, const Entry *entry)
{
    return folder->tells_holes && entry->kind == ENTRY_FILE && entry->stat.stx_blocks == 0 &&
           entry->stat.stx_size >= INLINE_DATA_MAX;
}

static bool describe_file(const Folder *folder, int fd, const Entry *entry, VolumeDef *volume)
{
    return describe_image(folder, fd, entry->stat.stx_size, volume);
}

static bool describe_device(const Folder *folder, int fd, const Entry *entry, VolumeDef *volume)
{
    guint64 size = 0;

    if (ioctl(fd, BLKGETSIZE64, &size) < 0) {
        set_problem(volume, "cannot read the size of the device: %s", g_strerror(errno));
        return false;
    }
    volume->physical = volume->capacity = volume->allocation = size;
    describe_image(folder, fd, size, volume);
    return false; /* its content changes without its node's times doing so */
}

static bool has_file(int folder, const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static bool describe_ploop(const Folder *folder, int image, VolumeDef *volume)
{
    struct stat st;

    volume->type = VOLUME_PLOOP;
    if (image < 0 || fstat(image, &st) < 0) {
        set_problem(volume, "cannot open '" PLOOP_IMAGE "': %s", g_strerror(errno));
        volume->target.format = IMAGE_FORMAT_PLOOP;
        return false;
    }
    volume->allocation = (guint64)st.st_blocks * 512;
    volume->physical = volume->capacity = (guint64)st.st_size;
    bool ok = describe_image(folder, image, (guint64)st.st_size, volume);
    volume->target.format = IMAGE_FORMAT_PLOOP;
    return ok;
}

static bool describe_folder(const Folder *folder, int fd, const Entry *entry, VolumeDef *volume)
{
    volume->type = VOLUME_DIR;
    volume->target.format = IMAGE_FORMAT_DIR;
    if (!has_file(fd, PLOOP_DESCRIPTOR) || !has_file(fd, PLOOP_IMAGE))
        return true;
    autofd int image = acting_open_beneath(fd, PLOOP_IMAGE, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    describe_ploop(folder, image, volume);
    return false; /* its image changes without the folder's times doing so */
}

static int open_entry(const Folder *folder, Entry *entry)
{
    if (entry->fd >= 0)
        return fd_steal(&entry->fd);
    if (entry->is_link)
        return entry_open_read(folder, entry->name);
    return acting_open_beneath(folder->fd, entry->name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
}

/* Everything that takes opening the entry. */
static bool describe_content(const Folder *folder, Entry *entry, VolumeDef *volume,
                             bool *ret_lasting)
{
    static bool (*const describers[])(const Folder *, int, const Entry *, VolumeDef *) = {
        [ENTRY_FILE] = describe_file,
        [ENTRY_FOLDER] = describe_folder,
        [ENTRY_DEVICE] = describe_device,
    };
    autofd int fd = open_entry(folder, entry);

    *ret_lasting = false;
    /* It became a link since it was looked at: what was looked at is gone. */
    if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == EXDEV))
        return false;
    if (fd < 0) {
        set_problem(volume, "cannot be opened: %s", g_strerror(errno));
        return true;
    }
    *ret_lasting = describers[entry->kind](folder, fd, entry, volume);
    if (!folder->no_labels)
        volume->target.permissions.label = file_read_label(fd);
    return true;
}

bool entry_describe(const Folder *folder, Entry *entry, VolumeDef *volume, bool *ret_lasting)
{
    volume->name = g_strdup(entry->name);
    volume->target.path = folder_entry_path(folder, entry->name);
    volume->key = g_strdup(volume->target.path);
    volume->type = entry->kind == ENTRY_FOLDER ? VOLUME_DIR : VOLUME_FILE;
    volume->target.format = entry->kind == ENTRY_FOLDER ? IMAGE_FORMAT_DIR : IMAGE_FORMAT_UNKNOWN;
    if (entry->has_stat)
        describe_stat(entry, volume);
    if (is_one_hole(folder, entry) && folder->no_labels) {
        volume->target.format = IMAGE_FORMAT_RAW;
        *ret_lasting = true;
        return true;
    }
    if (entry->kind != ENTRY_BROKEN)
        return describe_content(folder, entry, volume, ret_lasting);
    set_problem(volume, "%s", entry->problem);
    *ret_lasting = entry->has_stat;
    return true;
}
