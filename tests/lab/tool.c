/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for an external program that the daemon runs. A folder of links to this program
 * comes first in the daemon's PATH; each call is added to the folder's `log`, and the file
 * `plan` there, when it is there, says what happens to the n-th call of all:
 *
 *   fail N           it does nothing but complain and exit with status 5
 *   before N PID     PID is killed, then nothing
 *   during N PID     the real program starts, then PID is killed (and with it the program, if it
 *                    was started to die with PID)
 *   after N PID      the real program ends, then PID is killed
 *   hold N           nothing until somebody ends it
 *
 * Every other call becomes the real program, the next one of that name in PATH.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_FAILED  5
#define STATUS_TROUBLE 125
#define HEAD_START     20000 /* microseconds: most programs have begun, few have ended */

typedef struct Place {
    char folder[PATH_MAX];  /* of the links, the log and the plan */
    char program[PATH_MAX]; /* the real one */
} Place;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "lab tool: %s: %s\n", what, strerror(errno));
    exit(STATUS_TROUBLE);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Ours is the first of that name in PATH, the real one the next that is another file. */
static void find_place(const char *name, Place *ret)
{
    const char *more = ":/usr/sbin:/sbin:/usr/local/sbin";
    char list[PATH_MAX * 4], path[PATH_MAX], *rest = list, *folder;
    struct stat self, found;

    snprintf(list, sizeof list, "%s%s", getenv("PATH") ? getenv("PATH") : "", more);
    if (stat("/proc/self/exe", &self) < 0)
        give_up("/proc/self/exe");
    while ((folder = strsep(&rest, ":"))) {
        if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
            continue;
        if (access(path, X_OK) < 0 || stat(path, &found) < 0)
            continue;
        if (found.st_ino == self.st_ino && found.st_dev == self.st_dev) {
            snprintf(ret->folder, sizeof ret->folder, "%s", folder);
        } else {
            snprintf(ret->program, sizeof ret->program, "%s", path);
            return;
        }
    }
    errno = ENOENT;
    give_up(name);
}

static int open_in(const Place *place, const char *name, int flags)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    return open(path, flags | O_CLOEXEC, 0644);
}

/* Adds the call to the log; which one it is, from 1. */
static int log_call(const Place *place, char **argv)
{
    int fd = open_in(place, "log", O_RDWR | O_CREAT | O_APPEND), number = 0;
    char chunk[4096];
    ssize_t got;

    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        give_up("log");
    dprintf(fd, "%s", base_name(argv[0]));
    for (int i = 1; argv[i]; i++)
        dprintf(fd, " %s", argv[i]);
    dprintf(fd, "\n");
    for (off_t at = 0; (got = pread(fd, chunk, sizeof chunk, at)) > 0; at += got)
        for (ssize_t i = 0; i < got; i++)
            number += chunk[i] == '\n';
    close(fd);
    return number;
}

/* What the plan says of this call: a word, or "". */
static void read_plan(const Place *place, int number, char word[16], pid_t *pid)
{
    int fd = open_in(place, "plan", O_RDONLY), wanted = 0;
    char text[64] = "";

    word[0] = '\0';
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) < 0 || sscanf(text, "%15s %d %d", word, &wanted, pid) < 2)
        give_up("plan");
    if (wanted != number)
        word[0] = '\0';
    close(fd);
}

/* What we were started to get when our starter dies; 0 = nothing. */
static int death_signal(void)
{
    int number = 0;

    prctl(PR_GET_PDEATHSIG, &number);
    return number;
}

/* Runs the real program beside us, to live as long as we do. */
static pid_t start_beside(const Place *place, char **argv)
{
    int number = death_signal();
    pid_t child = fork();

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, number);
        execv(place->program, argv);
        _exit(STATUS_TROUBLE);
    }
    return child;
}

static void kill_during(const Place *place, char **argv, pid_t pid)
{
    pid_t child = start_beside(place, argv);

    usleep(HEAD_START);
    kill(pid, SIGKILL);
    if (death_signal() == 0)
        waitpid(child, NULL, 0);
}

static void kill_after(const Place *place, char **argv, pid_t pid)
{
    waitpid(start_beside(place, argv), NULL, 0);
    kill(pid, SIGKILL);
}

int main(int argc, char **argv)
{
    Place place = {0};
    char word[16];
    pid_t pid = 0;

    find_place(base_name(argv[0]), &place);
    read_plan(&place, log_call(&place, argv), word, &pid);
    if (!*word) {
        execv(place.program, argv);
        give_up(place.program);
    }
    if (strcmp(word, "fail") == 0) {
        fprintf(stderr, "%s: made to fail\n", base_name(argv[0]));
        return STATUS_FAILED;
    }
    while (strcmp(word, "hold") == 0)
        pause();
    if (strcmp(word, "during") == 0)
        kill_during(&place, argv, pid);
    else if (strcmp(word, "after") == 0)
        kill_after(&place, argv, pid);
    else
        kill(pid, SIGKILL);
    kill(0, SIGKILL); /* the runner's process group: what is left of it dies with the daemon */
    return STATUS_FAILED;
}
