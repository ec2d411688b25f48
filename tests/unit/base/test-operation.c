/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>

#include "errors.h"
#include "operation.h"

static void test_cancel(void)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    g_autoptr(GError) error = NULL;
    struct pollfd poll_fd = {.fd = operation_cancel_fd(op), .events = POLLIN};

    g_assert_true(operation_check(op, NULL));
    g_assert_cmpint(poll(&poll_fd, 1, 0), ==, 0);
    operation_cancel(op);
    g_assert_cmpint(poll(&poll_fd, 1, 0), ==, 1);
    g_assert_false(operation_check(op, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_ABORTED);
}

/* The descriptor may be asked for after the cancel. */
static void test_cancel_first(void)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);

    operation_cancel(op);
    struct pollfd poll_fd = {.fd = operation_cancel_fd(op), .events = POLLIN};
    g_assert_cmpint(poll(&poll_fd, 1, 0), ==, 1);
}

static void test_deadline(void)
{
    g_autoptr(Operation) op = operation_new(g_get_monotonic_time() - 1);
    g_autoptr(GError) error = NULL;

    g_assert_false(operation_check(op, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_TIMEOUT);
}

static void test_poll_timeout(void)
{
    gint64 now = g_get_monotonic_time();

    g_assert_cmpint(operation_poll_timeout(OPERATION_NO_DEADLINE), ==, -1);
    g_assert_cmpint(operation_poll_timeout(now - 1), ==, 0);
    g_assert_cmpint(operation_poll_timeout(G_MININT64 / 2), ==, 0);
    g_assert_cmpint(operation_poll_timeout(OPERATION_NO_DEADLINE - 1), ==, G_MAXINT);
    int left = operation_poll_timeout(now + 60 * G_USEC_PER_SEC);
    g_assert_cmpint(left, <=, 60000);
    g_assert_cmpint(left, >, 0);
}

static void test_progress(void)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    guint64 done, total;

    operation_set_progress(op, 10, 100);
    operation_add_progress(op, 5);
    operation_get_progress(op, &done, &total);
    g_assert_cmpuint(done, ==, 15);
    g_assert_cmpuint(total, ==, 100);
    operation_add_progress(op, 1000);
    operation_get_progress(op, &done, &total);
    g_assert_cmpuint(done, ==, 100);
}

static void test_none(void)
{
    guint64 done, total;

    g_assert_true(operation_check(NULL, NULL));
    g_assert_cmpint(operation_cancel_fd(NULL), ==, -1);
    operation_set_progress(NULL, 1, 2);
    operation_get_progress(NULL, &done, &total);
    g_assert_cmpuint(total, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/operation/cancel", test_cancel);
    g_test_add_func("/operation/cancel-first", test_cancel_first);
    g_test_add_func("/operation/deadline", test_deadline);
    g_test_add_func("/operation/poll-timeout", test_poll_timeout);
    g_test_add_func("/operation/progress", test_progress);
    g_test_add_func("/operation/none", test_none);
    return g_test_run();
}
