/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file system that can stop answering. It shows a folder at a mount point;
 * on SIGUSR1 it stops taking requests, so that whoever makes one hangs as with
 * a server that is gone, on SIGUSR2 it goes on with what has piled up.
 *
 * usage: hangfs FOLDER MOUNTPOINT    prints "ready" once it is mounted
 */
#define FUSE_USE_VERSION 35
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int folder; /* what is shown */

/* ---- the folder's own answers ---- */

static const char *relative(const char *path)
{
    return path[1] ? path + 1 : ".";
}

static int status(long result)
{
    return result < 0 ? -errno : 0;
}

static int fs_getattr(const char *path, struct stat *ret, struct fuse_file_info *file)
{
    return status(file ? fstat((int)file->fh, ret)
                       : fstatat(folder, relative(path), ret, AT_SYMLINK_NOFOLLOW));
}

static int fs_readlink(const char *path, char *buffer, size_t size)
{
    ssize_t length = readlinkat(folder, relative(path), buffer, size - 1);

    if (length < 0)
        return -errno;
    buffer[length] = '\0';
    return 0;
}

static int fs_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *file, enum fuse_readdir_flags flags)
{
    DIR *dir = fdopendir(openat(folder, relative(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    if (!dir)
        return -errno;
    for (struct dirent *entry; (entry = readdir(dir));)
        fill(buffer, entry->d_name, NULL, 0, 0);
    closedir(dir);
    return 0;
}

static int open_file(const char *path, int flags, mode_t mode, struct fuse_file_info *file)
{
    int fd = openat(folder, relative(path), flags | O_CLOEXEC, mode);

    if (fd < 0)
        return -errno;
    file->fh = (uint64_t)fd;
    return 0;
}

static int fs_open(const char *path, struct fuse_file_info *file)
{
    return open_file(path, file->flags & ~(O_CREAT | O_EXCL | O_DIRECT), 0, file);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *file)
{
    return open_file(path, (file->flags & ~O_DIRECT) | O_CREAT, mode, file);
}

static int fs_release(const char *path, struct fuse_file_info *file)
{
    close((int)file->fh);
    return 0;
}

static int fs_read(const char *path, char *buffer, size_t size, off_t offset,
                   struct fuse_file_info *file)
{
    ssize_t count = pread((int)file->fh, buffer, size, offset);

    return count < 0 ? -errno : (int)count;
}

static int fs_write(const char *path, const char *buffer, size_t size, off_t offset,
                    struct fuse_file_info *file)
{
    ssize_t count = pwrite((int)file->fh, buffer, size, offset);

    return count < 0 ? -errno : (int)count;
}

static int fs_fsync(const char *path, int only_data, struct fuse_file_info *file)
{
    return 0; /* nothing here has to outlive the machine */
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *file)
{
    if (file)
        return status(ftruncate((int)file->fh, size));
    int fd = openat(folder, relative(path), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = status(ftruncate(fd, size));
    close(fd);
    return result;
}

static int fs_fallocate(const char *path, int mode, off_t offset, off_t size,
                        struct fuse_file_info *file)
{
    return status(fallocate((int)file->fh, mode, offset, size));
}

static int fs_mkdir(const char *path, mode_t mode)
{
    return status(mkdirat(folder, relative(path), mode));
}

static int fs_unlink(const char *path)
{
    return status(unlinkat(folder, relative(path), 0));
}

static int fs_rmdir(const char *path)
{
    return status(unlinkat(folder, relative(path), AT_REMOVEDIR));
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
    return status(renameat2(folder, relative(from), folder, relative(to), flags));
}

static int fs_link(const char *from, const char *to)
{
    return status(linkat(folder, relative(from), folder, relative(to), 0));
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *file)
{
    return status(fchmodat(folder, relative(path), mode, 0));
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *file)
{
    return status(fchownat(folder, relative(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int fs_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *file)
{
    return status(utimensat(folder, relative(path), times, AT_SYMLINK_NOFOLLOW));
}

static int fs_statfs(const char *path, struct statvfs *ret)
{
    return status(fstatvfs(folder, ret));
}

/* Nothing is kept by the kernel: every look goes through here, and hangs when this hangs. */
static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = fs_init,
    .getattr = fs_getattr,
    .readlink = fs_readlink,
    .readdir = fs_readdir,
    .open = fs_open,
    .create = fs_create,
    .release = fs_release,
    .read = fs_read,
    .write = fs_write,
    .fsync = fs_fsync,
    .truncate = fs_truncate,
    .fallocate = fs_fallocate,
    .mkdir = fs_mkdir,
    .unlink = fs_unlink,
    .rmdir = fs_rmdir,
    .rename = fs_rename,
    .link = fs_link,
    .chmod = fs_chmod,
    .chown = fs_chown,
    .utimens = fs_utimens,
    .statfs = fs_statfs,
};

/* ---- hanging ---- */

static volatile sig_atomic_t hangs, ends;

static void on_signal(int number)
{
    if (number == SIGTERM || number == SIGINT)
        ends = 1;
    else
        hangs = number == SIGUSR1;
}

/* Signals come while waiting only. Returns the mask to wait with. */
static sigset_t take_signals(void)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked, before;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &before);
    return before;
}

static bool serve_one(struct fuse_session *session, struct fuse_buf *buffer)
{
    int result = fuse_session_receive_buf(session, buffer);

    if (result == -EINTR || result == -EAGAIN)
        return true;
    if (result <= 0)
        return false;
    fuse_session_process_buf(session, buffer);
    return true;
}

static void serve(struct fuse_session *session, const sigset_t *waiting)
{
    struct fuse_buf buffer = {0};
    struct pollfd device = {.fd = fuse_session_fd(session), .events = POLLIN};

    while (!ends && !fuse_session_exited(session)) {
        int ready = ppoll(&device, hangs ? 0 : 1, NULL, waiting);
        if (ready > 0 && !serve_one(session, &buffer))
            break;
    }
    free(buffer.mem);
}

int main(int argc, char **argv)
{
    char options[] = "-oallow_other,fsname=hangfs";
    char *arguments[] = {argv[0], options, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(2, arguments);

    if (argc != 3) {
        fprintf(stderr, "usage: %s FOLDER MOUNTPOINT\n", argv[0]);
        return 2;
    }
    umask(0);
    sigset_t waiting = take_signals();
    folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fuse *fuse = folder < 0 ? NULL : fuse_new(&args, &operations, sizeof operations, NULL);
    if (!fuse || fuse_mount(fuse, argv[2]) < 0) {
        perror(argv[1]);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    serve(fuse_get_session(fuse), &waiting);
    fuse_unmount(fuse);
    fuse_destroy(fuse);
    fuse_opt_free_args(&args);
    return 0;
}
