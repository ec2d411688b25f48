#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual pages say what the command table says.
# usage: manual.sh PROGRAM DAEMON SOURCE-TREE
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"
page=$tree/docs/man/cistern.1

# The part of the page about one command, with \- read as -.
section() {
    sed 's/\\-/-/g' "$page" | awk -v command="$1" '
        $1 == ".It" && $2 == "Ic" { inside = $3 == command }
        inside'
}

table=$("$program" help -o json)
while read -r command; do
    text=$(section "$command")
    missing=
    [[ -n $text ]] || missing=' the command itself'
    while read -r argument kind; do
        grep -qE "^\.It Fl -$argument( |\$)" <<<"$text" || missing+=" --$argument"
        [[ $kind == flag ]] || grep -qE "^\.It Fl -$argument Ar " <<<"$text" || missing+=" value of --$argument"
    done < <(jq -r ".commands[] | select(.name == \"$command\") | .arguments[] | .name + \" \" + .kind" <<<"$table")
    out=$missing
    [[ -z $missing ]]
    report $? "cistern(1) has all of $command"
done < <(jq -r '.commands[].name' <<<"$table")

out=
while read -r name letter; do
    pattern="Fl -$name"
    [[ $letter == null ]] || pattern="Fl $letter , Fl -$name"
    sed 's/\\-/-/g' "$page" | grep -qF ".It $pattern" || out+=" $name"
done < <(jq -r '.options[] | .name + " " + (.letter // "null")' <<<"$table")
[[ -z $out ]]
report $? 'cistern(1) has all global options'

out=$(sed 's/\\-/-/g' "$page" | awk '$1 == ".It" && $2 == "Ic" { print $3 }' | sort)
is 'cistern(1) has no other commands' "$(jq -r '.commands[].name' <<<"$table" | sort)" "$out"

while read -r name; do
    grep -qF "\`$name\`" "$tree/docs/json.md"
    report $? "json.md speaks of $name"
done < <(jq -r '.commands[].name | select(test("list|info|tree|name|uuid|path|key|dumpxml|event|capabilities|version|uri|help"))' <<<"$table")

if [[ -f $daemon && -x $daemon ]]; then
    out=
    while read -r option; do
        sed 's/\\-/-/g' "$tree/docs/man/cisternd.8" | grep -qF -e "Fl -$option" || out+=" $option"
    done < <("$daemon" --help | grep -oE -- '--[a-z-]+' | sed 's/^--//' | sort -u)
    [[ -z $out ]]
    report $? 'cisternd(8) has all options'
fi

for manual in cistern.1 cisternd.8 cisternd.conf.5; do
    if command -v mandoc >/dev/null; then
        # Pages that are not installed and the age of the list of pages are no faults of the text.
        out=$(mandoc -Tlint "$tree/docs/man/$manual" 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc.db')
        [[ -z $out ]]
        report $? "$manual is well-formed"
    else
        skip "$manual is well-formed" 'mandoc is not installed'
    fi
done
finish
