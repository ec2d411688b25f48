/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The <disk> element of a volume, for every type of pool. The files in disk/ are what is expected;
 * test-disk-schema holds the same files against libvirt's own schema. */
#include "golden.h"

#include "disk.h"
#include "errors.h"

typedef struct DiskCase {
    const char *name; /* disk/NAME.xml */
    const char *pool; /* pool/POOL.in.xml */
    VolumeType type;
    const char *volume, *path, *rest; /* of the volume's document */
    DiskOptions options;
} DiskCase;

#define FORMAT(word) "<format type='" word "'/>"
#define SECRET       "<secret type='passphrase' uuid='0d5f5fe2-1111-4c55-9a70-000000000001'/>"

static const DiskCase cases[] = {
    {"dir", "dir", VOLUME_FILE, "vm.raw", "/srv/a&b/vm.raw", FORMAT("raw")},
    {"dir-qcow2", "dir", VOLUME_FILE, "vm", "/srv/vm", FORMAT("qcow2"), {.target = "vdb"}},
    {"dir-luks", "dir", VOLUME_FILE, "v", "/srv/v",
     FORMAT("raw") "<encryption format='luks'>" SECRET
                   "<cipher name='aes' size='256'/><ivgen name='plain64'/></encryption>"},
    {"dir-luks-no-secret", "dir", VOLUME_FILE, "v", "/srv/v",
     FORMAT("qcow2") "<encryption format='luks'/>"},
    {"dir-iso", "dir", VOLUME_FILE, "cd.iso", "/srv/cd.iso", FORMAT("iso")},
    {"dir-iso-as-disk",
     "dir",
     VOLUME_FILE,
     "cd.iso",
     "/srv/cd.iso",
     FORMAT("iso"),
     {.device = "disk", .read_only = true}},
    {"dir-cdrom-ide",
     "dir",
     VOLUME_FILE,
     "cd",
     "/srv/cd",
     FORMAT("raw"),
     {.device = "cdrom", .bus = "ide", .target = "hdc"}},
    {"dir-floppy", "dir", VOLUME_FILE, "f", "/srv/f", FORMAT("raw"), {.bus = "fdc"}},
    {"dir-floppy-target", "dir", VOLUME_FILE, "f", "/srv/f", FORMAT("raw"), {.target = "fdb"}},
    {"dir-sata", "dir", VOLUME_FILE, "f", "/srv/f", FORMAT("vmdk"), {.bus = "sata"}},
    {"dir-scsi", "dir", VOLUME_FILE, "f", "/srv/f", FORMAT("vdi"), {.target = "sdaa"}},
    {"dir-xen", "dir", VOLUME_FILE, "f", "/srv/f", FORMAT("vpc"), {.target = "xvda"}},
    {"dir-usb",
     "dir",
     VOLUME_FILE,
     "f",
     "/srv/f",
     FORMAT("qed"),
     {.bus = "usb", .target = "sdb", .read_only = true}},
    {"fs", "fs", VOLUME_FILE, "v", "/srv/v", FORMAT("qcow2")},
    {"netfs", "netfs", VOLUME_FILE, "v", "/srv/v", FORMAT("qcow2")},
    {"vstorage", "vstorage", VOLUME_FILE, "v", "/srv/vm/v", FORMAT("qcow2")},
    {"logical", "logical", VOLUME_BLOCK, "lv", "/dev/vg/lv", ""},
    {"logical-luks", "logical", VOLUME_BLOCK, "lv", "/dev/vg/lv",
     "<encryption format='luks' engine='qemu'><secret type='passphrase' usage='a b'/>"
     "</encryption>"},
    {"disk", "disk", VOLUME_BLOCK, "sdb1", "/dev/disk/by-id/x-part1", FORMAT("none")},
    {"iscsi", "iscsi", VOLUME_BLOCK, "unit:0:0:1", "/dev/disk/by-path/ip-a:3260-iscsi-i-lun-1", ""},
    {"scsi", "scsi-name", VOLUME_BLOCK, "unit:0:0:1", "/dev/disk/by-path/pci-0-scsi-0:0:0:1", ""},
    {"mpath", "mpath", VOLUME_BLOCK, "dm-3", "/dev/mapper/mpatha", ""},
    {"zfs", "zfs", VOLUME_BLOCK, "v", "/dev/zvol/tank/vm/v", ""},
    {"rbd", "rbd", VOLUME_NETWORK, "v", "p/v", FORMAT("raw")},
    {"rbd-no-auth", "rbd-options", VOLUME_NETWORK, "v", "p/v",
     FORMAT("raw") "<encryption format='luks2' engine='librbd'>" SECRET "</encryption>"},
    {"gluster", "gluster", VOLUME_NETWORK, "v.qcow2", "gluster://h/vol1/sub/dir/v.qcow2",
     FORMAT("qcow2")},
    {"gluster-root", "gluster-defaults", VOLUME_NETWORK, "v", "gluster://h/images/v",
     FORMAT("raw")},
    {"sheepdog", "sheepdog", VOLUME_NETWORK, "v", "v", ""},
    {"iscsi-direct", "iscsi-direct", VOLUME_NETWORK, "unit:0:0:12", "ip-h:3260-iscsi-i-lun-12", ""},
};

static PoolDef *read_pool(const char *name)
{
    g_autofree char *file = g_strconcat(name, ".in.xml", NULL);
    g_autofree char *xml = golden_read("pool", file);
    g_autoptr(GError) error = NULL;
    PoolDef *pool = pool_def_parse(xml, backend_schemas(), 0, &error);

    g_assert_no_error(error);
    return pool;
}

/* As it comes from a daemon: through its document, its type beside it. */
static VolumeDef *make_volume(const PoolDef *pool, const DiskCase *disk)
{
    g_autofree char *xml =
        g_markup_printf_escaped("<volume><name>%s</name><capacity>1</capacity><target>"
                                "<path>%s</path>",
                                disk->volume, disk->path);
    g_autofree char *whole = g_strconcat(xml, disk->rest, "</target></volume>", NULL);
    g_autoptr(GError) error = NULL;
    VolumeDef *volume = volume_def_parse(whole, pool->schema, 0, &error);

    g_assert_no_error(error);
    volume->type = disk->type;
    return volume;
}

static void test_disk(gconstpointer data)
{
    const DiskCase *disk = data;
    g_autoptr(PoolDef) pool = read_pool(disk->pool);
    g_autoptr(VolumeDef) volume = make_volume(pool, disk);
    g_autofree char *file = g_strconcat(disk->name, ".xml", NULL);
    g_autofree char *expected = golden_read("disk", file);
    g_autoptr(GError) error = NULL;
    g_autofree char *output = disk_format(pool, volume, &disk->options, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(output, ==, expected);
}

/* Of iscsi-direct with a password, for which there is no document among the pools. */
static void test_chap(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolDef) pool = pool_def_parse(
        "<pool type='iscsi-direct'><name>n</name><source><host name='::1' port='3261'/>"
        "<device path='iqn.t'/><initiator><iqn name='iqn.me'/></initiator>"
        "<auth type='chap' username='u'><secret usage='s'/></auth></source></pool>",
        backend_schemas(), 0, &error);
    const DiskCase disk = {.type = VOLUME_NETWORK, .volume = "unit:0:0:0", .path = "x", .rest = ""};
    g_autoptr(VolumeDef) volume = make_volume(pool, &disk);
    g_autofree char *expected = golden_read("disk", "iscsi-direct-chap.xml");
    g_autofree char *output = disk_format(pool, volume, &disk.options, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(output, ==, expected);
}

static void test_every_type(void)
{
    for (guint i = 0; i < n_backends; i++) {
        bool found = false;
        for (guint k = 0; k < G_N_ELEMENTS(cases); k++) {
            g_autoptr(PoolDef) pool = read_pool(cases[k].pool);
            found |= pool->schema == &backends[i]->schema;
        }
        if (!found)
            g_test_fail_printf("no case for %s", backends[i]->schema.type);
    }
}

typedef struct Refusal {
    DiskCase disk;
    ErrorCode code;
    const char *message;
} Refusal;

#define UNSUPPORTED ERROR_OPERATION_UNSUPPORTED
#define FILE_OF(format, ...)                                                                       \
    {                                                                                              \
        "", "dir", VOLUME_FILE, "v", "/v", FORMAT(format),                                         \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const Refusal refusals[] = {
    {{"", "dir", VOLUME_DIR, "v", "/v", FORMAT("dir")}, UNSUPPORTED, "*it is a folder"},
    {{"", "gluster", VOLUME_NETDIR, "v", "/v", FORMAT("dir")}, UNSUPPORTED, "*it is a folder"},
    {{"", "dir", VOLUME_PLOOP, "v", "/v", FORMAT("ploop")}, UNSUPPORTED, "*ploop image*"},
    {{"", "dir", VOLUME_NETWORK, "v", "/v", FORMAT("raw")}, UNSUPPORTED, "*can't reach*"},
    {{"", "dir", VOLUME_FILE, "v", "v", FORMAT("raw")}, UNSUPPORTED, "*no path on this host"},
    {{"", "disk", VOLUME_BLOCK, "sdb2", "/dev/sdb2", FORMAT("extended")},
     UNSUPPORTED,
     "*no machine reads the format 'extended'"},
    {{"", "iscsi-direct", VOLUME_NETWORK, "unit", "x", ""}, UNSUPPORTED, "*number of a unit*"},
    {{"", "iscsi-direct", VOLUME_NETWORK, "u:0:x", "x", ""}, UNSUPPORTED, "*number of a unit*"},
    {FILE_OF("fat"), UNSUPPORTED, "*'v' can't be a machine's disk: no machine reads the format*"},
    {FILE_OF("cow"), UNSUPPORTED, "*format 'cow'"},
    {FILE_OF("raw", .device = "tape"), ERROR_INVALID_ARGUMENT, "*'tape' is no kind*"},
    {FILE_OF("raw", .bus = "pci"), ERROR_INVALID_ARGUMENT, "*'pci' is no bus*"},
    {FILE_OF("raw", .target = "vd"), ERROR_INVALID_ARGUMENT, "*'vd' is no target*"},
    {FILE_OF("raw", .target = "vda1"), ERROR_INVALID_ARGUMENT, "*'vda1' is no target*"},
    {FILE_OF("raw", .target = "vda'/>"), ERROR_INVALID_ARGUMENT, "*is no target*"},
    {FILE_OF("raw", .target = ""), ERROR_INVALID_ARGUMENT, "*'' is no target*"},
    {FILE_OF("raw", .device = "cdrom", .bus = "virtio"), ERROR_INVALID_ARGUMENT,
     "*a cdrom can't be on the bus 'virtio'"},
    {FILE_OF("raw", .device = "disk", .bus = "fdc"), ERROR_INVALID_ARGUMENT,
     "*a disk can't be on the bus 'fdc'"},
    {FILE_OF("iso", .target = "vda"), ERROR_INVALID_ARGUMENT,
     "*a cdrom can't be on the bus 'virtio'"},
};

static void test_refusal(gconstpointer data)
{
    const Refusal *refusal = data;
    g_autoptr(PoolDef) pool = read_pool(refusal->disk.pool);
    g_autoptr(VolumeDef) volume = make_volume(pool, &refusal->disk);
    g_autoptr(GError) error = NULL;

    g_assert_null(disk_format(pool, volume, &refusal->disk.options, &error));
    g_assert_cmpint(error_code(error), ==, refusal->code);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_STORAGE);
    if (!g_pattern_match_simple(refusal->message, error->message))
        g_test_fail_printf("'%s', not '%s'", error->message, refusal->message);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/disk/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_disk);
    }
    g_test_add_func("/disk/iscsi-direct-chap", test_chap);
    g_test_add_func("/disk/every-type", test_every_type);
    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/refusal/%02u", i);

        g_test_add_data_func(path, &refusals[i], test_refusal);
    }
    return g_test_run();
}
