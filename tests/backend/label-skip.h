/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "errors.h"
#include "partition-table.h"

/* False, and the test is skipped, where the label can't be tested. */
static inline bool label_is_testable(const char *name)
{
    g_autoptr(GError) error = NULL;

#ifdef __SANITIZE_ADDRESS__
    /* libparted reads beyond a string of its own when it is loaded, which ends the test. */
    if (g_str_equal(name, "bsd") || g_str_equal(name, "mac") || g_str_equal(name, "pc98")) {
        g_test_skip("libparted doesn't stand the address sanitizer");
        return false;
    }
#endif
    if (partition_label_check(partition_label_find(name), &error))
        return true;
    g_assert_cmpint(error_code(error), ==, ERROR_NO_SUPPORT);
    g_test_skip(error->message);
    return false;
}
