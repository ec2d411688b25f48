/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-journal.h"

#include "draft.h"
#include "errors.h"
#include "fd.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC        "CISTJNL3"
#define MAGIC_SIZE   8u
#define DIGEST_SIZE  32u /* SHA-256, of what follows it up to the end of the text */
#define NUMBERS_SIZE 12u
#define DATA_SIZE    (JOURNAL_BLOCK - MAGIC_SIZE - DIGEST_SIZE - NUMBERS_SIZE)

/* All numbers are little-endian. */
typedef struct JournalSlot {
    char magic[MAGIC_SIZE];
    guint8 digest[DIGEST_SIZE];
    guint64 sequence;             /* of two slots for one file, the higher counts */
    guint16 file_size, text_size; /* without a NUL */
    char data[DATA_SIZE];         /* the file's name, then its text, then zeros */
} JournalSlot;

G_STATIC_ASSERT(sizeof(JournalSlot) == JOURNAL_BLOCK);

typedef enum SlotState {
    SLOT_FREE,
    SLOT_TAKEN,    /* being written */
    SLOT_SAFE,     /* its file isn't made yet */
    SLOT_MADE,     /* its file is, but may not be on disk */
    SLOT_SETTLING, /* its file is being flushed */
} SlotState;

struct StoreJournal {
    int folder;   /* borrowed */
    int fd;       /* -1: not made yet; never changes after */
    GMutex names; /* held while one file is made or removed; taken before `lock` */
    GMutex lock;  /* guards what follows */
    bool is_being_made;
    guint64 sequence; /* of the slot that was taken last */
    SlotState states[JOURNAL_SLOTS];
    char *files[JOURNAL_SLOTS]; /* names; NULL: free, or forgotten */
    guint n_taken;              /* slots that aren't free */
};

/* ---- slots ---- */

/* Bytes; may be more than there are in a slot that isn't whole. */
static gsize data_size(const JournalSlot *slot)
{
    return (gsize)GUINT16_FROM_LE(slot->file_size) + GUINT16_FROM_LE(slot->text_size);
}

static void sum_up(const JournalSlot *slot, guint8 ret[DIGEST_SIZE])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = DIGEST_SIZE;

    g_checksum_update(checksum, (const guchar *)&slot->sequence,
                      (gssize)(NUMBERS_SIZE + data_size(slot)));
    g_checksum_get_digest(checksum, ret, &size);
}

static bool fits(const char *file, const char *text)
{
    return strlen(file) + strlen(text) <= DATA_SIZE;
}

static void fill_slot(JournalSlot *slot, guint64 sequence, const char *file, const char *text)
{
    gsize file_size = strlen(file), text_size = strlen(text);

    *slot = (JournalSlot){.sequence = GUINT64_TO_LE(sequence),
                          .file_size = GUINT16_TO_LE((guint16)file_size),
                          .text_size = GUINT16_TO_LE((guint16)text_size)};
    memcpy(slot->magic, MAGIC, MAGIC_SIZE);
    memcpy(slot->data, file, file_size);
    memcpy(slot->data + file_size, text, text_size);
    sum_up(slot, slot->digest);
}

/* What a slot holds. */
typedef struct Entry {
    guint64 sequence;
    char *file, *text;
} Entry;

static void entry_free(Entry *entry)
{
    g_free(entry->file);
    g_free(entry->text);
    g_free(entry);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Entry, entry_free)

static bool is_whole(const JournalSlot *slot)
{
    guint8 digest[DIGEST_SIZE];

    if (memcmp(slot->magic, MAGIC, MAGIC_SIZE) != 0 || data_size(slot) > DATA_SIZE)
        return false;
    sum_up(slot, digest);
    return memcmp(digest, slot->digest, DIGEST_SIZE) == 0;
}

/* NULL: it isn't whole, or of no file right in the folder. */
static Entry *parse_slot(const JournalSlot *slot)
{
    gsize file_size = GUINT16_FROM_LE(slot->file_size),
          text_size = GUINT16_FROM_LE(slot->text_size);

    if (!is_whole(slot))
        return NULL;
    g_autoptr(Entry) entry = g_new(Entry, 1);
    *entry = (Entry){GUINT64_FROM_LE(slot->sequence), g_strndup(slot->data, file_size),
                     g_strndup(slot->data + file_size, text_size)};
    if (*entry->file == '\0' || *entry->file == '.' || strchr(entry->file, '/'))
        return NULL;
    return g_steal_pointer(&entry);
}

static Entry *read_slot(int fd, guint number)
{
    JournalSlot slot;

    if (fd_read_at(fd, &slot, sizeof slot, number * (guint64)JOURNAL_BLOCK) != sizeof slot)
        return NULL;
    return parse_slot(&slot);
}

/* ---- files ---- */

/* False with errno when it can't be told. */
static bool holds_something(int folder, const char *file, bool *ret)
{
    gsize size = 0;
    g_autofree char *content = fd_read_file_at(folder, file, JOURNAL_BLOCK, &size);

    /* File systems may give a file its length before its content: zeros then. */
    *ret = content ? *content != '\0' : errno == EFBIG;
    return content || errno == ENOENT || errno == EFBIG;
}

static bool write_file(int folder, const char *file, const char *text, GError **error)
{
    autodraft Draft draft = DRAFT_INIT;

    if (!draft_create(folder, 0600, &draft, error))
        return false;
    if (!fd_write_at(draft.fd, text, strlen(text), 0))
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write its content");
    return draft_publish_unflushed(&draft, file, error);
}

/* Makes the file of an entry, unflushed, unless what is there holds something: that is newer. */
static bool make_if_void(int folder, const Entry *entry, bool *ret_made, GError **error)
{
    bool is_there = false;

    if (!holds_something(folder, entry->file, &is_there))
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read it");
    *ret_made = !is_there;
    return is_there || write_file(folder, entry->file, entry->text, error);
}

/* What was removed meanwhile has nothing left to flush. False with errno. */
static bool flush_file(int folder, const char *file)
{
    autofd int fd = fd_open_beneath(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

    return fd < 0 ? errno == ENOENT : fsync(fd) == 0;
}

/* A file whose content has its place already is flushed with the others. */
static void start_writing(int folder, const char *file)
{
    autofd int fd = fd_open_beneath(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

    if (fd >= 0)
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* These alone, not the whole file system: what others write there may take minutes. False with
 * errno. */
static bool flush_files(int folder, GPtrArray *files)
{
    for (guint i = 0; i < files->len; i++)
        start_writing(folder, files->pdata[i]);
    for (guint i = 0; i < files->len; i++)
        if (!flush_file(folder, files->pdata[i]))
            return false;
    return fd_flush_folder(folder);
}

/* ---- after the end of a process ---- */

/* file → the newest Entry for it. */
static GHashTable *read_journal(int fd)
{
    GHashTable *entries =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)entry_free);

    for (guint i = 0; i < JOURNAL_SLOTS; i++) {
        g_autoptr(Entry) entry = read_slot(fd, i);
        const Entry *other = entry ? g_hash_table_lookup(entries, entry->file) : NULL;
        if (entry && (!other || other->sequence < entry->sequence)) {
            char *file = entry->file;
            g_hash_table_replace(entries, file, g_steal_pointer(&entry));
        }
    }
    return entries;
}

static bool restore(int folder, const char *path, const Entry *entry, GError **error)
{
    bool made = false;

    if (!make_if_void(folder, entry, &made, error)) {
        error_add_context(error, "cannot restore '%s/%s': ", path, entry->file);
        return false;
    }
    if (made)
        log_warning("restored '%s/%s', which was defined right before the end", path, entry->file);
    return true;
}

/* The files are on disk then: those that were there may have been in memory alone. */
static bool restore_all(int folder, const char *path, GHashTable *entries, GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new();
    GHashTableIter iter;
    gpointer file, entry;

    g_hash_table_iter_init(&iter, entries);
    while (g_hash_table_iter_next(&iter, &file, &entry)) {
        if (!restore(folder, path, entry, error))
            return false;
        g_ptr_array_add(files, file);
    }
    return flush_files(folder, files) ||
           error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write what is in '%s' to disk",
                           path);
}

bool store_journal_replay(int folder, const char *path, GError **error)
{
    autofd int fd = fd_open_beneath(folder, JOURNAL_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

    if (fd < 0)
        return errno == ENOENT || error_set_errno(error, ORIGIN_STORAGE, errno,
                                                  "cannot open '%s/" JOURNAL_NAME "'", path);
    g_autoptr(GHashTable) entries = read_journal(fd);
    if (!restore_all(folder, path, entries, error))
        return false;
    if (unlinkat(folder, JOURNAL_NAME, 0) == 0 && fd_flush_folder(folder))
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot remove '%s/" JOURNAL_NAME "'",
                           path);
}

/* ---- the journal's file ---- */

StoreJournal *store_journal_new(int folder)
{
    StoreJournal *journal = g_new0(StoreJournal, 1);

    journal->folder = folder;
    journal->fd = -1;
    g_mutex_init(&journal->names);
    g_mutex_init(&journal->lock);
    return journal;
}

void store_journal_free(StoreJournal *journal)
{
    if (!journal)
        return;
    if (journal->fd >= 0 && journal->n_taken == 0)
        (void)unlinkat(journal->folder, JOURNAL_NAME, 0);
    fd_close(&journal->fd);
    for (guint i = 0; i < JOURNAL_SLOTS; i++)
        g_free(journal->files[i]);
    g_mutex_clear(&journal->names);
    g_mutex_clear(&journal->lock);
    g_free(journal);
}

/* All blocks are written once, so that none has to be found a place for later. False with errno. */
static bool fill_blocks(int fd)
{
    static const guint8 zeros[JOURNAL_BLOCK];

    for (guint i = 0; i < JOURNAL_SLOTS; i++)
        if (!fd_write_at(fd, zeros, sizeof zeros, i * (guint64)JOURNAL_BLOCK))
            return false;
    return fsync(fd) == 0;
}

/* -1: there is none. */
static int make_journal(int folder)
{
    autofd int fd =
        fd_open_beneath(folder, JOURNAL_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -1;
    if (fill_blocks(fd) && fd_flush_folder(folder))
        return fd_steal(&fd);
    (void)unlinkat(folder, JOURNAL_NAME, 0); /* the next one tries again */
    return -1;
}

/* True for the one who is to make it: while that goes on, others do without. */
static bool claim_making(StoreJournal *journal)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    if (journal->fd >= 0 || journal->is_being_made)
        return false;
    return journal->is_being_made = true;
}

static void make_if_missing(StoreJournal *journal)
{
    if (!claim_making(journal))
        return;
    int fd = make_journal(journal->folder);
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);
    journal->fd = fd;
    journal->is_being_made = false;
}

/* ---- writing ---- */

/* Who is told that a definition is saved must not find at the next start that the disk is too full
 * for its file. */
static bool has_room(int folder)
{
    struct statvfs fs;

    return fstatvfs(folder, &fs) == 0 &&
           fs.f_bavail >= 2 * JOURNAL_SLOTS * (guint64)JOURNAL_BLOCK / MAX(fs.f_frsize, 1) &&
           (fs.f_files == 0 || fs.f_favail >= 2 * JOURNAL_SLOTS);
}

static bool has_slot(const StoreJournal *journal, const char *file)
{
    for (guint i = 0; i < JOURNAL_SLOTS; i++)
        if (g_strcmp0(journal->files[i], file) == 0)
            return true;
    return false;
}

/* JOURNAL_SLOTS: none is free, or the file has one. */
static guint take_slot(StoreJournal *journal, const char *file, guint64 *ret_sequence)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);
    guint slot = 0;

    if (journal->fd < 0 || has_slot(journal, file))
        return JOURNAL_SLOTS;
    while (slot < JOURNAL_SLOTS && journal->states[slot] != SLOT_FREE)
        slot++;
    if (slot < JOURNAL_SLOTS) {
        journal->states[slot] = SLOT_TAKEN;
        journal->n_taken++;
        journal->files[slot] = g_strdup(file);
        *ret_sequence = ++journal->sequence;
    }
    return slot;
}

/* On disk when it returns; the place has been there before, so nothing but the block is written. */
static bool write_slot(int fd, guint slot, const JournalSlot *content)
{
    struct iovec block = {.iov_base = (void *)content, .iov_len = sizeof *content};
    off_t offset = (off_t)slot * JOURNAL_BLOCK;

    if (pwritev2(fd, &block, 1, offset, RWF_DSYNC) == (ssize_t)sizeof *content)
        return true;
    return fd_write_at(fd, content, sizeof *content, (guint64)offset) && fdatasync(fd) == 0;
}

static const JournalSlot empty_slot;

/* On disk when the journal is settled next, as a file's removal is. */
static void empty(StoreJournal *journal, guint slot)
{
    (void)fd_write_at(journal->fd, &empty_slot, sizeof empty_slot, slot * (guint64)JOURNAL_BLOCK);
}

static void release(StoreJournal *journal, guint slot)
{
    journal->states[slot] = SLOT_FREE;
    journal->n_taken--;
    g_clear_pointer(&journal->files[slot], g_free);
}

bool store_journal_add(StoreJournal *journal, const char *file, const char *text)
{
    JournalSlot content;
    guint64 sequence = 0;

    if (!fits(file, text) || !has_room(journal->folder))
        return false;
    make_if_missing(journal);
    guint slot = take_slot(journal, file, &sequence);
    if (slot == JOURNAL_SLOTS)
        return false;
    fill_slot(&content, sequence, file, text);
    bool written = write_slot(journal->fd, slot, &content);
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);
    if (written) {
        journal->states[slot] = SLOT_SAFE;
        return true;
    }
    empty(journal, slot);
    release(journal, slot);
    return false;
}

/* ---- making ---- */

static bool is_unmade(const StoreJournal *journal, guint slot)
{
    return journal->states[slot] == SLOT_SAFE && journal->files[slot];
}

/* JOURNAL_SLOTS: all files are made. */
static guint next_unmade(StoreJournal *journal)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);
    guint slot = 0;

    while (slot < JOURNAL_SLOTS && !is_unmade(journal, slot))
        slot++;
    return slot;
}

/* The file that is to be made for it; NULL: none. */
static char *unmade(StoreJournal *journal, guint slot)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    return is_unmade(journal, slot) ? g_strdup(journal->files[slot]) : NULL;
}

static void set_made(StoreJournal *journal, guint slot)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    journal->states[slot] = SLOT_MADE;
}

static bool make_slot(StoreJournal *journal, guint slot, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->names);
    g_autofree char *file = unmade(journal, slot);

    if (!file)
        return true;
    g_autoptr(Entry) entry = read_slot(journal->fd, slot);
    if (!entry)
        return error_set_errno(error, ORIGIN_STORAGE, EIO, "cannot read '" JOURNAL_NAME "'");
    if (!write_file(journal->folder, entry->file, entry->text, error)) {
        error_add_context(error, "cannot make '%s': ", file);
        return false;
    }
    set_made(journal, slot);
    return true;
}

bool store_journal_make(StoreJournal *journal, GError **error)
{
    guint slot;

    while ((slot = next_unmade(journal)) < JOURNAL_SLOTS)
        if (!make_slot(journal, slot, error))
            return false;
    return true;
}

void store_journal_forget(StoreJournal *journal, const char *file)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    for (guint i = 0; i < JOURNAL_SLOTS; i++)
        if (g_strcmp0(journal->files[i], file) == 0) {
            g_clear_pointer(&journal->files[i], g_free);
            empty(journal, i);
        }
}

bool store_journal_remove(StoreJournal *journal, const char *file)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->names);

    if (unlinkat(journal->folder, file, 0) < 0 && errno != ENOENT)
        return false;
    store_journal_forget(journal, file);
    return true;
}

/* ---- settling ---- */

bool store_journal_is_crowded(StoreJournal *journal)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    return journal->n_taken > JOURNAL_SLOTS / 4 * 3;
}

/* Names of the files to flush. What was forgotten before it was made has none. */
static GPtrArray *take_made(StoreJournal *journal)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < JOURNAL_SLOTS; i++) {
        bool is_forgotten = journal->states[i] == SLOT_SAFE && !journal->files[i];
        if (journal->states[i] != SLOT_MADE && !is_forgotten)
            continue;
        journal->states[i] = SLOT_SETTLING;
        if (journal->files[i])
            g_ptr_array_add(files, g_strdup(journal->files[i]));
    }
    return files;
}

static void give_back(StoreJournal *journal, bool flushed)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    for (guint i = 0; i < JOURNAL_SLOTS; i++) {
        if (journal->states[i] != SLOT_SETTLING)
            continue;
        if (!flushed) {
            journal->states[i] = SLOT_MADE;
            continue;
        }
        empty(journal, i);
        release(journal, i);
    }
}

/* -1: it isn't made. */
static int file_of(StoreJournal *journal)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    return journal->fd;
}

bool store_journal_settle(StoreJournal *journal, GError **error)
{
    bool made = store_journal_make(journal, error);
    g_autoptr(GPtrArray) files = take_made(journal);
    bool flushed = flush_files(journal->folder, files);
    int failed = errno;

    give_back(journal, flushed);
    int fd = file_of(journal);
    if (fd >= 0)
        (void)fdatasync(fd); /* a slot that comes back finds its file */
    if (made && !flushed)
        return error_set_errno(error, ORIGIN_STORAGE, failed, "cannot write files to disk");
    return made;
}
