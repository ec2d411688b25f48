/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include "size.h"

const char *call_text(const Call *call, const char *argument)
{
    const Argument *found = argument_find(call->command->arguments, argument);
    g_assert(found);
    return call->values[found - call->command->arguments];
}

bool call_flag(const Call *call, const char *argument)
{
    return call_text(call, argument) != NULL;
}

bool call_size(const Call *call, const char *argument, guint64 *ret)
{
    const char *text = call_text(call, argument);
    if (!text)
        return false;
    bool parsed = size_from_text(*text == '-' ? text + 1 : text, ret);
    g_assert(parsed);
    return true;
}

int call_word(const Call *call, const char *argument, int fallback)
{
    const char *text = call_text(call, argument);
    const Argument *found = argument_find(call->command->arguments, argument);
    return text ? word_index(found->values, text) : fallback;
}

const char *call_option(const Call *call, const char *option)
{
    const Argument *found = argument_find(global_options, option);
    g_assert(found);
    return call->options[found - global_options];
}

unsigned int call_flags(const Call *call, const FlagBit *bits)
{
    unsigned int flags = 0;
    for (; bits->argument; bits++)
        if (call_flag(call, bits->argument))
            flags |= bits->bit;
    return flags;
}
