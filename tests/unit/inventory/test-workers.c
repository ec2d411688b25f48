/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "workers.h"

#include <dirent.h>
#include <pthread.h>

#define LONG_ENOUGH (20 * G_USEC_PER_SEC)

/* What the work of one test shares. */
typedef struct Board {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Workers *workers;
    guint running, most_running, done;
    bool is_open; /* held work may go on */
    GString *order;
} Board;

static void board_init(Board *board, guint max_threads, guint max_per_key)
{
    *board = (Board){.order = g_string_new(NULL)};
    pthread_mutex_init(&board->lock, NULL);
    pthread_cond_init(&board->changed, NULL);
    board->workers = workers_new(
        &(WorkersLimits){.threads = max_threads, .per_key = max_per_key, .long_per_key = 5});
}

static void board_clear(Board *board)
{
    g_string_free(board->order, TRUE);
    pthread_cond_destroy(&board->changed);
    pthread_mutex_destroy(&board->lock);
}

static void board_end(Board *board)
{
    g_assert_true(workers_stop(board->workers, LONG_ENOUGH));
    board_clear(board);
}

/* Waits until the counter has this value. */
static void wait_for(Board *board, const guint *counter, guint value)
{
    pthread_mutex_lock(&board->lock);
    while (*counter != value)
        pthread_cond_wait(&board->changed, &board->lock);
    pthread_mutex_unlock(&board->lock);
}

static void open_gate(Board *board)
{
    pthread_mutex_lock(&board->lock);
    board->is_open = true;
    pthread_cond_broadcast(&board->changed);
    pthread_mutex_unlock(&board->lock);
}

/* Work that hangs until the gate is opened. */
static void hang(void *data)
{
    Board *board = data;

    pthread_mutex_lock(&board->lock);
    board->running++;
    board->most_running = MAX(board->most_running, board->running);
    pthread_cond_broadcast(&board->changed);
    while (!board->is_open)
        pthread_cond_wait(&board->changed, &board->lock);
    board->running--;
    board->done++;
    pthread_cond_broadcast(&board->changed);
    pthread_mutex_unlock(&board->lock);
}

static void finish(void *data)
{
    Board *board = data;

    pthread_mutex_lock(&board->lock);
    board->done++;
    pthread_cond_broadcast(&board->changed);
    pthread_mutex_unlock(&board->lock);
}

typedef struct Letter {
    Board *board;
    char letter;
} Letter;

static void write_letter(void *data)
{
    Letter *letter = data;

    pthread_mutex_lock(&letter->board->lock);
    g_string_append_c(letter->board->order, letter->letter);
    pthread_mutex_unlock(&letter->board->lock);
    finish(letter->board);
    g_free(letter);
}

static void run_letter(Board *board, const char *key, char letter)
{
    Letter *data = g_new(Letter, 1);

    *data = (Letter){board, letter};
    workers_run(board->workers, key, write_letter, data);
}

/* ---- tests ---- */

static void test_all_run(void)
{
    static const char *const keys[] = {"a", "b", "c", NULL};
    Board board;

    board_init(&board, 8, 3);
    for (guint i = 0; i < 5000; i++)
        workers_run(board.workers, keys[i % G_N_ELEMENTS(keys)], finish, &board);
    wait_for(&board, &board.done, 5000);
    board_end(&board);
}

static void test_limit_of_key(void)
{
    Board board;

    board_init(&board, 64, 4);
    for (guint i = 0; i < 20; i++)
        workers_run(board.workers, "dead", hang, &board);
    wait_for(&board, &board.running, 4);
    /* The dead one has its four; others aren't held up. */
    for (guint i = 0; i < 100; i++)
        workers_run(board.workers, "alive", finish, &board);
    wait_for(&board, &board.done, 100);
    g_assert_cmpuint(board.most_running, ==, 4);
    open_gate(&board);
    wait_for(&board, &board.done, 120);
    g_assert_cmpuint(board.most_running, ==, 4);
    board_end(&board);
}

/* Makes what runs long work until so many run. */
static void set_long_until(Board *board, guint running)
{
    for (;;) {
        workers_set_long(board->workers, 0);
        pthread_mutex_lock(&board->lock);
        bool there = board->running == running;
        pthread_mutex_unlock(&board->lock);
        if (there)
            return;
        g_usleep(1000);
    }
}

/* It gives its place away, in its key and among all, but only so often. */
static void test_long_work(void)
{
    Board board;

    board_init(&board, 4, 2);
    for (guint i = 0; i < 20; i++)
        workers_run(board.workers, "clones", hang, &board);
    wait_for(&board, &board.running, 2);
    set_long_until(&board, 7); /* five long ones, two others */
    for (guint i = 0; i < 20; i++)
        workers_set_long(board.workers, 0);
    workers_run(board.workers, "others", finish, &board);
    wait_for(&board, &board.done, 1);
    g_assert_cmpuint(board.most_running, ==, 7);
    workers_write_off(board.workers, "clones", true);
    workers_write_off(board.workers, "clones", false);
    open_gate(&board);
    wait_for(&board, &board.done, 21);
    board_end(&board);
}

static void test_limit_of_all(void)
{
    Board board;
    static const char *const keys[] = {"a", "b", "c", "d"};

    board_init(&board, 6, 4);
    for (guint i = 0; i < 40; i++)
        workers_run(board.workers, keys[i % 4], hang, &board);
    wait_for(&board, &board.running, 6);
    g_usleep(20000);
    g_assert_cmpuint(board.most_running, ==, 6);
    open_gate(&board);
    wait_for(&board, &board.done, 40);
    g_assert_cmpuint(board.most_running, ==, 6);
    board_end(&board);
}

static void test_work_without_key(void)
{
    Board board;

    board_init(&board, 6, 1);
    for (guint i = 0; i < 10; i++)
        workers_run(board.workers, NULL, hang, &board);
    wait_for(&board, &board.running, 3);
    workers_run(board.workers, "a", finish, &board);
    wait_for(&board, &board.done, 1);
    g_assert_cmpuint(board.most_running, ==, 3);
    open_gate(&board);
    wait_for(&board, &board.done, 11);
    board_end(&board);
}

/* With one thread the order is seen: each key's own is kept, and a key with much to do doesn't
 * make the others wait for all of it. */
static void test_order_and_turns(void)
{
    Board board;

    board_init(&board, 1, 1);
    workers_run(board.workers, "gate", hang, &board);
    wait_for(&board, &board.running, 1);
    for (const char *letter = "abcdefgh"; *letter; letter++)
        run_letter(&board, "long", *letter);
    for (const char *letter = "12"; *letter; letter++)
        run_letter(&board, "short", *letter);
    run_letter(&board, "single", 'X');
    open_gate(&board);
    wait_for(&board, &board.done, 12);
    g_assert_cmpstr(board.order->str, ==, "a1Xb2cdefgh");
    board_end(&board);
}

static void queue_more(void *data)
{
    Board *board = data;

    workers_run(board->workers, "more", finish, board);
    finish(board);
}

static void test_work_queues_work(void)
{
    Board board;

    board_init(&board, 2, 1);
    for (guint i = 0; i < 100; i++)
        workers_run(board.workers, "first", queue_more, &board);
    /* Stopping runs it all, what is queued meanwhile too. */
    g_assert_true(workers_stop(board.workers, LONG_ENOUGH));
    g_assert_cmpuint(board.done, ==, 200);
    board_clear(&board);
}

static void test_stop_waits(void)
{
    Board board;

    board_init(&board, 4, 2);
    for (guint i = 0; i < 6; i++)
        workers_run(board.workers, "a", hang, &board);
    wait_for(&board, &board.running, 2);
    open_gate(&board);
    g_assert_true(workers_stop(board.workers, LONG_ENOUGH));
    g_assert_cmpuint(board.done, ==, 6);
    board_clear(&board);
}

static void test_stop_gives_up(void)
{
    Board board;
    gint64 start = g_get_monotonic_time();

    board_init(&board, 4, 2);
    for (guint i = 0; i < 6; i++)
        workers_run(board.workers, "dead", hang, &board);
    wait_for(&board, &board.running, 2);
    g_assert_false(workers_stop(board.workers, 50000));
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 50000);
    /* The two that hung come back and release what they used; the others never start. */
    open_gate(&board);
    wait_for(&board, &board.running, 0);
    g_usleep(100000);
    g_assert_cmpuint(board.done, ==, 2);
    board_clear(&board);
}

static void test_stop_unused(void)
{
    WorkersLimits limits = {.threads = 64, .per_key = 4, .long_per_key = 8};

    g_assert_true(workers_stop(workers_new(&limits), 0));
}

static guint count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    guint count = 0;

    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count - 2;
}

static void *do_nothing(void *data)
{
    return data;
}

static void test_idle_threads_end(void)
{
    Board board;
    pthread_t first;

    /* Sanitizers start a thread of their own with the first. */
    g_assert_cmpint(pthread_create(&first, NULL, do_nothing, NULL), ==, 0);
    pthread_join(first, NULL);
    guint before = count_threads();

    board_init(&board, 16, 8);
    for (guint i = 0; i < 8; i++)
        workers_run(board.workers, "a", hang, &board);
    wait_for(&board, &board.running, 8);
    g_assert_cmpuint(count_threads(), ==, before + 8);
    open_gate(&board);
    for (guint i = 0; i < 200 && count_threads() > before; i++)
        g_usleep(100000);
    g_assert_cmpuint(count_threads(), ==, before);
    workers_run(board.workers, "a", finish, &board);
    wait_for(&board, &board.done, 9);
    board_end(&board);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* First, while no threads of other tests are still about to end. */
    g_test_add_func("/workers/idle-threads-end", test_idle_threads_end);
    g_test_add_func("/workers/all-run", test_all_run);
    g_test_add_func("/workers/limit-of-key", test_limit_of_key);
    g_test_add_func("/workers/long-work", test_long_work);
    g_test_add_func("/workers/limit-of-all", test_limit_of_all);
    g_test_add_func("/workers/work-without-key", test_work_without_key);
    g_test_add_func("/workers/order-and-turns", test_order_and_turns);
    g_test_add_func("/workers/work-queues-work", test_work_queues_work);
    g_test_add_func("/workers/stop-waits", test_stop_waits);
    g_test_add_func("/workers/stop-gives-up", test_stop_gives_up);
    g_test_add_func("/workers/stop-unused", test_stop_unused);
    return g_test_run();
}
