/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend.h"

static const char *const wipe_names[WIPE_COUNT] = {
    [WIPE_ZERO] = "zero",
    [WIPE_NNSA] = "nnsa",
    [WIPE_DOD] = "dod",
    [WIPE_BSI] = "bsi",
    [WIPE_GUTMANN] = "gutmann",
    [WIPE_SCHNEIER] = "schneier",
    [WIPE_PFITZNER7] = "pfitzner7",
    [WIPE_PFITZNER33] = "pfitzner33",
    [WIPE_RANDOM] = "random",
    [WIPE_TRIM] = "trim",
};

const char *wipe_algorithm_name(WipeAlgorithm algorithm)
{
    return (guint)algorithm < WIPE_COUNT ? wipe_names[algorithm] : NULL;
}

void volume_state_clear(VolumeState *state)
{
    volume_def_free(state->volume);
    *state = (VolumeState){0};
}
