/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration file: what is read, what is refused and where, what is documented. */
#include "config.h"

#include "errors.h"

#include <glib/gstdio.h>
#include <string.h>

static void defaults_differ_by_site(void)
{
    g_auto(Config) system = {0}, private = {0};

    g_assert_true(config_parse("", "f", CONFIG_SITE_SYSTEM, &system, NULL));
    g_assert_true(config_parse("", "f", CONFIG_SITE_PRIVATE, &private, NULL));
    g_assert_cmpuint(system.unix_sock_rw_perms, ==, 0666);
    g_assert_cmpuint(system.auth_unix_rw, ==, LISTENER_AUTH_POLKIT);
    g_assert_cmpuint(system.auth_unix_ro, ==, LISTENER_AUTH_NONE);
    g_assert_cmpuint(private.unix_sock_rw_perms, ==, 0600);
    g_assert_cmpuint(private.auth_unix_rw, ==, LISTENER_AUTH_NONE);
    g_assert_cmpuint(system.max_clients, ==, 5000);
    g_assert_cmpuint(system.log_level, ==, LOG_LEVEL_WARNING);
    g_assert_false(system.listen_tls || system.listen_tcp);
}

static void everything_is_read(void)
{
    static const char text[] = "# a comment\n"
                               "\t log_level='debug'# another\r\n"
                               "max_clients = 12\n"
                               "unix_sock_rw_perms = \"0660\"\n"
                               "unix_sock_ro_perms = '777'\n"
                               "unix_sock_group = \"a # b\"\n"
                               "auth_unix_rw = \"sasl\"\n"
                               "listen_tls = 1\n"
                               "access_drivers = [ \"polkit\" ]\n"
                               "tls_allowed_dn_list = [ # who\n"
                               "  \"one\", 'two]' ,\n"
                               "\n"
                               "  \"three\",\n"
                               "]\n"
                               "sasl_allowed_username_list=[]\n"
                               "ca_file = \"/a b\"";
    g_auto(Config) config = {0};
    g_autoptr(GError) error = NULL;

    config_parse(text, "f", CONFIG_SITE_SYSTEM, &config, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(config.log_level, ==, LOG_LEVEL_DEBUG);
    g_assert_cmpuint(config.max_clients, ==, 12);
    g_assert_cmpuint(config.unix_sock_rw_perms, ==, 0660);
    g_assert_cmpuint(config.unix_sock_ro_perms, ==, 0777);
    g_assert_cmpstr(config.unix_sock_group, ==, "a # b");
    g_assert_cmpuint(config.auth_unix_rw, ==, LISTENER_AUTH_SASL);
    g_assert_true(config.listen_tls);
    g_assert_cmpstr(config.access_drivers[0], ==, "polkit");
    g_assert_cmpuint(g_strv_length(config.tls_allowed_dn_list), ==, 3);
    g_assert_cmpstr(config.tls_allowed_dn_list[1], ==, "two]");
    g_assert_cmpuint(g_strv_length(config.sasl_allowed_username_list), ==, 0);
    g_assert_cmpstr(config.ca_file, ==, "/a b");
}

/* ---- what is refused ---- */

static const struct {
    const char *text, *where, *what;
} refusals[] = {
    {"nonsense = 1\n", "f:1: ", "unknown key 'nonsense'"},
    {"\n\n  Max_clients = 1\n", "f:3: ", "unknown key 'Max_clients'"},
    {"max_clients = 1\n#\nmax_clients = 1\n", "f:3: ", "set in line 1 already"},
    {"tls_allowed_dn_list = [\n\"a\",\n\"b\"\n]\nnix = 1", "f:5: ", "unknown key"},
    {"max_clients\n", "f:1: ", "no '='"},
    {"max_clients 5\n", "f:1: ", "no '='"},
    {"max_clients =\n", "f:1: ", "neither a number"},
    {"max_clients = \n5\n", "f:1: ", "neither a number"},
    {"max_clients = 5 6\n", "f:1: ", "something else"},
    {"max_clients = 5; max_clients = 6\n", "f:1: ", "something else"},
    {"max_clients = 5x\n", "f:1: ", "something else"},
    {"max_clients = 0x10\n", "f:1: ", "something else"},
    {"max_clients = 5.5\n", "f:1: ", "something else"},
    {"max_clients = -\n", "f:1: ", "neither a number"},
    {"max_clients = 0\n", "f:1: ", "from 1 to 1000000, not 0"},
    {"max_clients = -1\n", "f:1: ", "not -1"},
    {"max_clients = 1000001\n", "f:1: ", "from 1 to"},
    {"max_clients = 99999999999999999999999999\n", "f:1: ", "neither a number"},
    {"max_clients = \"5\"\n", "f:1: ", "is a number"},
    {"max_clients = [ \"5\" ]\n", "f:1: ", "is a number"},
    {"tls_port = 65536\n", "f:1: ", "from 1 to 65535"},
    {"tcp_min_ssf = 0\n", "f:1: ", "from 56"},
    {"max_client_buffer = 1\n", "f:1: ", "from 33"},
    {"listen_tls = 2\n", "f:1: ", "0 or 1"},
    {"listen_tls = \"yes\"\n", "f:1: ", "0 or 1"},
    {"log_level = 1\n", "f:1: ", "word in quotation marks"},
    {"log_level = \"loud\"\n", "f:1: ", "\"error\", \"warning\", \"info\", \"debug\""},
    {"log_level = debug\n", "f:1: ", "neither a number"},
    {"log_level = \"debug\n", "f:1: ", "not closed"},
    {"log_level = \"debug'\n", "f:1: ", "not closed"},
    {"log_level = \"debug", "f:1: ", "not closed"},
    {"unix_sock_group = \"\"\n", "f:1: ", "is empty"},
    {"unix_sock_rw_perms = 0660\n", "f:1: ", "octal digits"},
    {"unix_sock_rw_perms = \"0888\"\n", "f:1: ", "octal digits"},
    {"unix_sock_rw_perms = \"7777\"\n", "f:1: ", "octal digits"},
    {"unix_sock_rw_perms = \"rw\"\n", "f:1: ", "octal digits"},
    {"unix_sock_rw_perms = \"\"\n", "f:1: ", "octal digits"},
    {"auth_unix_rw = \"kerberos\"\n", "f:1: ", "it knows \"none\", \"polkit\", \"sasl\""},
    {"auth_tcp = \"none\"\n", "f:1: ", "it knows \"sasl\""},
    {"auth_tls = \"polkit\"\n", "f:1: ", "it knows \"none\", \"sasl\""},
    {"access_drivers = \"polkit\"\n", "f:1: ", "list of words"},
    {"access_drivers = [ \"selinux\" ]\n", "f:1: ", "it knows \"polkit\""},
    {"access_drivers = [ polkit ]\n", "f:1: ", "words in quotation marks"},
    {"access_drivers = [ \"polkit\" \"polkit\" ]\n", "f:1: ", "comma or the closing bracket"},
    {"access_drivers = [ , ]\n", "f:1: ", "words in quotation marks"},
    {"\ntls_allowed_dn_list = [\n\"a\",\n", "f:2: ", "no closing bracket"},
    {"tls_allowed_dn_list = [\n\"a\"\n\"b\"]", "f:3: ", "comma or the closing bracket"},
    {"ca_file = \"relative.pem\"\n", "f:1: ", "does not begin with /"},
    {"listen_tls = 1\nlisten_tcp = 1\ntls_port = 16509\n", "f:3: ", "port of its own"},
    {"listen_tls = 1\nlisten_tcp = 1\n\ntls_port = 7\ntcp_port = 7\n", "f:5: ", "both 7"},
    {"= 5\n", "f:1: ", "a line is"},
    {"[section]\n", "f:1: ", "a line is"},
    {"\xff\xfe\n", "f:1: ", "a line is"},
    {"log_level = \"\xff\xff\xff", "f:1: ", "not closed"},
};

static void bad_files_are_refused(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_auto(Config) config = {0};
        g_autoptr(GError) error = NULL;
        g_autofree char *shown = g_strescape(refusals[i].text, NULL);
        g_test_message("%s", shown);
        g_assert_false(config_parse(refusals[i].text, "f", CONFIG_SITE_SYSTEM, &config, &error));
        g_assert_nonnull(error);
        g_test_message("  %s", error->message);
        g_assert_true(g_str_has_prefix(error->message, refusals[i].where));
        g_assert_nonnull(strstr(error->message, refusals[i].what));
        g_assert_cmpint(error_code(error), ==, ERROR_INVALID_ARGUMENT);
    }
}

/* Any text is read or refused, and says which line. */
static void garbage_is_harmless(void)
{
    static const char *const parts[] = {"max_clients", "=",  "[",  "]",    "\"",   "'",      "#",
                                        "\n",          "5",  ",",  " ",    "a",    "\"a\"",  "\\",
                                        "log_level",   "-1", "\r", "\x01", "\xc3", "ca_file"};

    for (guint run = 0; run < 20000; run++) {
        g_auto(Config) config = {0};
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) text = g_string_new(NULL);
        for (gint n = g_test_rand_int_range(0, 16); n > 0; n--)
            g_string_append(text, parts[g_test_rand_int_range(0, G_N_ELEMENTS(parts))]);
        bool ok = config_parse(text->str, "f", CONFIG_SITE_SYSTEM, &config, &error);
        g_assert_true(ok == (error == NULL));
        g_assert_true(ok || g_str_has_prefix(error->message, "f:"));
    }
}

static void files_are_looked_for(void)
{
    g_auto(Config) config = {0};
    g_autoptr(GError) missing = NULL, folder = NULL, zero = NULL;
    g_autofree char *dir = g_dir_make_tmp("cistern-config.XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "c", NULL);

    g_assert_true(config_load("/does/not/exist", CONFIG_SITE_SYSTEM, false, &config, NULL));
    config_clear(&config);
    config = (Config){0};
    g_assert_false(config_load("/does/not/exist", CONFIG_SITE_SYSTEM, true, &config, &missing));
    g_assert_nonnull(strstr(missing->message, "/does/not/exist"));
    g_assert_false(config_load(dir, CONFIG_SITE_SYSTEM, false, &config, &folder));
    g_assert_true(g_file_set_contents(path, "#\0x = 1\n", 8, NULL));
    g_assert_false(config_load(path, CONFIG_SITE_SYSTEM, false, &config, &zero));
    g_assert_nonnull(strstr(zero->message, "zero byte"));
    g_unlink(path);
    g_rmdir(dir);
}

/* What is found bad only when it is used. */
static void errors_have_lines(void)
{
    static const struct {
        const char *key, *reason, *says;
    } rows[] = {
        {"ca_file", NULL, "f:3: bad 1"},           {"ca_file", "listen_tls", "f:3: bad 1"},
        {"cert_file", "listen_tls", "f:2: bad 1"}, {"cert_file", NULL, "f: bad 1"},
        {"cert_file", "listen_tcp", "f: bad 1"},
    };
    g_auto(Config) config = {0};

    g_assert_true(
        config_parse("\nlisten_tls = 1\nca_file = '/x'", "f", CONFIG_SITE_SYSTEM, &config, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(config_fail(&config, rows[i].key, rows[i].reason, &error, "bad %d", 1));
        g_assert_cmpstr(error->message, ==, rows[i].says);
    }
}

static void what_needs_a_restart_is_named(void)
{
    g_auto(Config) a = {0}, b = {0};
    g_autofree char *none = NULL, *some = NULL;

    g_assert_true(config_parse("log_level = 'info'\n", "f", CONFIG_SITE_SYSTEM, &a, NULL));
    g_assert_true(config_parse("log_level = 'debug'\nstop_timeout = 3\nmax_clients = 7\n"
                               "access_drivers = ['polkit']\nlisten_tcp = 1\nlisten_addr = '::1'",
                               "f", CONFIG_SITE_SYSTEM, &b, NULL));
    none = config_fixed_changes(&a, &a);
    some = config_fixed_changes(&a, &b);
    g_assert_null(none);
    g_assert_cmpstr(some, ==, "access_drivers, listen_tcp, listen_addr, max_clients");
}

/* ---- what is documented ---- */

static char *read_source(const char *name)
{
    g_autofree char *path = g_build_filename(g_getenv("SOURCE_TREE"), name, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static char **lines_of(const char *name)
{
    g_autofree char *text = read_source(name);

    return g_strsplit(text, "\n", -1);
}

static void every_key_is_in_the_sample(void)
{
    g_autofree const char **keys = config_keys();
    g_auto(GStrv) lines = lines_of("data/cisternd.conf");

    for (guint i = 0; keys[i]; i++) {
        g_autofree char *start = g_strdup_printf("#%s = ", keys[i]);
        guint found = 0;
        for (guint l = 0; lines[l]; l++)
            found += g_str_has_prefix(lines[l], start);
        g_test_message("%s", keys[i]);
        g_assert_cmpuint(found, ==, 1);
    }
}

static void every_key_is_in_the_manual(void)
{
    g_autofree const char **keys = config_keys();
    g_autofree char *page = read_source("docs/man/cisternd.conf.5");

    for (guint i = 0; keys[i]; i++) {
        g_autofree char *item = g_strdup_printf("Ic %s", keys[i]);
        const char *at = strstr(page, item);
        g_test_message("%s", keys[i]);
        g_assert_nonnull(at);
        g_assert_nonnull(strchr(" \n", at[strlen(item)]));
    }
}

/* The sample without its marks is a file that can be read, and its values are the defaults where it
 * says so. */
static void the_sample_is_true(void)
{
    g_auto(GStrv) lines = lines_of("data/cisternd.conf");
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(Config) sample = {0}, plain = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *changes = NULL;

    for (guint i = 0; lines[i]; i++) {
        bool is_setting = lines[i][0] == '#' && g_ascii_islower(lines[i][1]);
        g_string_append_printf(text, "%s\n", lines[i] + is_setting);
    }
    config_parse(text->str, "data/cisternd.conf", CONFIG_SITE_SYSTEM, &sample, &error);
    g_assert_no_error(error);
    g_assert_true(config_parse("", "f", CONFIG_SITE_SYSTEM, &plain, NULL));
    changes = config_fixed_changes(&plain, &sample);
    g_assert_cmpstr(changes, ==, "unix_sock_group, listen_addr, sasl_allowed_username_list");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/defaults", defaults_differ_by_site);
    g_test_add_func("/config/everything", everything_is_read);
    g_test_add_func("/config/refusals", bad_files_are_refused);
    g_test_add_func("/config/garbage", garbage_is_harmless);
    g_test_add_func("/config/files", files_are_looked_for);
    g_test_add_func("/config/lines", errors_have_lines);
    g_test_add_func("/config/restart", what_needs_a_restart_is_named);
    g_test_add_func("/config/sample", every_key_is_in_the_sample);
    g_test_add_func("/config/manual", every_key_is_in_the_manual);
    g_test_add_func("/config/sample-is-true", the_sample_is_true);
    return g_test_run();
}
