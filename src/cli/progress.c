/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include "size.h"
#include "terminal.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>

#define SHOWN_AFTER (G_USEC_PER_SEC / 2)
/* Below so many columns the total is left out, which the percentage tells too, and the rate. */
#define ROOMY  100
#define NARROW 60
/* Rates are smoothed over about this long. */
#define RATE_WINDOW (3.0 * G_USEC_PER_SEC)

static volatile sig_atomic_t interrupted;

static struct {
    char *title;
    gint64 begun, sampled; /* monotonic time */
    guint64 sampled_done;
    double rate; /* bytes per second; 0 = not known yet */
    guint64 expected;
    bool drawn;
} bar;

static void keep_interrupt(int signal_number)
{
    interrupted = 1;
}

void progress_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = keep_interrupt, .sa_flags = (int)SA_RESETHAND};
    struct sigaction before;
    bool ignored = sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_IGN;
    if (!ignored) /* else whoever started the program wants it left alone */
        sigaction(SIGINT, &action, NULL);
}

bool progress_interrupted(void)
{
    return interrupted != 0;
}

static void sample_rate(guint64 done, gint64 now)
{
    if (done < bar.sampled_done) { /* a new phase counts from the start */
        bar.sampled_done = done;
        bar.sampled = now;
        bar.rate = 0;
        return;
    }
    gint64 elapsed = now - bar.sampled;
    if (elapsed < G_USEC_PER_SEC / 5)
        return;
    double current = (double)(done - bar.sampled_done) * G_USEC_PER_SEC / (double)elapsed;
    double weight = bar.rate > 0 ? MIN((double)elapsed / RATE_WINDOW, 1) : 1;
    bar.rate = bar.rate * (1 - weight) + current * weight;
    bar.sampled = now;
    bar.sampled_done = done;
}

static void append_rest(GString *line, guint64 done, guint64 total)
{
    double seconds = (double)(total - done) / bar.rate;
    if (seconds >= 100 * 3600)
        return;
    int left = (int)(seconds + 0.5);
    g_string_append_printf(line, "  ETA %d:%02d", left / 60, left % 60);
}

static char *describe(guint64 done, guint64 total)
{
    GString *line = g_string_new(NULL);
    int columns = terminal_width();
    g_autofree char *done_text = size_for_people(done);
    if (total > 0) {
        double part = MIN((double)done / (double)total, 1);
        g_autofree char *drawn = text_bar(part, CLAMP((columns - 56) / 2, 5, 25));
        g_autofree char *total_text = size_for_people(total);
        g_string_append_printf(line, "  %s %3d%%  %s", drawn, (int)(part * 100), done_text);
        if (columns >= ROOMY)
            g_string_append_printf(line, " of %s", total_text);
    } else if (done > 0) {
        g_string_append_printf(line, "  %s", done_text);
    }
    if (bar.rate >= 1 && columns >= NARROW) {
        g_autofree char *rate = size_for_people((guint64)bar.rate);
        g_string_append_printf(line, "  %s/s", rate);
    }
    if (bar.rate >= 1 && total > done)
        append_rest(line, done, total);
    return g_string_free(line, FALSE);
}

/* As much of the title as fits before the rest. */
static char *fitting_title(int room)
{
    GString *title = g_string_new(NULL);
    const char *next = bar.title;
    for (int width = 0; *next != '\0'; next = g_utf8_next_char(next)) {
        gunichar character = g_utf8_get_char(next);
        width += g_unichar_iswide(character) ? 2 : 1;
        if (width > room)
            break;
        g_string_append_unichar(title, character);
    }
    return g_string_free(title, FALSE);
}

static void draw(guint64 done, guint64 total)
{
    g_autofree char *rest = describe(done, total);
    g_autofree char *title = fitting_title(terminal_width() - 1 - text_width(rest));
    fprintf(stderr, "\r%s%s\033[K", title, rest);
    fflush(stderr);
    bar.drawn = true;
}

static int on_progress(uint64_t done, uint64_t total, void *data)
{
    bool visible = *(bool *)data;
    gint64 now = g_get_monotonic_time();
    sample_rate(done, now);
    if (visible && !interrupted && now - bar.begun >= SHOWN_AFTER)
        draw(done, total ? total : bar.expected);
    return interrupted;
}

void progress_begin(const Call *call, const char *format, ...)
{
    static bool visible;
    visible = terminal_on_error() && !call_option(call, "quiet");
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *title = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_free(bar.title);
    bar.title = text_escape(title);
    bar.begun = bar.sampled = g_get_monotonic_time();
    bar.sampled_done = 0;
    bar.rate = 0;
    bar.expected = 0;
    cistern_set_progress(call->connection, on_progress, &visible);
}

void progress_expect(guint64 total)
{
    bar.expected = total;
}

void progress_end(const Call *call)
{
    cistern_set_progress(call->connection, NULL, NULL);
    if (bar.drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    bar.drawn = false;
    g_clear_pointer(&bar.title, g_free);
}
