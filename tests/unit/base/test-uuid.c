/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uuid.h"

static void test_forms(void)
{
    static const char *const same[] = {
        "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "AAAAAAAABBBBCCCCDDDDEEEEEEEEEEEE",
        " aaaaaaaabbbb-ccccddddeeeeeeeeeeee\n",
    };
    char text[UUID_STRING_SIZE];
    Uuid uuid;

    for (guint i = 0; i < G_N_ELEMENTS(same); i++) {
        g_assert_true(uuid_parse(same[i], &uuid));
        g_assert_cmpstr(uuid_format(&uuid, text), ==, same[0]);
    }
}

static void test_refused(void)
{
    static const char *const bad[] = {
        "",
        "a-aaaaaaabbbbccccddddeeeeeeeeeeee",
        "zz",
        "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee",
        "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeeee",
        "aaaaaaaa-bbbb cccc-dddd-eeeeeeeeeeee",
        "gaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    };
    Uuid uuid;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(uuid_parse(bad[i], &uuid));
}

static void test_generated(void)
{
    Uuid a, b;

    uuid_generate(&a);
    uuid_generate(&b);
    g_assert_false(uuid_equal(&a, &b));
    g_assert_cmpint(a.bytes[6] >> 4, ==, 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uuid/forms", test_forms);
    g_test_add_func("/uuid/refused", test_refused);
    g_test_add_func("/uuid/generated", test_generated);
    return g_test_run();
}
