/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "acting.h"

#include "fd.h"

#include <errno.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNSET ((guint32)-1)

/* For whom this thread acts; UNSET: for nobody. */
static __thread guint32 acting_uid = UNSET, acting_gid = UNSET;

bool acting_may_help(int errnum, guint32 uid)
{
    return (errnum == EACCES || errnum == EPERM) && geteuid() == 0 && uid != 0 && uid != UNSET;
}

void acting_begin(guint32 uid, guint32 gid, Acting *ret)
{
    if (gid != UNSET)
        (void)setfsgid(gid);
    (void)setfsuid(uid); /* takes the rights of root from the thread too */
    acting_uid = uid;
    acting_gid = gid;
    *ret = (Acting){.active = true};
}

void acting_end(Acting *acting)
{
    int saved = errno;

    if (acting->active) {
        (void)setfsuid(geteuid());
        (void)setfsgid(getegid());
        acting_uid = acting_gid = UNSET;
    }
    acting->active = false;
    errno = saved;
}

bool acting_become(void)
{
    guint32 gid = acting_gid == UNSET ? getegid() : acting_gid;

    if (acting_uid == UNSET)
        return true;
    /* Not the C library's, which has all threads follow. */
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, gid, gid, gid) == 0 &&
           syscall(SYS_setresuid, acting_uid, acting_uid, acting_uid) == 0;
}

/* Begins to act for the owner of an entry on which something failed with this errno. False when
 * that doesn't help; errno is then `errnum` again. */
static bool act_for_owner(int folder, const char *name, int errnum, Acting *ret)
{
    struct stat st;

    bool helps =
        fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && acting_may_help(errnum, st.st_uid);
    if (helps)
        acting_begin(st.st_uid, st.st_gid, ret);
    errno = errnum;
    return helps;
}

int acting_open_kept(int folder, const char *name, int flags, Acting *ret)
{
    int fd = fd_open_beneath(folder, name, flags, 0);

    if (fd >= 0 || !act_for_owner(folder, name, errno, ret))
        return fd;
    return fd_open_beneath(folder, name, flags, 0);
}

int acting_open_beneath(int folder, const char *name, int flags)
{
    autoacting Acting acting = {false};

    return acting_open_kept(folder, name, flags, &acting);
}

int acting_unlink(int folder, const char *name, int flags)
{
    autoacting Acting acting = {false};
    int status = unlinkat(folder, name, flags);

    if (status == 0 || !act_for_owner(folder, name, errno, &acting))
        return status;
    return unlinkat(folder, name, flags);
}
