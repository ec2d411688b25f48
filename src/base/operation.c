/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operation.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "command.h"
#include "errors.h"
#include "fd.h"
#include "priority.h"

struct Operation {
    gatomicrefcount refs;
    gint64 deadline;
    atomic_bool cancelled;
    _Atomic guint64 done, total;
    atomic_int cancel_fd; /* made on the first wish, -1 before */
    CommandRunner runner;
    void *runner_data;
};

Operation *operation_new(gint64 deadline)
{
    Operation *op = g_new0(Operation, 1);

    g_atomic_ref_count_init(&op->refs);
    op->deadline = deadline;
    atomic_init(&op->cancel_fd, -1);
    op->runner = command_run_real;
    return op;
}

Operation *operation_ref(Operation *op)
{
    g_atomic_ref_count_inc(&op->refs);
    return op;
}

void operation_unref(Operation *op)
{
    if (!op || !g_atomic_ref_count_dec(&op->refs))
        return;
    int fd = atomic_load(&op->cancel_fd);
    fd_close(&fd);
    g_free(op);
}

static void signal_fd(int fd)
{
    if (fd >= 0 && eventfd_write(fd, 1) < 0)
        g_error("an event descriptor refused a write: %s", g_strerror(errno));
}

void operation_cancel(Operation *op)
{
    atomic_store(&op->cancelled, true);
    signal_fd(atomic_load(&op->cancel_fd));
}

bool operation_is_cancelled(Operation *op)
{
    return op && atomic_load(&op->cancelled);
}

gint64 operation_deadline(Operation *op)
{
    return op ? op->deadline : OPERATION_NO_DEADLINE;
}

bool operation_check(Operation *op, GError **error)
{
    priority_give_way();
    if (operation_is_cancelled(op))
        return error_set(error, ERROR_ABORTED, ORIGIN_STORAGE, "cancelled on request");
    if (operation_deadline(op) != OPERATION_NO_DEADLINE &&
        g_get_monotonic_time() >= operation_deadline(op))
        return error_set(error, ERROR_TIMEOUT, ORIGIN_STORAGE,
                         "the storage did not answer in time");
    return true;
}

int operation_poll_timeout(gint64 deadline)
{
    gint64 left = deadline - g_get_monotonic_time();

    if (deadline == OPERATION_NO_DEADLINE)
        return -1;
    return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, G_MAXINT);
}

int operation_cancel_fd(Operation *op)
{
    if (!op)
        return -1;
    if (atomic_load(&op->cancel_fd) < 0) {
        int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), none = -1;
        if (!atomic_compare_exchange_strong(&op->cancel_fd, &none, made))
            fd_close(&made);
        if (operation_is_cancelled(op))
            signal_fd(atomic_load(&op->cancel_fd));
    }
    return atomic_load(&op->cancel_fd);
}

void operation_set_progress(Operation *op, guint64 done, guint64 total)
{
    if (!op)
        return;
    atomic_store(&op->total, total);
    atomic_store(&op->done, done);
}

void operation_add_progress(Operation *op, guint64 done)
{
    if (op)
        atomic_fetch_add(&op->done, done);
}

void operation_get_progress(Operation *op, guint64 *ret_done, guint64 *ret_total)
{
    *ret_total = op ? atomic_load(&op->total) : 0;
    *ret_done = op ? atomic_load(&op->done) : 0;
    if (*ret_total)
        *ret_done = MIN(*ret_done, *ret_total);
}

void operation_set_runner(Operation *op, CommandRunner runner, void *data)
{
    op->runner = runner;
    op->runner_data = data;
}

CommandRunner operation_runner(Operation *op, void **ret_data)
{
    *ret_data = op ? op->runner_data : NULL;
    return op ? op->runner : command_run_real;
}
