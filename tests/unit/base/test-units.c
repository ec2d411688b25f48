/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "units.h"

static void test_number(void)
{
    guint64 value = 0;

    g_assert_true(number_parse("18446744073709551615", G_MAXUINT64, &value));
    g_assert_cmpuint(value, ==, G_MAXUINT64);
    g_assert_false(number_parse("18446744073709551616", G_MAXUINT64, &value));
    g_assert_true(number_parse("7", 7, &value));
    g_assert_false(number_parse("8", 7, &value));
    g_assert_false(number_parse("10", 7, &value));
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1.0"};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(number_parse(bad[i], G_MAXUINT64, &value));
}

static void test_factor(void)
{
    static const struct {
        const char *unit;
        guint64 factor;
    } cases[] = {
        {NULL, 1},
        {"", 1},
        {"B", 1},
        {"bytes", 1},
        {"BYTE", 1},
        {"k", 1024},
        {"K", 1024},
        {"KiB", 1024},
        {"kb", 1000},
        {"KB", 1000},
        {"M", 1 << 20},
        {"MB", 1000000},
        {"g", 1 << 30},
        {"T", 1ULL << 40},
        {"P", 1ULL << 50},
        {"EiB", 1ULL << 60},
        {"EB", 1000000000000000000ULL},
    };
    guint64 factor;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_true(unit_factor(cases[i].unit, &factor, NULL));
        g_assert_cmpuint(factor, ==, cases[i].factor);
    }
}

static void test_unknown_suffix(void)
{
    static const char *const bad[] = {"Q", " K", "KiBs", "KK", "ib"};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *message = g_strdup_printf("invalid argument: unknown suffix '%s'", bad[i]);
        guint64 factor;
        g_assert_false(unit_factor(bad[i], &factor, &error));
        g_assert_cmpint(error_code(error), ==, ERROR_INVALID_ARGUMENT);
        g_assert_cmpint(error_origin(error), ==, ORIGIN_NONE);
        g_assert_cmpstr(error->message, ==, message);
    }
}

static void test_scale(void)
{
    g_autoptr(GError) error = NULL;
    guint64 size;

    g_assert_true(size_scale(7, "EiB", &size, NULL));
    g_assert_cmpuint(size, ==, 7ULL << 60);
    g_assert_true(size_scale(G_MAXINT64, NULL, &size, NULL));
    g_assert_false(size_scale(9, "E", &size, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_OVERFLOW);
    g_assert_cmpstr(error->message, ==, "numerical overflow: value too large: 9E");
    g_assert_false(size_scale((guint64)G_MAXINT64 + 1, NULL, &size, NULL));
}

static void test_typed(void)
{
    guint64 size;

    g_assert_true(size_parse("10G", &size, NULL));
    g_assert_cmpuint(size, ==, 10ULL << 30);
    g_assert_true(size_parse("512", &size, NULL));
    g_assert_cmpuint(size, ==, 512);
    g_assert_false(size_parse("1.5G", &size, NULL));
    g_assert_false(size_parse("-1", &size, NULL));
    g_assert_false(size_parse("", &size, NULL));
    g_assert_false(size_parse("G", &size, NULL));
}

static void test_readable(void)
{
    g_autofree char *small = size_to_string(512);
    g_autofree char *big = size_to_string(10ULL << 30);

    g_assert_cmpstr(small, ==, "512 B");
    g_assert_cmpstr(big, ==, "10.00 GiB");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/units/number", test_number);
    g_test_add_func("/units/factor", test_factor);
    g_test_add_func("/units/unknown-suffix", test_unknown_suffix);
    g_test_add_func("/units/scale", test_scale);
    g_test_add_func("/units/typed", test_typed);
    g_test_add_func("/units/readable", test_readable);
    return g_test_run();
}
