/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xdr.h"

/* Fills a struct with random values that its rows allow. */
void random_value(const XdrType *type, GRand *rand, void *ret);
