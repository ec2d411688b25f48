/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "config-text.h"
#include "errors.h"

#include <stddef.h>
#include <string.h>

/* ---- the keys ---- */

/* A word and what it stands for. */
typedef struct Choice {
    const char *word;
    guint value;
} Choice;

static const Choice levels[] = {
    {"error", LOG_LEVEL_ERROR},
    {"warning", LOG_LEVEL_WARNING},
    {"info", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG},
    {NULL},
};

static const Choice unix_auths[] = {
    {"none", LISTENER_AUTH_NONE},
    {"polkit", LISTENER_AUTH_POLKIT},
    {"sasl", LISTENER_AUTH_SASL},
    {NULL},
};

static const Choice tls_auths[] = {
    {"none", LISTENER_AUTH_NONE},
    {"sasl", LISTENER_AUTH_SASL},
    {NULL},
};

/* Without encryption nobody is believed his name unless SASL brings both. */
static const Choice tcp_auths[] = {
    {"sasl", LISTENER_AUTH_SASL},
    {NULL},
};

static const Choice drivers[] = {
    {"polkit"},
    {NULL},
};

typedef enum KeyKind {
    KEY_WORD,   /* char * */
    KEY_PATH,   /* char *, absolute */
    KEY_LIST,   /* char ** */
    KEY_NUMBER, /* guint, from min to max */
    KEY_SWITCH, /* bool: 0 or 1 */
    KEY_MODE,   /* guint: permission bits as an octal word */
    KEY_CHOICE, /* guint: one of choices; with LogLevel it is the enum */
} KeyKind;

typedef struct Key {
    const char *name;
    KeyKind kind;
    size_t offset; /* in Config */
    gint64 min, max;
    const Choice *choices; /* of a list too */
    bool reloads;          /* counts for a running daemon */
} Key;

G_STATIC_ASSERT(sizeof(LogLevel) == sizeof(guint));

#define AT(field) offsetof(Config, field)

static const Key keys[] = {
    {"log_level", KEY_CHOICE, AT(log_level), .choices = levels, .reloads = true},
    {"unix_sock_group", KEY_WORD, AT(unix_sock_group)},
    {"unix_sock_rw_perms", KEY_MODE, AT(unix_sock_rw_perms)},
    {"unix_sock_ro_perms", KEY_MODE, AT(unix_sock_ro_perms)},
    {"auth_unix_rw", KEY_CHOICE, AT(auth_unix_rw), .choices = unix_auths},
    {"auth_unix_ro", KEY_CHOICE, AT(auth_unix_ro), .choices = unix_auths},
    {"access_drivers", KEY_LIST, AT(access_drivers), .choices = drivers},
    {"listen_tls", KEY_SWITCH, AT(listen_tls)},
    {"listen_tcp", KEY_SWITCH, AT(listen_tcp)},
    {"listen_addr", KEY_WORD, AT(listen_addr)},
    {"tls_port", KEY_NUMBER, AT(tls_port), 1, 65535},
    {"tcp_port", KEY_NUMBER, AT(tcp_port), 1, 65535},
    {"auth_tls", KEY_CHOICE, AT(auth_tls), .choices = tls_auths},
    {"auth_tcp", KEY_CHOICE, AT(auth_tcp), .choices = tcp_auths},
    {"ca_file", KEY_PATH, AT(ca_file), .reloads = true},
    {"crl_file", KEY_PATH, AT(crl_file), .reloads = true},
    {"cert_file", KEY_PATH, AT(cert_file), .reloads = true},
    {"key_file", KEY_PATH, AT(key_file), .reloads = true},
    {"tls_priority", KEY_WORD, AT(tls_priority), .reloads = true},
    {"tls_allowed_dn_list", KEY_LIST, AT(tls_allowed_dn_list), .reloads = true},
    {"tls_no_verify_certificate", KEY_SWITCH, AT(tls_no_verify_certificate), .reloads = true},
    {"tls_no_sanity_certificate", KEY_SWITCH, AT(tls_no_sanity_certificate), .reloads = true},
    {"tcp_min_ssf", KEY_NUMBER, AT(tcp_min_ssf), 56, 100000},
    {"sasl_allowed_username_list", KEY_LIST, AT(sasl_allowed_username_list)},
    {"max_clients", KEY_NUMBER, AT(max_clients), 1, 1000000},
    {"max_anonymous_clients", KEY_NUMBER, AT(max_anonymous_clients), 1, 1000000},
    {"max_client_requests", KEY_NUMBER, AT(max_client_requests), 1, 1000},
    {"max_client_buffer", KEY_NUMBER, AT(max_client_buffer), 33, 65536},
    {"keepalive_interval", KEY_NUMBER, AT(keepalive_interval), 1, 86400},
    {"keepalive_count", KEY_NUMBER, AT(keepalive_count), 1, 1000},
    {"auth_timeout", KEY_NUMBER, AT(auth_timeout), 1, 3600},
    {"read_deadline", KEY_NUMBER, AT(read_deadline), 10, 600000},
    {"stop_timeout", KEY_NUMBER, AT(stop_timeout), 0, 86400, .reloads = true},
    {"thin_pool_interval", KEY_NUMBER, AT(thin_pool_interval), 0, 3600, .reloads = true},
};

const char **config_keys(void)
{
    const char **names = g_new0(const char *, G_N_ELEMENTS(keys) + 1);

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        names[i] = keys[i].name;
    return names;
}

static const Key *find_key(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (g_str_equal(keys[i].name, name))
            return &keys[i];
    return NULL;
}

/* ---- what is given where nothing is said ---- */

static Config defaults(ConfigSite site)
{
    bool private = site == CONFIG_SITE_PRIVATE;

    return (Config){
        .log_level = LOG_LEVEL_WARNING,
        .unix_sock_rw_perms = private ? 0600 : 0666,
        .unix_sock_ro_perms = private ? 0600 : 0666,
        .auth_unix_rw = private ? LISTENER_AUTH_NONE : LISTENER_AUTH_POLKIT,
        .auth_unix_ro = LISTENER_AUTH_NONE,
        .tls_port = 16514,
        .tcp_port = 16509,
        .auth_tls = LISTENER_AUTH_NONE,
        .auth_tcp = LISTENER_AUTH_SASL,
        .ca_file = g_strdup("/etc/pki/CA/cacert.pem"),
        .cert_file = g_strdup("/etc/pki/libvirt/servercert.pem"),
        .key_file = g_strdup("/etc/pki/libvirt/private/serverkey.pem"),
        .tcp_min_ssf = 56,
        .max_clients = 5000,
        .max_anonymous_clients = 20,
        .max_client_requests = 5,
        .max_client_buffer = 64,
        .keepalive_interval = 5,
        .keepalive_count = 5,
        .auth_timeout = 60,
        .read_deadline = 2000,
        .stop_timeout = 60,
        .thin_pool_interval = 5,
    };
}

/* ---- setting one ---- */

typedef struct Context {
    const char *path;
    const ConfigSetting *setting;
    const Key *key;
    void *place;
} Context;

#define fail(context, ...)                                                                         \
    config_text_fail((context)->path, (context)->setting->line, error, __VA_ARGS__)

static bool want(const Context *context, ConfigKind kind, const char *what, GError **error)
{
    return context->setting->kind == kind || fail(context, "'%s' is %s", context->key->name, what);
}

static void replace_word(const Context *context)
{
    char **place = context->place;

    g_free(*place);
    *place = g_strdup(context->setting->word);
}

static bool set_word(const Context *context, GError **error)
{
    if (!want(context, CONFIG_WORD, "a word in quotation marks", error))
        return false;
    if (context->setting->word[0] == '\0')
        return fail(context, "'%s' is empty; leave it out for its default", context->key->name);
    replace_word(context);
    return true;
}

static bool set_path(const Context *context, GError **error)
{
    if (!want(context, CONFIG_WORD, "the path of a file in quotation marks", error))
        return false;
    if (context->setting->word[0] != '/')
        return fail(context, "the path '%s' of '%s' does not begin with /", context->setting->word,
                    context->key->name);
    replace_word(context);
    return true;
}

static char *list_choices(const Choice *choices)
{
    GString *list = g_string_new(NULL);

    for (const Choice *choice = choices; choice->word; choice++)
        g_string_append_printf(list, "%s\"%s\"", list->len > 0 ? ", " : "", choice->word);
    return g_string_free(list, FALSE);
}

static const Choice *find_choice(const Context *context, const char *word, GError **error)
{
    const Choice *choices = context->key->choices;

    for (const Choice *choice = choices; choice->word; choice++)
        if (g_str_equal(choice->word, word))
            return choice;
    g_autofree char *list = list_choices(choices);
    fail(context, "'%s' can't be '%s'; it knows %s", context->key->name, word, list);
    return NULL;
}

static bool set_choice(const Context *context, GError **error)
{
    if (!want(context, CONFIG_WORD, "a word in quotation marks", error))
        return false;
    const Choice *choice = find_choice(context, context->setting->word, error);
    if (choice)
        *(guint *)context->place = choice->value;
    return choice != NULL;
}

static bool set_list(const Context *context, GError **error)
{
    if (!want(context, CONFIG_LIST, "a list of words in brackets", error))
        return false;
    GPtrArray *list = context->setting->list;
    for (guint i = 0; context->key->choices && i < list->len; i++)
        if (!find_choice(context, list->pdata[i], error))
            return false;
    char **words = g_new0(char *, list->len + 1);
    for (guint i = 0; i < list->len; i++)
        words[i] = g_strdup(list->pdata[i]);
    g_strfreev(*(char ***)context->place);
    *(char ***)context->place = words;
    return true;
}

static bool set_number(const Context *context, GError **error)
{
    const Key *key = context->key;

    if (!want(context, CONFIG_NUMBER, "a number", error))
        return false;
    if (context->setting->number < key->min || context->setting->number > key->max)
        return fail(context,
                    "'%s' is a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                    ", not %" G_GINT64_FORMAT,
                    key->name, key->min, key->max, context->setting->number);
    *(guint *)context->place = (guint)context->setting->number;
    return true;
}

static bool set_switch(const Context *context, GError **error)
{
    if (!want(context, CONFIG_NUMBER, "0 or 1", error))
        return false;
    if (context->setting->number != 0 && context->setting->number != 1)
        return fail(context, "'%s' is 0 or 1", context->key->name);
    *(bool *)context->place = context->setting->number == 1;
    return true;
}

static bool set_mode(const Context *context, GError **error)
{
    static const char what[] = "permissions as octal digits in quotation marks, as \"0660\"";

    if (!want(context, CONFIG_WORD, what, error))
        return false;
    const char *word = context->setting->word;
    size_t length = strlen(word);
    if (length < 3 || length > 4 || strspn(word, "01234567") != length ||
        (length == 4 && word[0] != '0'))
        return fail(context, "'%s' is %s, not '%s'", context->key->name, what, word);
    *(guint *)context->place = (guint)g_ascii_strtoull(word, NULL, 8);
    return true;
}

typedef bool (*Setter)(const Context *context, GError **error);

static const Setter setters[] = {
    [KEY_WORD] = set_word,     [KEY_PATH] = set_path,     [KEY_LIST] = set_list,
    [KEY_NUMBER] = set_number, [KEY_SWITCH] = set_switch, [KEY_MODE] = set_mode,
    [KEY_CHOICE] = set_choice,
};

/* ---- what is wrong with it ---- */

static guint line_of(const Config *config, const char *name)
{
    const Key *key = name ? find_key(name) : NULL;

    return key ? config->lines[key - keys] : 0;
}

bool config_fail(const Config *config, const char *key, const char *reason, GError **error,
                 const char *format, ...)
{
    guint line = line_of(config, key);
    va_list args;

    if (line == 0)
        line = line_of(config, reason);
    va_start(args, format);
    g_autofree char *detail = g_strdup_vprintf(format, args);
    va_end(args);
    return line > 0 ? config_text_fail(config->file, line, error, "%s", detail)
                    : error_set_bare(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE, "%s: %s",
                                     config->file, detail);
}

/* ---- the file ---- */

static bool set_one(const ConfigSetting *setting, Config *config, GError **error)
{
    const Key *key = find_key(setting->key);
    const char *path = config->file;

    if (!key)
        return config_text_fail(path, setting->line, error, "unknown key '%s'", setting->key);
    guint *line = &config->lines[key - keys];
    if (*line > 0)
        return config_text_fail(path, setting->line, error, "'%s' is set in line %u already",
                                key->name, *line);
    *line = setting->line;
    Context context = {path, setting, key, (char *)config + key->offset};
    return setters[key->kind](&context, error);
}

/* The line of the second of the two makes the trouble; their defaults differ. */
static bool check_ports(const Config *config, GError **error)
{
    guint tls = line_of(config, "tls_port"), tcp = line_of(config, "tcp_port");

    return !config->listen_tls || !config->listen_tcp || config->tls_port != config->tcp_port ||
           config_fail(config, tls > tcp ? "tls_port" : "tcp_port", NULL, error,
                       "'tls_port' and 'tcp_port' are both %u: each needs a port of its own",
                       config->tls_port);
}

bool config_parse(const char *text, const char *path, ConfigSite site, Config *ret, GError **error)
{
    g_auto(Config) config = defaults(site);
    ConfigText input = {path, text, 1};
    ConfigResult result;

    config.file = g_strdup(path);
    config.lines = g_new0(guint, G_N_ELEMENTS(keys));
    for (;;) {
        g_auto(ConfigSetting) setting = {0};
        result = config_text_next(&input, &setting, error);
        if (result != CONFIG_SETTING)
            break;
        if (!set_one(&setting, &config, error))
            return false;
    }
    if (result == CONFIG_BROKEN || !check_ports(&config, error))
        return false;
    *ret = config;
    config = (Config){0};
    return true;
}

bool config_load(const char *path, ConfigSite site, bool must_exist, Config *ret, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autofree char *text = NULL;
    size_t size = 0;

    if (!g_file_get_contents(path, &text, &size, &problem)) {
        if (!must_exist && g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return config_parse("", path, site, ret, error);
        return error_set_bare(error, ERROR_SYSTEM, ORIGIN_NONE,
                              "the configuration can't be read: %s", problem->message);
    }
    if (strlen(text) != size)
        return error_set_bare(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                              "the configuration file '%s' holds a zero byte", path);
    return config_parse(text, path, site, ret, error);
}

/* ---- freeing and comparing ---- */

static void clear_word(void *place)
{
    g_clear_pointer((char **)place, g_free);
}

static void clear_list(void *place)
{
    g_clear_pointer((char ***)place, g_strfreev);
}

void config_clear(Config *config)
{
    g_clear_pointer(&config->file, g_free);
    g_clear_pointer(&config->lines, g_free);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        void *place = (char *)config + keys[i].offset;
        if (keys[i].kind == KEY_WORD || keys[i].kind == KEY_PATH)
            clear_word(place);
        else if (keys[i].kind == KEY_LIST)
            clear_list(place);
    }
}

static bool same_words(char *const *a, char *const *b)
{
    static char *const none[] = {NULL};

    return g_strv_equal((const char *const *)(a ? a : none), (const char *const *)(b ? b : none));
}

static bool same(const Key *key, const Config *before, const Config *after)
{
    const void *a = (const char *)before + key->offset, *b = (const char *)after + key->offset;

    if (key->kind == KEY_LIST)
        return same_words(*(char **const *)a, *(char **const *)b);
    if (key->kind == KEY_WORD || key->kind == KEY_PATH)
        return g_strcmp0(*(char *const *)a, *(char *const *)b) == 0;
    if (key->kind == KEY_SWITCH)
        return *(const bool *)a == *(const bool *)b;
    return *(const guint *)a == *(const guint *)b;
}

char *config_fixed_changes(const Config *before, const Config *after)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (!keys[i].reloads && !same(&keys[i], before, after))
            g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", keys[i].name);
    bool none = names->len == 0;
    return g_string_free(names, none);
}
