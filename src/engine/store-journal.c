/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-journal.h"

#include "draft.h"
#include "errors.h"
#include "fd.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC       "CISTJNL1"
#define MAGIC_SIZE  8u
#define DIGEST_SIZE 32u /* SHA-256, of all that follows it */
#define DATA_SIZE   (JOURNAL_BLOCK - MAGIC_SIZE - DIGEST_SIZE - 4u)

typedef struct JournalSlot {
    char magic[MAGIC_SIZE];
    guint8 digest[DIGEST_SIZE];
    guint16 file_size, text_size; /* little-endian; both without a NUL */
    char data[DATA_SIZE];         /* the file's name, then its text, then zeros */
} JournalSlot;

G_STATIC_ASSERT(sizeof(JournalSlot) == JOURNAL_BLOCK);

typedef enum SlotState {
    SLOT_FREE,
    SLOT_TAKEN,    /* being written */
    SLOT_SAFE,     /* its file may not be on disk yet */
    SLOT_SETTLING, /* its file is being flushed */
} SlotState;

struct StoreJournal {
    int folder; /* borrowed */
    int fd;     /* -1: not made yet; never changes after */
    GMutex lock;
    bool is_being_made;
    SlotState states[JOURNAL_SLOTS];
    char *files[JOURNAL_SLOTS]; /* names; NULL: free, or forgotten */
    guint n_taken;              /* slots that aren't free */
};

/* ---- slots ---- */

static void sum_up(const JournalSlot *slot, guint8 ret[DIGEST_SIZE])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = DIGEST_SIZE;

    g_checksum_update(checksum, (const guchar *)&slot->file_size,
                      JOURNAL_BLOCK - MAGIC_SIZE - DIGEST_SIZE);
    g_checksum_get_digest(checksum, ret, &size);
}

static bool fill_slot(JournalSlot *slot, const char *file, const char *text)
{
    gsize file_size = strlen(file), text_size = strlen(text);

    if (file_size + text_size > DATA_SIZE)
        return false;
    *slot = (JournalSlot){.file_size = GUINT16_TO_LE((guint16)file_size),
                          .text_size = GUINT16_TO_LE((guint16)text_size)};
    memcpy(slot->magic, MAGIC, MAGIC_SIZE);
    memcpy(slot->data, file, file_size);
    memcpy(slot->data + file_size, text, text_size);
    sum_up(slot, slot->digest);
    return true;
}

/* Whole, and of a file right in the folder. */
static bool read_slot(const JournalSlot *slot, char **ret_file, char **ret_text)
{
    guint8 digest[DIGEST_SIZE];
    gsize file_size = GUINT16_FROM_LE(slot->file_size),
          text_size = GUINT16_FROM_LE(slot->text_size);

    if (memcmp(slot->magic, MAGIC, MAGIC_SIZE) != 0 || file_size + text_size > DATA_SIZE)
        return false;
    sum_up(slot, digest);
    if (memcmp(digest, slot->digest, DIGEST_SIZE) != 0)
        return false;
    g_autofree char *file = g_strndup(slot->data, file_size);
    if (*file == '\0' || *file == '.' || strchr(file, '/'))
        return false;
    *ret_file = g_steal_pointer(&file);
    *ret_text = g_strndup(slot->data + file_size, text_size);
    return true;
}

/* What was removed meanwhile has nothing left to flush. False with errno. */
static bool flush_file(int folder, const char *file)
{
    autofd int fd = fd_open_beneath(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

    return fd < 0 ? errno == ENOENT : fsync(fd) == 0;
}

/* ---- after a power failure ---- */

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
    return draft_publish(&draft, file, true, error);
}

/* One that is there may be in memory alone, when no power failure came but the end of a process. */
static bool restore(int folder, const char *path, const char *file, const char *text,
                    GError **error)
{
    bool is_there = false;

    if (!holds_something(folder, file, &is_there) || (is_there && !flush_file(folder, file)))
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read '%s/%s'", path, file);
    if (is_there)
        return true;
    if (!write_file(folder, file, text, error)) {
        error_add_context(error, "cannot restore '%s/%s': ", path, file);
        return false;
    }
    log_warning("restored '%s/%s', which a power failure took", path, file);
    return true;
}

bool store_journal_replay(int folder, const char *path, GError **error)
{
    autofd int fd = fd_open_beneath(folder, JOURNAL_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    JournalSlot slot;

    if (fd < 0)
        return errno == ENOENT || error_set_errno(error, ORIGIN_STORAGE, errno,
                                                  "cannot open '%s/" JOURNAL_NAME "'", path);
    for (guint i = 0; i < JOURNAL_SLOTS; i++) {
        g_autofree char *file = NULL, *text = NULL;
        if (fd_read_at(fd, &slot, sizeof slot, i * (guint64)JOURNAL_BLOCK) != sizeof slot)
            break;
        if (read_slot(&slot, &file, &text) && !restore(folder, path, file, text, error))
            return false;
    }
    /* The names first: the journal's end must not be on disk before them. */
    if (fd_flush_folder(folder) && unlinkat(folder, JOURNAL_NAME, 0) == 0 &&
        fd_flush_folder(folder))
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot remove '%s/" JOURNAL_NAME "'",
                           path);
}

/* ---- writing ---- */

StoreJournal *store_journal_new(int folder)
{
    StoreJournal *journal = g_new0(StoreJournal, 1);

    journal->folder = folder;
    journal->fd = -1;
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
    g_mutex_clear(&journal->lock);
    g_free(journal);
}

/* All blocks are written once, so that none has to be found a place for later. False with errno. */
static bool fill_file(int fd)
{
    static const guint8 zeros[JOURNAL_BLOCK];

    for (guint i = 0; i < JOURNAL_SLOTS; i++)
        if (!fd_write_at(fd, zeros, sizeof zeros, i * (guint64)JOURNAL_BLOCK))
            return false;
    return fsync(fd) == 0;
}

/* -1: there is none. */
static int make_file(int folder)
{
    autofd int fd =
        fd_open_beneath(folder, JOURNAL_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -1;
    if (fill_file(fd) && fd_flush_folder(folder))
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
    int fd = make_file(journal->folder);
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);
    journal->fd = fd;
    journal->is_being_made = false;
}

/* JOURNAL_SLOTS: none is free. */
static guint take_slot(StoreJournal *journal, const char *file)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);
    guint slot = 0;

    if (journal->fd < 0)
        return JOURNAL_SLOTS;
    while (slot < JOURNAL_SLOTS && journal->states[slot] != SLOT_FREE)
        slot++;
    if (slot < JOURNAL_SLOTS) {
        journal->states[slot] = SLOT_TAKEN;
        journal->n_taken++;
        journal->files[slot] = g_strdup(file);
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

    if (!fill_slot(&content, file, text))
        return false;
    make_if_missing(journal);
    guint slot = take_slot(journal, file);
    if (slot == JOURNAL_SLOTS)
        return false;
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

void store_journal_forget(StoreJournal *journal, const char *file)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    for (guint i = 0; i < JOURNAL_SLOTS; i++)
        if (g_strcmp0(journal->files[i], file) == 0) {
            g_clear_pointer(&journal->files[i], g_free);
            empty(journal, i);
        }
}

/* ---- settling ---- */

bool store_journal_is_crowded(StoreJournal *journal)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    return journal->n_taken > JOURNAL_SLOTS / 2;
}

/* Names of the files to flush, by slot; NULL where there is none. */
static void take_safe(StoreJournal *journal, char *files[JOURNAL_SLOTS])
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    for (guint i = 0; i < JOURNAL_SLOTS; i++) {
        if (journal->states[i] != SLOT_SAFE)
            continue;
        journal->states[i] = SLOT_SETTLING;
        files[i] = g_strdup(journal->files[i]);
    }
}

/* Above this, one flush of the whole file system is less than one for each. */
#define FEW 4u

static guint count_files(char *files[JOURNAL_SLOTS])
{
    guint count = 0;

    for (guint i = 0; i < JOURNAL_SLOTS; i++)
        count += files[i] != NULL;
    return count;
}

static bool flush_files(StoreJournal *journal, char *files[JOURNAL_SLOTS])
{
    bool ok = true;

    if (count_files(files) > FEW)
        return syncfs(journal->folder) == 0;
    for (guint i = 0; i < JOURNAL_SLOTS && ok; i++)
        ok = !files[i] || flush_file(journal->folder, files[i]);
    return ok && fd_flush_folder(journal->folder);
}

static void give_back(StoreJournal *journal, bool flushed)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&journal->lock);

    for (guint i = 0; i < JOURNAL_SLOTS; i++) {
        if (journal->states[i] != SLOT_SETTLING)
            continue;
        if (!flushed) {
            journal->states[i] = SLOT_SAFE;
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

bool store_journal_settle(StoreJournal *journal)
{
    char *files[JOURNAL_SLOTS] = {NULL};

    take_safe(journal, files);
    bool flushed = flush_files(journal, files);
    int failed = errno;
    give_back(journal, flushed);
    int fd = file_of(journal);
    if (fd >= 0)
        (void)fdatasync(fd); /* a slot that comes back finds its file */
    for (guint i = 0; i < JOURNAL_SLOTS; i++)
        g_free(files[i]);
    errno = failed;
    return flushed;
}
