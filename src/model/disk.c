/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include "errors.h"
#include "path.h"
#include "xml-tables.h"

#include <string.h>

static bool refuse(const VolumeDef *volume, const char *why, GError **error)
{
    return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                     "volume '%s' can't be a machine's disk: %s", volume->name, why);
}

/* ---- what the machine sees ---- */

/* libvirt's words. Where names begin alike, the first is what a name alone stands for. */
static const struct Bus {
    const char *name;
    const char *prefix; /* of the names of its disks */
} buses[] = {
    {"virtio", "vd"}, {"scsi", "sd"}, {"sata", "sd"}, {"usb", "sd"},
    {"ide", "hd"},    {"fdc", "fd"},  {"xen", "xvd"}, {"sd", "sd"},
};

static const struct Device {
    const char *name;
    const char *const *buses; /* the first is the usual one */
    bool read_only;
} devices[] = {
    {"disk", (const char *const[]){"virtio", "scsi", "sata", "usb", "ide", "xen", "sd", NULL},
     false},
    {"cdrom", (const char *const[]){"sata", "scsi", "usb", "ide", "xen", NULL}, true},
    {"floppy", (const char *const[]){"fdc", NULL}, false},
};

typedef struct Attachment {
    const struct Device *device;
    const struct Bus *bus;
    char *target;
    bool read_only;
} Attachment;

static void attachment_clear(Attachment *attachment)
{
    g_free(attachment->target);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Attachment, attachment_clear)

static const struct Bus *find_bus(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(buses); i++)
        if (g_str_equal(buses[i].name, name))
            return &buses[i];
    return NULL;
}

static const struct Device *find_device(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(devices); i++)
        if (g_str_equal(devices[i].name, name))
            return &devices[i];
    return NULL;
}

static bool is_named_after(const struct Bus *bus, const char *target)
{
    const char *rest = target + strlen(bus->prefix);

    return g_str_has_prefix(target, bus->prefix) && *rest != '\0' &&
           strspn(rest, "abcdefghijklmnopqrstuvwxyz") == strlen(rest);
}

/* The bus that a name stands for: the device's usual one, if it may be that. */
static const struct Bus *bus_of_target(const struct Device *device, const char *target)
{
    const struct Bus *usual = find_bus(device->buses[0]);

    if (is_named_after(usual, target))
        return usual;
    for (guint i = 0; i < G_N_ELEMENTS(buses); i++)
        if (is_named_after(&buses[i], target))
            return &buses[i];
    return NULL;
}

static bool wrong_word(const char *what, const char *word, const char *known, GError **error)
{
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "'%s' is no %s of a machine's disk: %s", word, what, known);
}

static bool choose_device(const char *format, const DiskOptions *options, Attachment *ret,
                          GError **error)
{
    const bool on_floppy_bus = g_strcmp0(options->bus, "fdc") == 0 ||
                               (options->target && g_str_has_prefix(options->target, "fd"));
    const char *name = options->device                 ? options->device
                       : on_floppy_bus                 ? "floppy"
                       : g_strcmp0(format, "iso") == 0 ? "cdrom"
                                                       : "disk";

    ret->device = find_device(name);
    return ret->device || wrong_word("kind", name, "there are disk, cdrom and floppy", error);
}

static bool choose_bus(const DiskOptions *options, Attachment *ret, GError **error)
{
    const struct Bus *named = options->target ? bus_of_target(ret->device, options->target) : NULL;

    if (options->target && !named)
        return wrong_word("target", options->target,
                          "it is vd, sd, hd, fd or xvd and small letters, such as vda", error);
    ret->bus = options->bus ? find_bus(options->bus)
               : named      ? named
                            : find_bus(ret->device->buses[0]);
    if (!ret->bus)
        return wrong_word("bus", options->bus,
                          "there are virtio, scsi, sata, usb, ide, fdc, xen and sd", error);
    if (!g_strv_contains(ret->device->buses, ret->bus->name))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                         "a %s can't be on the bus '%s'", ret->device->name, ret->bus->name);
    return true;
}

static bool choose_attachment(const char *format, const DiskOptions *options, Attachment *ret,
                              GError **error)
{
    if (!choose_device(format, options, ret, error) || !choose_bus(options, ret, error))
        return false;
    ret->target =
        options->target ? g_strdup(options->target) : g_strconcat(ret->bus->prefix, "a", NULL);
    ret->read_only = options->read_only || ret->device->read_only;
    return true;
}

/* ---- how its content is read ---- */

/* Formats that aren't here: a device is read as it is, an image of such a format by nobody. */
static const struct {
    const char *format;
    const char *driver; /* NULL: nobody reads it */
} drivers[] = {
    {"raw", "raw"},     {"iso", "raw"}, {"qcow2", "qcow2"}, {"qcow", "qcow"}, {"qed", "qed"},
    {"vmdk", "vmdk"},   {"vdi", "vdi"}, {"vpc", "vpc"},     {"vhd", "vpc"},   {"bochs", "bochs"},
    {"cloop", "cloop"}, {"dmg", "dmg"}, {"extended", NULL},
};

static const char *find_driver(const char *format, bool is_device)
{
    if (!format)
        return "raw";
    for (guint i = 0; i < G_N_ELEMENTS(drivers); i++)
        if (g_str_equal(drivers[i].format, format))
            return drivers[i].driver;
    return is_device ? "raw" : NULL;
}

/* NULL for types of pools whose volumes have none. */
static const char *format_of(const PoolDef *pool, const VolumeDef *volume)
{
    return pool->schema->volume_formats
               ? format_name(pool->schema->volume_formats, volume->target.format)
               : NULL;
}

static void format_driver(const char *driver, XmlWriter *writer)
{
    XmlMark mark = xml_writer_begin(writer, NULL, "driver");

    xml_writer_attribute(writer, "name", "qemu");
    xml_writer_attribute(writer, "type", driver);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

/* ---- protocols ---- */

/* "pool/image", which is the volume's path. */
static char *name_in_rbd(const PoolDef *pool, const VolumeDef *volume, GError **error)
{
    return g_strdup(volume->target.path);
}

static char *name_in_gluster(const PoolDef *pool, const VolumeDef *volume, GError **error)
{
    g_autofree char *path =
        g_build_path("/", pool->source.name, pool->source.dir, volume->name, NULL);
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    g_autoptr(GString) clean = g_string_new(NULL);

    for (char **part = parts; *part; part++)
        if (**part != '\0')
            g_string_append_printf(clean, "%s%s", clean->len ? "/" : "", *part);
    return g_strdup(clean->str);
}

static char *name_in_sheepdog(const PoolDef *pool, const VolumeDef *volume, GError **error)
{
    return g_strdup(volume->name);
}

/* "target/unit"; the unit is the last number of "unit:0:0:3". */
static char *name_in_iscsi(const PoolDef *pool, const VolumeDef *volume, GError **error)
{
    const char *colon = strrchr(volume->name, ':');
    guint64 unit;

    if (pool->source.n_devices > 0 && colon && xml_read_number(colon + 1, 10, G_MAXUINT32, &unit))
        return g_strdup_printf("%s/%" G_GUINT64_FORMAT, pool->source.devices[0].path, unit);
    refuse(volume, "its name does not end with the number of a unit of the pool's target", error);
    return NULL;
}

const DiskProtocol disk_over_rbd = {
    .name = "rbd",
    .secret_type = "ceph",
    .source_name = name_in_rbd,
};
const DiskProtocol disk_over_gluster = {.name = "gluster", .source_name = name_in_gluster};
const DiskProtocol disk_over_sheepdog = {
    .name = "sheepdog",
    .one_host = true,
    .source_name = name_in_sheepdog,
};
const DiskProtocol disk_over_iscsi = {
    .name = "iscsi",
    .secret_type = "iscsi",
    .one_host = true,
    .has_initiator = true,
    .source_name = name_in_iscsi,
};

/* ---- <source> ---- */

static void format_hosts(const PoolSource *source, const DiskProtocol *protocol, XmlWriter *writer)
{
    guint count = protocol->one_host ? MIN(source->n_hosts, 1) : source->n_hosts;

    for (guint i = 0; i < count; i++) {
        const PoolHost *host = &source->hosts[i];
        XmlMark mark = xml_writer_begin(writer, NULL, "host");

        xml_writer_attribute(writer, "name", host->name);
        if (host->port) {
            g_autofree char *port = g_strdup_printf("%d", host->port);
            xml_writer_attribute(writer, "port", port);
        }
        xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
    }
}

static void format_secret(const SecretRef *secret, const char *type, const XmlScope *scope,
                          XmlWriter *writer)
{
    XmlMark mark = xml_writer_begin(writer, NULL, "secret");

    xml_writer_attribute(writer, "type", type);
    xml_fields_format(secret_ref_fields, secret, scope, writer);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

static void format_auth(const PoolAuth *auth, const DiskProtocol *protocol, const XmlScope *scope,
                        XmlWriter *writer)
{
    if (auth->type == AUTH_NONE || !protocol->secret_type)
        return;
    XmlMark mark = xml_writer_begin(writer, NULL, "auth");
    xml_writer_attribute(writer, "username", auth->username);
    format_secret(&auth->secret, protocol->secret_type, scope, writer);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

static void format_initiator(const PoolSource *source, const DiskProtocol *protocol,
                             XmlWriter *writer)
{
    if (!source->initiator || !protocol->has_initiator)
        return;
    XmlMark outer = xml_writer_begin(writer, NULL, "initiator");
    XmlMark iqn = xml_writer_begin(writer, NULL, "iqn");
    xml_writer_attribute(writer, "name", source->initiator);
    xml_writer_end(writer, &iqn, XML_EMPTY_CLOSED);
    xml_writer_end(writer, &outer, XML_EMPTY_CLOSED);
}

/* A machine needs the key, not how the image was made: of the volume's element only this. */
static void format_encryption(const Encryption *encryption, const XmlScope *scope,
                              XmlWriter *writer)
{
    if (encryption->format == ENCRYPTION_NONE)
        return;
    XmlMark mark = xml_writer_begin(writer, NULL, "encryption");
    xml_writer_attribute(writer, "format", encryption_format_name(encryption->format));
    if (encryption->engine != ENCRYPTION_ENGINE_UNSET)
        xml_writer_attribute(writer, "engine", encryption_engine_name(encryption->engine));
    for (guint i = 0; i < encryption->n_secrets; i++)
        format_secret(&encryption->secrets[i], encryption->secrets[i].type, scope, writer);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

/* How each type of volume is reached; none of it: not at all. */
static const struct Reach {
    const char *disk_type;
    const char *attribute; /* of <source>, with the volume's path; NULL: by the pool's protocol */
    const char *refusal;
} reaches[VOLUME_TYPE_COUNT] = {
    [VOLUME_FILE] = {"file", "file", NULL},
    [VOLUME_BLOCK] = {"block", "dev", NULL},
    [VOLUME_NETWORK] = {"network", NULL, NULL},
    [VOLUME_DIR] = {.refusal = "it is a folder"},
    [VOLUME_NETDIR] = {.refusal = "it is a folder"},
    [VOLUME_PLOOP] = {.refusal = "it is a folder with a ploop image, which only containers use"},
};

static bool check_reach(const PoolDef *pool, const VolumeDef *volume, GError **error)
{
    const struct Reach *reach = &reaches[volume->type];

    if (reach->refusal)
        return refuse(volume, reach->refusal, error);
    if (!reach->attribute && !pool->schema->disk_protocol)
        return refuse(volume, "machines can't reach volumes of this type of pool", error);
    if (!volume->target.path || (reach->attribute && !g_path_is_absolute(volume->target.path)))
        return refuse(volume, "it has no path on this host", error);
    return true;
}

/* What <source> begins with, found before anything is written. */
static char *find_source_name(const PoolDef *pool, const VolumeDef *volume, GError **error)
{
    if (reaches[volume->type].attribute)
        return g_strdup(volume->target.path);
    return pool->schema->disk_protocol->source_name(pool, volume, error);
}

static void format_source(const PoolDef *pool, const VolumeDef *volume, const char *name,
                          XmlWriter *writer)
{
    const struct Reach *reach = &reaches[volume->type];
    const DiskProtocol *protocol = reach->attribute ? NULL : pool->schema->disk_protocol;
    XmlScope scope = xml_scope(pool->schema, 0);
    XmlMark mark = xml_writer_begin(writer, NULL, "source");

    if (protocol)
        xml_writer_attribute(writer, "protocol", protocol->name);
    xml_writer_attribute(writer, protocol ? "name" : reach->attribute, name);
    if (protocol) {
        format_hosts(&pool->source, protocol, writer);
        format_initiator(&pool->source, protocol, writer);
        format_auth(&pool->source.auth, protocol, &scope, writer);
    }
    format_encryption(&volume->target.encryption, &scope, writer);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

/* ---- <disk> ---- */

static void format_target(const Attachment *attachment, XmlWriter *writer)
{
    XmlMark mark = xml_writer_begin(writer, NULL, "target");

    xml_writer_attribute(writer, "dev", attachment->target);
    xml_writer_attribute(writer, "bus", attachment->bus->name);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
    if (!attachment->read_only)
        return;
    mark = xml_writer_begin(writer, NULL, "readonly");
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

char *disk_format(const PoolDef *pool, const VolumeDef *volume, const DiskOptions *options,
                  GError **error)
{
    const char *format = format_of(pool, volume);
    const char *driver = find_driver(format, volume->type == VOLUME_BLOCK);
    g_auto(Attachment) attachment = {0};
    XmlWriter writer;

    if (!check_reach(pool, volume, error) ||
        !choose_attachment(format, options, &attachment, error))
        return NULL;
    if (!driver) {
        g_autofree char *why = g_strdup_printf("no machine reads the format '%s'", format);
        refuse(volume, why, error);
        return NULL;
    }
    g_autofree char *name = find_source_name(pool, volume, error);
    if (!name)
        return NULL;
    xml_writer_init(&writer, 0);
    XmlMark mark = xml_writer_begin(&writer, NULL, "disk");
    xml_writer_attribute(&writer, "type", reaches[volume->type].disk_type);
    xml_writer_attribute(&writer, "device", attachment.device->name);
    format_driver(driver, &writer);
    format_source(pool, volume, name, &writer);
    format_target(&attachment, &writer);
    xml_writer_end(&writer, &mark, XML_EMPTY_CLOSED);
    return xml_writer_finish(&writer);
}
