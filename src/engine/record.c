/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory.h"

#include <malloc.h>
#include <string.h>

/*
 * A record is one allocation: a fixed head, then the name, key and path as C strings, then all
 * else in packed form. That form follows the field tables below: a mask that tells which fields
 * are set, and their values as numbers of variable length. What a volume doesn't have thus takes
 * no room.
 */

typedef enum RecordFlag {
    RECORD_IDENTITY = 1 << 0,
    RECORD_KEY = 1 << 1,         /* key follows the name */
    RECORD_PATH = 1 << 2,        /* path follows those */
    RECORD_KEY_IS_PATH = 1 << 3, /* key not derived, but equal to the path that follows */
    RECORD_CAPACITY = 1 << 4,
    RECORD_ALLOCATION = 1 << 5,
} RecordFlag;

struct VolumeRecord {
    gint refs;
    guint16 flags;
    guint16 type;
    guint64 capacity, allocation, physical;
    FileIdentity identity;
    char data[];
};

/* ---- field tables ---- */

typedef enum FieldKind {
    FIELD_END,
    FIELD_STRING, /* char * */
    FIELD_WORD,   /* 32 bits, unset = 0 */
    FIELD_ID,     /* 32 bits, unset = all ones */
    FIELD_SIZE,   /* 64 bits */
    FIELD_TIME,   /* 64 bits, near the base time */
    FIELD_FLAG,   /* bool */
    FIELD_UUID,
    FIELD_STRUCT,
    FIELD_LIST, /* pointer to structs, and their number */
} FieldKind;

typedef struct Field {
    FieldKind kind;
    gsize offset;
    const struct Field *fields; /* of a struct or list, ended by an empty row */
    gsize size;                 /* of a list's element */
    gsize count_offset;         /* of a list's number */
} Field;

#define FIELD(kind, type, member)                                                                  \
    {                                                                                              \
        kind, offsetof(type, member)                                                               \
    }
#define STRUCT(type, member, rows)                                                                 \
    {                                                                                              \
        FIELD_STRUCT, offsetof(type, member), rows                                                 \
    }
#define LIST(type, member, item, rows)                                                             \
    {                                                                                              \
        FIELD_LIST, offsetof(type, member), rows, sizeof(item), offsetof(type, n_##member)         \
    }
#define FIELDS_END                                                                                 \
    {                                                                                              \
        FIELD_END                                                                                  \
    }

G_STATIC_ASSERT(sizeof(guint) == sizeof(guint32));
G_STATIC_ASSERT(sizeof(EncryptionFormat) == sizeof(guint32));
G_STATIC_ASSERT(sizeof(Uuid) == 16);

static const Field permissions_fields[] = {
    FIELD(FIELD_ID, Permissions, mode),
    FIELD(FIELD_ID, Permissions, uid),
    FIELD(FIELD_ID, Permissions, gid),
    FIELD(FIELD_STRING, Permissions, label),
    FIELDS_END,
};

static const Field timestamps_fields[] = {
    FIELD(FIELD_TIME, Timestamps, atime),
    FIELD(FIELD_TIME, Timestamps, mtime),
    FIELD(FIELD_TIME, Timestamps, ctime),
    FIELD(FIELD_TIME, Timestamps, btime),
    FIELDS_END,
};

static const Field secret_fields[] = {
    FIELD(FIELD_STRING, SecretRef, type),
    FIELD(FIELD_FLAG, SecretRef, has_uuid),
    FIELD(FIELD_UUID, SecretRef, uuid),
    FIELD(FIELD_STRING, SecretRef, usage),
    FIELDS_END,
};

static const Field encryption_fields[] = {
    FIELD(FIELD_WORD, Encryption, format),
    FIELD(FIELD_WORD, Encryption, engine),
    LIST(Encryption, secrets, SecretRef, secret_fields),
    FIELD(FIELD_STRING, Encryption, cipher_name),
    FIELD(FIELD_STRING, Encryption, cipher_mode),
    FIELD(FIELD_STRING, Encryption, cipher_hash),
    FIELD(FIELD_WORD, Encryption, cipher_size),
    FIELD(FIELD_STRING, Encryption, ivgen_name),
    FIELD(FIELD_STRING, Encryption, ivgen_hash),
    FIELDS_END,
};

/* Without the path, which the volume's own target has apart. */
#define TARGET_FIELDS                                                                              \
    FIELD(FIELD_WORD, VolumeTarget, format),                                                       \
        STRUCT(VolumeTarget, permissions, permissions_fields),                                     \
        FIELD(FIELD_FLAG, VolumeTarget, has_timestamps),                                           \
        STRUCT(VolumeTarget, timestamps, timestamps_fields),                                       \
        STRUCT(VolumeTarget, encryption, encryption_fields),                                       \
        FIELD(FIELD_STRING, VolumeTarget, compat), FIELD(FIELD_FLAG, VolumeTarget, nocow),         \
        FIELD(FIELD_SIZE, VolumeTarget, cluster_size),                                             \
        FIELD(FIELD_STRING, VolumeTarget, thin_pool),                                              \
        FIELD(FIELD_FLAG, VolumeTarget, has_features), FIELD(FIELD_WORD, VolumeTarget, features)

static const Field target_fields[] = {TARGET_FIELDS, FIELDS_END};
static const Field backing_fields[] = {
    TARGET_FIELDS,
    FIELD(FIELD_STRING, VolumeTarget, path),
    FIELDS_END,
};

static const Field extent_fields[] = {
    FIELD(FIELD_STRING, VolumeExtent, device),
    FIELD(FIELD_SIZE, VolumeExtent, start),
    FIELD(FIELD_SIZE, VolumeExtent, end),
    FIELDS_END,
};

static const Field volume_fields[] = {
    STRUCT(VolumeDef, target, target_fields),
    FIELD(FIELD_FLAG, VolumeDef, has_backing),
    STRUCT(VolumeDef, backing, backing_fields),
    LIST(VolumeDef, extents, VolumeExtent, extent_fields),
    FIELD(FIELD_STRING, VolumeDef, problem),
    FIELDS_END,
};

/* ---- packing ---- */

/* Bytes as they come: in memory that is lent, on the heap when it isn't enough. */
typedef struct Packer {
    gint64 base_time;
    guint8 *bytes;
    gsize size, room;
    guint8 *heap; /* NULL: not needed so far */
} Packer;

typedef struct Unpacker {
    const guint8 *at;
    gint64 base_time;
} Unpacker;

static void make_room(Packer *packer, gsize size)
{
    bool was_lent = packer->heap == NULL;

    packer->room = 2 * packer->room + size;
    packer->heap = g_realloc(packer->heap, packer->room);
    if (was_lent)
        memcpy(packer->heap, packer->bytes, packer->size);
    packer->bytes = packer->heap;
}

static void put_bytes(Packer *packer, const void *bytes, gsize size)
{
    if (size > packer->room - packer->size)
        make_room(packer, size);
    memcpy(packer->bytes + packer->size, bytes, size);
    packer->size += size;
}

/* Seven bits a byte, lowest first, the top bit on all but the last. */
static void put_number(Packer *packer, guint64 number)
{
    guint8 bytes[10];
    guint n = 0;

    for (; number >= 0x80; number >>= 7)
        bytes[n++] = (guint8)(number | 0x80);
    bytes[n++] = (guint8)number;
    put_bytes(packer, bytes, n);
}

static guint64 get_number(Unpacker *unpacker)
{
    guint64 number = 0;

    for (guint shift = 0;; shift += 7) {
        guint8 byte = *unpacker->at++;
        number |= (guint64)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
}

static void pack_fields(Packer *packer, const Field *fields, const char *base);
static void unpack_fields(Unpacker *unpacker, const Field *fields, char *base, bool present);
static bool any_set(const Field *fields, const char *base);

static guint32 load_word(const char *at)
{
    guint32 word;

    memcpy(&word, at, sizeof word);
    return word;
}

static guint64 load_size(const char *at)
{
    guint64 size;

    memcpy(&size, at, sizeof size);
    return size;
}

static void *load_pointer(const char *at)
{
    void *pointer;

    memcpy(&pointer, at, sizeof pointer);
    return pointer;
}

static bool string_is_set(const Field *field, const char *at)
{
    return load_pointer(at) != NULL;
}

static void string_put(Packer *packer, const Field *field, const char *at)
{
    const char *text = load_pointer(at);
    gsize length = strlen(text);

    put_number(packer, length);
    put_bytes(packer, text, length);
}

static void string_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    gsize length = present ? (gsize)get_number(unpacker) : 0;
    char *text = present ? g_strndup((const char *)unpacker->at, length) : NULL;

    unpacker->at += length;
    memcpy(at, &text, sizeof text);
}

static bool word_is_set(const Field *field, const char *at)
{
    return load_word(at) != 0;
}

static void word_put(Packer *packer, const Field *field, const char *at)
{
    put_number(packer, load_word(at));
}

static void word_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    guint32 word = present ? (guint32)get_number(unpacker) : 0;

    memcpy(at, &word, sizeof word);
}

static bool id_is_set(const Field *field, const char *at)
{
    return load_word(at) != ID_UNSET;
}

static void id_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    guint32 id = present ? (guint32)get_number(unpacker) : ID_UNSET;

    memcpy(at, &id, sizeof id);
}

static bool size_is_set(const Field *field, const char *at)
{
    return load_size(at) != 0;
}

static void size_put(Packer *packer, const Field *field, const char *at)
{
    put_number(packer, load_size(at));
}

static void size_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    guint64 size = present ? get_number(unpacker) : 0;

    memcpy(at, &size, sizeof size);
}

/* The distance from the base time with its sign in the lowest bit, so that small ones are short. */
static void time_put(Packer *packer, const Field *field, const char *at)
{
    guint64 distance = load_size(at) - (guint64)packer->base_time;
    guint64 sign = distance >> 63 ? G_MAXUINT64 : 0;

    put_number(packer, (distance << 1) ^ sign);
}

static void time_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    guint64 number = present ? get_number(unpacker) : 0;
    guint64 distance = (number >> 1) ^ (0 - (number & 1));
    guint64 time = present ? (guint64)unpacker->base_time + distance : 0;

    memcpy(at, &time, sizeof time);
}

static bool flag_is_set(const Field *field, const char *at)
{
    return *(const bool *)at;
}

static void flag_put(Packer *packer, const Field *field, const char *at)
{
    /* Its bit in the mask says it all. */
}

static void flag_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    *(bool *)at = present;
}

static bool uuid_is_set(const Field *field, const char *at)
{
    static const Uuid unset;

    return memcmp(at, &unset, sizeof unset) != 0;
}

static void uuid_put(Packer *packer, const Field *field, const char *at)
{
    put_bytes(packer, at, sizeof(Uuid));
}

static void uuid_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    memset(at, 0, sizeof(Uuid));
    if (!present)
        return;
    memcpy(at, unpacker->at, sizeof(Uuid));
    unpacker->at += sizeof(Uuid);
}

static bool struct_is_set(const Field *field, const char *at)
{
    return any_set(field->fields, at);
}

static void struct_put(Packer *packer, const Field *field, const char *at)
{
    pack_fields(packer, field->fields, at);
}

static void struct_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    unpack_fields(unpacker, field->fields, at, present);
}

static guint list_count(const Field *field, const char *at)
{
    return load_word(at - field->offset + field->count_offset);
}

static bool list_is_set(const Field *field, const char *at)
{
    return list_count(field, at) > 0;
}

static void list_put(Packer *packer, const Field *field, const char *at)
{
    const char *items = load_pointer(at);
    guint count = list_count(field, at);

    put_number(packer, count);
    for (guint i = 0; i < count; i++)
        pack_fields(packer, field->fields, items + i * field->size);
}

static void list_get(Unpacker *unpacker, const Field *field, char *at, bool present)
{
    guint32 count = present ? (guint32)get_number(unpacker) : 0;
    char *items = count ? g_malloc0_n(count, field->size) : NULL;

    for (guint i = 0; i < count; i++)
        unpack_fields(unpacker, field->fields, items + i * field->size, true);
    memcpy(at, &items, sizeof items);
    memcpy(at - field->offset + field->count_offset, &count, sizeof count);
}

static const struct {
    bool (*is_set)(const Field *field, const char *at);
    void (*put)(Packer *packer, const Field *field, const char *at);
    void (*get)(Unpacker *unpacker, const Field *field, char *at, bool present);
} kinds[] = {
    [FIELD_STRING] = {string_is_set, string_put, string_get},
    [FIELD_WORD] = {word_is_set, word_put, word_get},
    [FIELD_ID] = {id_is_set, word_put, id_get},
    [FIELD_SIZE] = {size_is_set, size_put, size_get},
    [FIELD_TIME] = {size_is_set, time_put, time_get},
    [FIELD_FLAG] = {flag_is_set, flag_put, flag_get},
    [FIELD_UUID] = {uuid_is_set, uuid_put, uuid_get},
    [FIELD_STRUCT] = {struct_is_set, struct_put, struct_get},
    [FIELD_LIST] = {list_is_set, list_put, list_get},
};

static guint set_mask(const Field *fields, const char *base)
{
    guint mask = 0;

    for (guint i = 0; fields[i].kind != FIELD_END; i++)
        if (kinds[fields[i].kind].is_set(&fields[i], base + fields[i].offset))
            mask |= 1u << i;
    return mask;
}

static bool any_set(const Field *fields, const char *base)
{
    return set_mask(fields, base) != 0;
}

static void pack_fields(Packer *packer, const Field *fields, const char *base)
{
    guint mask = set_mask(fields, base);

    put_number(packer, mask);
    for (guint i = 0; fields[i].kind != FIELD_END; i++)
        if (mask & (1u << i))
            kinds[fields[i].kind].put(packer, &fields[i], base + fields[i].offset);
}

static void unpack_fields(Unpacker *unpacker, const Field *fields, char *base, bool present)
{
    guint mask = present ? (guint)get_number(unpacker) : 0;

    for (guint i = 0; fields[i].kind != FIELD_END; i++)
        kinds[fields[i].kind].get(unpacker, &fields[i], base + fields[i].offset,
                                  (mask & (1u << i)) != 0);
}

/* ---- names, keys, paths ---- */

static char *derive_path(const char *target_path, const char *name)
{
    if (!target_path)
        return NULL;
    return g_strconcat(target_path, g_str_has_suffix(target_path, "/") ? "" : "/", name, NULL);
}

static bool is_derived(const char *path, const char *target_path, const char *name)
{
    g_autofree char *derived = derive_path(target_path, name);

    return derived && strcmp(path, derived) == 0;
}

/* Which of key and path the record has to hold. */
static guint own_flags(const VolumeDef *volume, const char *target_path)
{
    const char *path = volume->target.path;
    bool own_path = path && !is_derived(path, target_path, volume->name);
    guint flags = own_path ? RECORD_PATH : 0;

    if (!volume->key)
        return flags | (own_path ? RECORD_KEY_IS_PATH : 0);
    if (own_path && strcmp(volume->key, path) == 0)
        return flags | RECORD_KEY_IS_PATH;
    if (is_derived(volume->key, target_path, volume->name))
        return flags;
    return flags | RECORD_KEY;
}

static void put_text(Packer *packer, const char *text)
{
    put_bytes(packer, text, strlen(text) + 1);
}

/* ---- making and freeing ---- */

VolumeRecord *volume_record_new(const VolumeDef *volume, const FileIdentity *identity,
                                const char *target_path)
{
    guint8 lent[1024];
    Packer packer = {identity ? identity->mtime : 0, lent, 0, sizeof lent};
    VolumeRecord head = {
        .refs = 1,
        .flags = (guint16)(own_flags(volume, target_path) | (identity ? RECORD_IDENTITY : 0) |
                           (volume->has_capacity ? RECORD_CAPACITY : 0) |
                           (volume->has_allocation ? RECORD_ALLOCATION : 0)),
        .type = (guint16)volume->type,
        .capacity = volume->capacity,
        .allocation = volume->allocation,
        .physical = volume->physical,
        .identity = identity ? *identity : (FileIdentity){0},
    };

    put_bytes(&packer, &head, offsetof(VolumeRecord, data));
    put_text(&packer, volume->name);
    if (head.flags & RECORD_KEY)
        put_text(&packer, volume->key);
    if (head.flags & RECORD_PATH)
        put_text(&packer, volume->target.path);
    pack_fields(&packer, volume_fields, (const char *)volume);
    return packer.heap ? g_realloc(packer.heap, packer.size) : g_memdup2(lent, packer.size);
}

VolumeRecord *volume_record_ref(VolumeRecord *record)
{
    g_atomic_int_inc(&record->refs);
    return record;
}

void volume_record_unref(VolumeRecord *record)
{
    if (record && g_atomic_int_dec_and_test(&record->refs))
        g_free(record);
}

/* ---- reading ---- */

const char *volume_record_name(const VolumeRecord *record)
{
    return record->data;
}

VolumeType volume_record_type(const VolumeRecord *record)
{
    return (VolumeType)record->type;
}

guint64 volume_record_capacity(const VolumeRecord *record)
{
    return record->capacity;
}

guint64 volume_record_allocation(const VolumeRecord *record)
{
    return record->allocation;
}

guint64 volume_record_physical(const VolumeRecord *record)
{
    return record->physical;
}

bool volume_record_has_identity(const VolumeRecord *record, const FileIdentity *identity)
{
    const FileIdentity *own = &record->identity;

    return (record->flags & RECORD_IDENTITY) && own->device == identity->device &&
           own->inode == identity->inode && own->size == identity->size &&
           own->mtime == identity->mtime && own->ctime == identity->ctime;
}

static const char *behind(const char *text)
{
    return text + strlen(text) + 1;
}

const char *volume_record_own_path(const VolumeRecord *record)
{
    if (!(record->flags & RECORD_PATH))
        return NULL;
    const char *next = behind(record->data);
    return record->flags & RECORD_KEY ? behind(next) : next;
}

const char *volume_record_own_key(const VolumeRecord *record)
{
    if (record->flags & RECORD_KEY)
        return behind(record->data);
    return record->flags & RECORD_KEY_IS_PATH ? volume_record_own_path(record) : NULL;
}

char *volume_record_key(const VolumeRecord *record, const char *target_path)
{
    const char *own = volume_record_own_key(record);

    return own ? g_strdup(own) : derive_path(target_path, record->data);
}

char *volume_record_path(const VolumeRecord *record, const char *target_path)
{
    const char *own = volume_record_own_path(record);

    return own ? g_strdup(own) : derive_path(target_path, record->data);
}

static const char *packed_fields(const VolumeRecord *record)
{
    const char *at = behind(record->data);

    if (record->flags & RECORD_KEY)
        at = behind(at);
    return record->flags & RECORD_PATH ? behind(at) : at;
}

VolumeDef *volume_record_unpack(const VolumeRecord *record, const char *target_path)
{
    Unpacker unpacker = {(const guint8 *)packed_fields(record),
                         record->flags & RECORD_IDENTITY ? record->identity.mtime : 0};
    VolumeDef *volume = volume_def_new();

    volume->type = (VolumeType)record->type;
    volume->name = g_strdup(record->data);
    volume->key = volume_record_key(record, target_path);
    volume->capacity = record->capacity;
    volume->allocation = record->allocation;
    volume->physical = record->physical;
    volume->has_capacity = record->flags & RECORD_CAPACITY;
    volume->has_allocation = record->flags & RECORD_ALLOCATION;
    unpack_fields(&unpacker, volume_fields, (char *)volume, true);
    volume->target.path = volume_record_path(record, target_path);
    return volume;
}

gsize volume_record_memory(const VolumeRecord *record)
{
    /* malloc's own word comes on top of what can be used. */
    return malloc_usable_size((void *)record) + sizeof(gsize);
}
