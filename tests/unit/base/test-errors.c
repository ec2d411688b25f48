/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "errors.h"

static void test_frame(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(error_set(&error, ERROR_XML, ORIGIN_STORAGE, "missing %s", "name"));
    g_assert_cmpstr(error->message, ==, "XML error: missing name");
    g_assert_cmpstr(error_detail(error), ==, "missing name");
    g_assert_cmpint(error_code(error), ==, 27);
    g_assert_cmpint(error_origin(error), ==, 18);
    g_assert_cmpint(error_errno(error), ==, 0);
}

static void test_errno(void)
{
    g_autoptr(GError) error = NULL;

    error_set_errno(&error, ORIGIN_STREAMS, ENOSPC, "cannot write to stream");
    g_assert_cmpstr(error->message, ==, "cannot write to stream: No space left on device");
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(error), ==, ENOSPC);
}

static void test_flags(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(error_check_flags(&error, 5, 7, "f"));
    g_assert_false(error_check_flags(&error, 9, 1, "f"));
    g_assert_cmpstr(error->message, ==, "unsupported flags (0x8) in function f");
}

/* Context goes behind the frame, and only where the message needs it. */
static void test_context(void)
{
    g_autoptr(GError) internal = NULL;
    g_autoptr(GError) state = NULL;
    GError *none = NULL;

    error_set(&internal, ERROR_INTERNAL, ORIGIN_STORAGE, "tool failed");
    error_add_context(&internal, "pool '%s': ", "p");
    g_assert_cmpstr(internal->message, ==, "internal error: pool 'p': tool failed");
    g_assert_cmpstr(error_detail(internal), ==, "pool 'p': tool failed");

    error_set(&state, ERROR_OPERATION_INVALID, ORIGIN_STORAGE, "storage pool 'p' is not active");
    error_add_context(&state, "pool 'p': ");
    g_assert_cmpstr(state->message, ==,
                    "Requested operation is not valid: storage pool 'p' is not active");
    error_add_context(&none, "nothing");
    g_assert_null(none);
}

static void test_copy_keeps_origin(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) copy = NULL;

    error_set_errno(&error, ORIGIN_STORAGE, EIO, "x");
    copy = g_error_copy(error);
    g_assert_cmpint(error_origin(copy), ==, ORIGIN_STORAGE);
    g_assert_cmpint(error_errno(copy), ==, EIO);
}

/* What is quoted may be megabytes of anything. */
static void test_length(void)
{
    g_autofree char *value = g_strnfill(3 << 20, 'x');
    g_autoptr(GError) error = NULL;

    memcpy(value + 4000, "ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää", 128);
    error_set(&error, ERROR_XML, ORIGIN_STORAGE, "bad value '%s'", value);
    g_assert_cmpuint(strlen(error->message), <, 5000);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_true(g_str_has_suffix(error->message, "…"));
}

static void test_wire(void)
{
    g_autoptr(GError) error = error_from_wire(49, 18, 0, "Storage pool not found: no 'x'");
    g_autoptr(GError) strange = error_from_wire(4711, 99, 0, NULL);

    g_assert_cmpstr(error_detail(error), ==, "no 'x'");
    g_assert_cmpint(error_exit_status(error_code(error)), ==, 3);
    g_assert_cmpstr(error_name(error_code(error)), ==, "no-pool");
    g_assert_nonnull(strange->message);
    g_assert_cmpint(error_exit_status((ErrorCode)4711), ==, 1);
}

static void test_foreign(void)
{
    g_autoptr(GError) error = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOENT, "gone");

    g_assert_cmpint(error_code(error), ==, ERROR_INTERNAL);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_NONE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/errors/frame", test_frame);
    g_test_add_func("/errors/errno", test_errno);
    g_test_add_func("/errors/flags", test_flags);
    g_test_add_func("/errors/context", test_context);
    g_test_add_func("/errors/copy", test_copy_keeps_origin);
    g_test_add_func("/errors/length", test_length);
    g_test_add_func("/errors/wire", test_wire);
    g_test_add_func("/errors/foreign", test_foreign);
    return g_test_run();
}
