/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `cistern completion SHELL` prints, in the order of shell_words. */
extern const char *const completion_scripts[];
