/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "errors.h"
#include "partition-table.h"

/* Whether this build has tests of the label: libparted reads beyond a string of its own when it is
 * loaded, which the address sanitizer ends. The ordinary build has them all. */
static inline bool label_has_tests(const char *name)
{
#ifdef __SANITIZE_ADDRESS__
    return !g_str_equal(name, "bsd") && !g_str_equal(name, "mac") && !g_str_equal(name, "pc98");
#else
    return true;
#endif
}

/* False, and the test is skipped, where the build can't write the label. */
static inline bool label_is_testable(const char *name)
{
    g_autoptr(GError) error = NULL;

    if (partition_label_check(partition_label_find(name), &error))
        return true;
    g_assert_cmpint(error_code(error), ==, ERROR_NO_SUPPORT);
    g_test_skip(error->message);
    return false;
}
