/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recipe.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

typedef struct Maker {
    GByteArray *bytes;
    guint64 at;
} Maker;

static void put(Maker *maker, const void *data, gsize size)
{
    gsize old = maker->bytes->len, end = maker->at + size;

    g_assert_cmpuint(end, <=, 64 * 1024 * 1024);
    if (end > old) {
        g_byte_array_set_size(maker->bytes, (guint)end);
        memset(maker->bytes->data + old, 0, end - old);
    }
    memcpy(maker->bytes->data + maker->at, data, size);
    maker->at = end;
}

static guint64 number(const char *text)
{
    char *end;
    guint64 value = g_ascii_strtoull(text, &end, 0);

    g_assert_true(end != text && (*end == '\0' || *end == ':'));
    return value;
}

/* be32:17 */
static void put_number(Maker *maker, const char *word)
{
    guint64 value = number(word + 5);
    gsize size = (gsize)((word[2] - '0') * 10 + word[3] - '0') / 8;
    guint8 bytes[8];

    for (gsize i = 0; i < size; i++)
        bytes[word[0] == 'b' ? size - 1 - i : i] = (guint8)(value >> (8 * i));
    put(maker, bytes, size);
}

static void put_hex(Maker *maker, const char *word)
{
    for (; *word; word += 2) {
        int high = g_ascii_xdigit_value(word[0]), low = g_ascii_xdigit_value(word[1]);
        g_assert_true(high >= 0 && low >= 0);
        put(maker, &(guint8){(guint8)(high << 4 | low)}, 1);
    }
}

/* fill:1024:61 */
static void put_fill(Maker *maker, const char *word)
{
    guint64 count = number(word + 5);
    const char *byte = strrchr(word, ':') + 1;

    while (count--)
        put_hex(maker, byte);
}

static void put_word(Maker *maker, const char *word)
{
    if (*word == '@')
        maker->at = number(word + 1);
    else if (*word == '"')
        put(maker, word + 1, strlen(word + 1));
    else if (g_str_has_prefix(word, "fill:"))
        put_fill(maker, word);
    else if (g_str_has_prefix(word, "be") && strchr(word, ':'))
        put_number(maker, word);
    else if (g_str_has_prefix(word, "le") && strchr(word, ':'))
        put_number(maker, word);
    else
        put_hex(maker, word);
}

/* Cuts the next word off; a quoted one keeps its opening quote as its mark. */
static char *next_word(char **text)
{
    *text += strspn(*text, " \n");
    if (**text == '\0')
        return NULL;
    char *word = *text;
    char *end = *word == '"' ? strchr(word + 1, '"') : word + strcspn(word, " \n");
    g_assert_nonnull(end);
    *text = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static char *skip_comments(char *text)
{
    while (*text == '#')
        text = strchr(text, '\n') + 1;
    return text;
}

void recipe_load(const char *path, Recipe *ret)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    Maker maker = {.bytes = g_byte_array_new()};

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    char *end = strstr(text, "\n---\n");
    g_assert_nonnull(end);
    *end = '\0';
    ret->expected = g_strdup(end + strlen("\n---\n"));
    char *rest = skip_comments(text), *word = next_word(&rest);
    g_assert_cmpstr(word, ==, "size");
    ret->size = number(next_word(&rest));
    while ((word = next_word(&rest)))
        put_word(&maker, word);
    ret->length = maker.bytes->len;
    g_assert_cmpuint(ret->length, <=, ret->size);
    ret->bytes = g_byte_array_free(maker.bytes, FALSE);
}

void recipe_clear(Recipe *recipe)
{
    g_free(recipe->bytes);
    g_free(recipe->expected);
}

void recipe_write(const Recipe *recipe, const char *path)
{
    autofd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, (off_t)recipe->size), ==, 0);
    g_assert_true(fd_write_at(fd, recipe->bytes, recipe->length, 0));
}
