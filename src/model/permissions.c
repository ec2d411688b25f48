/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "permissions.h"

#include "xml-tables.h"

const XmlField permissions_fields[] = {
    {
        .name = "mode",
        .kind = XML_OCTAL,
        .offset = offsetof(Permissions, mode),
        .unset = MODE_UNSET,
        .max = 0777,
        .malformed = "malformed octal mode",
    },
    {
        .name = "owner",
        .kind = XML_ID,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(Permissions, uid),
        .unset = ID_UNSET,
        .malformed = "malformed owner element",
    },
    {
        .name = "group",
        .kind = XML_ID,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(Permissions, gid),
        .unset = ID_UNSET,
        .malformed = "malformed group element",
    },
    {.name = "label", .kind = XML_STRING, .offset = offsetof(Permissions, label)},
    {},
};
