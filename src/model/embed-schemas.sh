#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints a C header with the text of each given schema as a string:
# pool-capabilities.rng becomes schema_text_pool_capabilities.
set -eu
echo '/* Made by embed-schemas.sh. */'
echo '#pragma once'
for file in "$@"; do
    name=$(basename "$file" .rng | tr - _)
    echo "static const char schema_text_$name[] ="
    sed -e 's/[\\"]/\\&/g' -e 's/^/    "/' -e 's/$/\\n"/' "$file"
    echo '    ;'
done
