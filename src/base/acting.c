/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "acting.h"

#include "fd.h"

#include <errno.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNSET ((guint32)-1)

bool acting_may_help(int errnum, guint32 uid)
{
    return (errnum == EACCES || errnum == EPERM) && geteuid() == 0 && uid != 0 && uid != UNSET;
}

void acting_begin(guint32 uid, guint32 gid, Acting *ret)
{
    if (gid != UNSET)
        (void)setfsgid(gid);
    (void)setfsuid(uid); /* takes the rights of root from the thread too */
    *ret = (Acting){.active = true};
}

void acting_end(Acting *acting)
{
    int saved = errno;

    if (acting->active) {
        (void)setfsuid(geteuid());
        (void)setfsgid(getegid());
    }
    acting->active = false;
    errno = saved;
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
