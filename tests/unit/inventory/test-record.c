/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory.h"
#include "samples.h"

#include <string.h>

/* ---- comparing definitions field by field ---- */

static void assert_same_permissions(const Permissions *a, const Permissions *b)
{
    g_assert_cmpuint(a->mode, ==, b->mode);
    g_assert_cmpuint(a->uid, ==, b->uid);
    g_assert_cmpuint(a->gid, ==, b->gid);
    g_assert_cmpstr(a->label, ==, b->label);
}

static void assert_same_encryption(const Encryption *a, const Encryption *b)
{
    g_assert_cmpint(a->format, ==, b->format);
    g_assert_cmpint(a->engine, ==, b->engine);
    g_assert_cmpuint(a->n_secrets, ==, b->n_secrets);
    for (guint i = 0; i < a->n_secrets; i++) {
        g_assert_cmpstr(a->secrets[i].type, ==, b->secrets[i].type);
        g_assert_cmpint(a->secrets[i].has_uuid, ==, b->secrets[i].has_uuid);
        g_assert_true(uuid_equal(&a->secrets[i].uuid, &b->secrets[i].uuid));
        g_assert_cmpstr(a->secrets[i].usage, ==, b->secrets[i].usage);
    }
    g_assert_cmpstr(a->cipher_name, ==, b->cipher_name);
    g_assert_cmpstr(a->cipher_mode, ==, b->cipher_mode);
    g_assert_cmpstr(a->cipher_hash, ==, b->cipher_hash);
    g_assert_cmpuint(a->cipher_size, ==, b->cipher_size);
    g_assert_cmpstr(a->ivgen_name, ==, b->ivgen_name);
    g_assert_cmpstr(a->ivgen_hash, ==, b->ivgen_hash);
}

static void assert_same_target(const VolumeTarget *a, const VolumeTarget *b)
{
    g_assert_cmpstr(a->path, ==, b->path);
    g_assert_cmpint(a->format, ==, b->format);
    assert_same_permissions(&a->permissions, &b->permissions);
    g_assert_cmpint(a->has_timestamps, ==, b->has_timestamps);
    g_assert_cmpint(a->timestamps.atime, ==, b->timestamps.atime);
    g_assert_cmpint(a->timestamps.mtime, ==, b->timestamps.mtime);
    g_assert_cmpint(a->timestamps.ctime, ==, b->timestamps.ctime);
    g_assert_cmpint(a->timestamps.btime, ==, b->timestamps.btime);
    assert_same_encryption(&a->encryption, &b->encryption);
    g_assert_cmpstr(a->compat, ==, b->compat);
    g_assert_cmpint(a->nocow, ==, b->nocow);
    g_assert_cmpuint(a->cluster_size, ==, b->cluster_size);
    g_assert_cmpint(a->has_features, ==, b->has_features);
    g_assert_cmpuint(a->features, ==, b->features);
}

static void assert_same_volume(const VolumeDef *a, const VolumeDef *b)
{
    g_assert_cmpint(a->type, ==, b->type);
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->key, ==, b->key);
    g_assert_cmpuint(a->n_extents, ==, b->n_extents);
    for (guint i = 0; i < a->n_extents; i++) {
        g_assert_cmpstr(a->extents[i].device, ==, b->extents[i].device);
        g_assert_cmpuint(a->extents[i].start, ==, b->extents[i].start);
        g_assert_cmpuint(a->extents[i].end, ==, b->extents[i].end);
    }
    g_assert_cmpuint(a->capacity, ==, b->capacity);
    g_assert_cmpuint(a->allocation, ==, b->allocation);
    g_assert_cmpuint(a->physical, ==, b->physical);
    g_assert_cmpint(a->has_capacity, ==, b->has_capacity);
    g_assert_cmpint(a->has_allocation, ==, b->has_allocation);
    assert_same_target(&a->target, &b->target);
    g_assert_cmpint(a->has_backing, ==, b->has_backing);
    assert_same_target(&a->backing, &b->backing);
    g_assert_cmpstr(a->problem, ==, b->problem);
}

/* ---- making definitions ---- */

static char *random_text(GRand *rand, bool may_be_unset)
{
    gsize length = (gsize)g_rand_int_range(rand, 0, g_rand_boolean(rand) ? 12 : 300);

    if (may_be_unset && g_rand_boolean(rand))
        return NULL;
    char *text = g_malloc(length + 1);
    for (gsize i = 0; i < length; i++)
        text[i] = (char)g_rand_int_range(rand, 1, 256);
    text[length] = '\0';
    return text;
}

static guint64 random_number(GRand *rand)
{
    guint64 bits = (guint64)g_rand_int(rand) << 32 | g_rand_int(rand);

    return g_rand_boolean(rand) ? 0 : bits >> g_rand_int_range(rand, 0, 64);
}

static Permissions random_permissions(GRand *rand)
{
    return (Permissions){
        .mode = g_rand_boolean(rand) ? MODE_UNSET : g_rand_int(rand) & 07777,
        .uid = g_rand_boolean(rand) ? ID_UNSET : g_rand_int(rand),
        .gid = g_rand_boolean(rand) ? ID_UNSET : (guint32)random_number(rand),
        .label = random_text(rand, true),
    };
}

static void fill_encryption(GRand *rand, Encryption *encryption)
{
    encryption->format = (EncryptionFormat)g_rand_int_range(rand, 0, ENCRYPTION_LUKS2 + 1);
    encryption->engine = (EncryptionEngine)g_rand_int_range(rand, 0, 3);
    encryption->n_secrets = (guint)g_rand_int_range(rand, 0, 3);
    encryption->secrets = g_new0(SecretRef, encryption->n_secrets);
    for (guint i = 0; i < encryption->n_secrets; i++) {
        encryption->secrets[i].type = random_text(rand, true);
        encryption->secrets[i].has_uuid = g_rand_boolean(rand);
        if (g_rand_boolean(rand))
            uuid_generate(&encryption->secrets[i].uuid);
        encryption->secrets[i].usage = random_text(rand, true);
    }
    encryption->cipher_name = random_text(rand, true);
    encryption->cipher_mode = random_text(rand, true);
    encryption->cipher_hash = random_text(rand, true);
    encryption->cipher_size = (guint)random_number(rand);
    encryption->ivgen_name = random_text(rand, true);
    encryption->ivgen_hash = random_text(rand, true);
}

static void fill_target(GRand *rand, VolumeTarget *target)
{
    target->path = random_text(rand, false);
    target->format = g_rand_int_range(rand, 0, IMAGE_FORMAT_VHDX + 1);
    target->permissions = random_permissions(rand);
    target->has_timestamps = g_rand_boolean(rand);
    target->timestamps = (Timestamps){
        .atime = (gint64)random_number(rand),
        .mtime = -(gint64)(random_number(rand) >> 1),
        .ctime = (gint64)random_number(rand),
        .btime = G_MININT64,
    };
    if (g_rand_boolean(rand))
        fill_encryption(rand, &target->encryption);
    target->compat = random_text(rand, true);
    target->nocow = g_rand_boolean(rand);
    target->cluster_size = random_number(rand);
    target->has_features = g_rand_boolean(rand);
    target->features = g_rand_int(rand) & (FEATURE_LAZY_REFCOUNTS | FEATURE_EXTENDED_L2);
}

static VolumeDef *random_volume(GRand *rand)
{
    VolumeDef *volume = volume_def_new();

    volume->type = (VolumeType)g_rand_int_range(rand, 0, VOLUME_TYPE_COUNT);
    volume->name = random_text(rand, false);
    volume->key = random_text(rand, false);
    volume->n_extents = (guint)g_rand_int_range(rand, 0, 4);
    volume->extents = volume->n_extents ? g_new0(VolumeExtent, volume->n_extents) : NULL;
    for (guint i = 0; i < volume->n_extents; i++)
        volume->extents[i] =
            (VolumeExtent){random_text(rand, true), random_number(rand), random_number(rand)};
    volume->capacity = random_number(rand);
    volume->allocation = random_number(rand);
    volume->physical = random_number(rand);
    volume->has_capacity = g_rand_boolean(rand);
    volume->has_allocation = g_rand_boolean(rand);
    fill_target(rand, &volume->target);
    volume->has_backing = g_rand_boolean(rand);
    if (volume->has_backing)
        fill_target(rand, &volume->backing);
    volume->problem = random_text(rand, true);
    return volume;
}

/* ---- tests ---- */

static void test_any_volume(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);

    for (int i = 0; i < 3000; i++) {
        g_autoptr(VolumeDef) volume = random_volume(rand);
        FileIdentity identity = {.mtime = (gint64)random_number(rand)};
        bool has_identity = g_rand_boolean(rand);
        g_autoptr(VolumeRecord) record =
            volume_record_new(volume, has_identity ? &identity : NULL, SAMPLE_TARGET);
        g_autoptr(VolumeDef) unpacked = volume_record_unpack(record, SAMPLE_TARGET);
        assert_same_volume(volume, unpacked);
        g_assert_cmpint(volume_record_has_identity(record, &identity), ==, has_identity);
    }
}

static void test_same_document(void)
{
    static const FormatTable *formats = &image_formats;
    const PoolSchema schema = {.type = "dir", .volume_formats = formats};
    VolumeDef volume = sample_file("overlay.qcow2", 10737418240);
    FileIdentity identity = sample_identity(12);

    volume.key = volume.target.path = (char *)SAMPLE_TARGET "/overlay.qcow2";
    volume.target.features = FEATURE_LAZY_REFCOUNTS | FEATURE_EXTENDED_L2;
    volume.target.permissions.label = (char *)"system_u:object_r:virt_image_t:s0";
    volume.target.encryption.format = ENCRYPTION_LUKS;
    volume.has_backing = true;
    volume.backing.path = (char *)SAMPLE_TARGET "/base.qcow2";
    volume.backing.format = IMAGE_FORMAT_QCOW2;
    volume.backing.permissions = (Permissions){.mode = 0644, .uid = 0, .gid = 0};

    g_autoptr(VolumeRecord) record = volume_record_new(&volume, &identity, SAMPLE_TARGET);
    g_autoptr(VolumeDef) unpacked = volume_record_unpack(record, SAMPLE_TARGET);
    g_autofree char *expected = volume_def_format(&volume, &schema);
    g_autofree char *document = volume_def_format(unpacked, &schema);
    g_assert_cmpstr(document, ==, expected);
    assert_same_volume(&volume, unpacked);
}

static void test_bare_volume(void)
{
    VolumeDef volume;

    volume_def_init(&volume);
    volume.name = (char *)"";
    g_autoptr(VolumeRecord) record = volume_record_new(&volume, NULL, NULL);
    g_autoptr(VolumeDef) unpacked = volume_record_unpack(record, NULL);
    assert_same_volume(&volume, unpacked);
    g_assert_null(volume_record_key(record, NULL));
}

static void test_key_and_path(void)
{
    static const struct {
        const char *key, *path, *own_key, *own_path, *ret_key, *ret_path;
    } rows[] = {
        {NULL, NULL, NULL, NULL, "/srv/images/v", "/srv/images/v"},
        {"/srv/images/v", "/srv/images/v", NULL, NULL, "/srv/images/v", "/srv/images/v"},
        {NULL, "/srv/images/v", NULL, NULL, "/srv/images/v", "/srv/images/v"},
        {"K", "/srv/images/v", "K", NULL, "K", "/srv/images/v"},
        {"K", "/dev/v", "K", "/dev/v", "K", "/dev/v"},
        {"/dev/v", "/dev/v", "/dev/v", "/dev/v", "/dev/v", "/dev/v"},
        {NULL, "/dev/v", "/dev/v", "/dev/v", "/dev/v", "/dev/v"},
        {"/srv/images/v", "/dev/v", NULL, "/dev/v", "/srv/images/v", "/dev/v"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VolumeRecord) record = sample_device("v", rows[i].key, rows[i].path);
        g_autofree char *key = volume_record_key(record, SAMPLE_TARGET);
        g_autofree char *path = volume_record_path(record, SAMPLE_TARGET);
        g_assert_cmpstr(volume_record_own_key(record), ==, rows[i].own_key);
        g_assert_cmpstr(volume_record_own_path(record), ==, rows[i].own_path);
        g_assert_cmpstr(key, ==, rows[i].ret_key);
        g_assert_cmpstr(path, ==, rows[i].ret_path);
    }
}

static void test_identity(void)
{
    g_autoptr(VolumeRecord) record = sample_record("v", 77);
    FileIdentity same = sample_identity(77);
    FileIdentity others[5] = {same, same, same, same, same};

    others[0].device++;
    others[1].inode++;
    others[2].size++;
    others[3].mtime++;
    others[4].ctime++;
    g_assert_true(volume_record_has_identity(record, &same));
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        g_assert_false(volume_record_has_identity(record, &others[i]));

    g_autoptr(VolumeRecord) without = sample_device("v", "k", "p");
    g_assert_false(volume_record_has_identity(without, &(FileIdentity){0}));
}

static void test_head(void)
{
    g_autoptr(VolumeRecord) record = sample_record("disk.qcow2", 1 << 20);

    g_assert_cmpstr(volume_record_name(record), ==, "disk.qcow2");
    g_assert_cmpint(volume_record_type(record), ==, VOLUME_FILE);
    g_assert_cmpuint(volume_record_capacity(record), ==, 1 << 20);
    g_assert_cmpuint(volume_record_allocation(record), ==, 1 << 19);
    g_assert_cmpuint(volume_record_physical(record), ==, 1 << 19);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/record/any-volume", test_any_volume);
    g_test_add_func("/record/same-document", test_same_document);
    g_test_add_func("/record/bare-volume", test_bare_volume);
    g_test_add_func("/record/key-and-path", test_key_and_path);
    g_test_add_func("/record/identity", test_identity);
    g_test_add_func("/record/head", test_head);
    return g_test_run();
}
