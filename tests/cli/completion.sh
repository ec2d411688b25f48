#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion: what the program offers, and the scripts in the shells themselves.
# usage: completion.sh PROGRAM
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"

pool=$scratch/pool
"$program" -q pool-create-as default dir --target "$pool" --build
"$program" -q pool-define-as 'other:pool' dir --target "$scratch/q"
for name in disk1 disk2 'my disk' x:y; do
    "$program" -q vol-create-as default "$name" 1M
done

offers() { # NAME CANDIDATES WORD...: the candidates, without descriptions, in one line
    local name=$1 expected=$2
    shift 2
    run cistern complete -- "$@"
    is "$name" "$expected" "$(cut -f 1 <<<"$out" | paste -sd ' ')"
}

offers 'commands' 'pool-name' pool-n
offers 'pools' 'default other:pool' pool-info ''
offers 'pools by the beginning' 'other:pool' pool-info o
offers 'a value after its option' 'disk1 disk2' vol-delete --pool default d
offers 'a value joined to its option' '--pool=default' vol-delete --pool=d
offers 'volumes of the pool before them' 'disk1 disk2' vol-tree default d
offers 'the whole name' 'disk1' vol-info --pool default disk1
offers 'paths without a pool' "$pool/disk1 $pool/disk2" vol-info "$pool/d"
offers 'the input pool counts' 'x:y' vol-create-from other:pool file --inputpool default x
offers 'words of an enum' 'pfitzner7 pfitzner33' vol-wipe disk1 --algorithm p
offers 'suggestions' 'qcow2 qcow qed' vol-create-as default n 1 --format q
offers 'values of global options' 'text json' -o ''
offers 'URIs' 'cistern:///system cistern:///session' -c cistern:
offers 'URIs joined to the option' '--connect=storage+ssh://' --connect=storage+s
offers 'options' '--source-path --source-protocol-ver' pool-define-as --source-p
offers 'options that are there are not offered again' '--allocate' vol-resize v 1 --delta --a
offers 'global options' '--no-color' --no-
offers 'topics of help' 'volume' help volu
offers 'files' ':files' pool-define ''
offers 'nothing for an unknown command' '' frobnicate ''
offers 'the connection of the line counts' '' -c "embed://$scratch/empty" pool-info ''
offers 'no complaints about a wrong line' '' --bogus pool-info --xyz=1 zz
run cistern complete --
is 'no word' '' "$out$err"
run cistern complete -- vol-list ''
[[ $out == *$'\t'* ]]
report $? 'candidates have descriptions'

for shell in bash zsh fish; do
    works "the script for $shell" cistern completion $shell
    printf '%s\n' "$out" >"script.$shell"
done
works 'a script in JSON' cistern -o json completion zsh
json 'its text' '.script | startswith("#compdef")'
mkdir bin
ln -s "$program" bin/cistern
export PATH=$scratch/bin:$PATH

# What bash offers for a line, one candidate per line.
in_bash() {
    bash -c '
        source ./script.bash
        compopt() { echo "compopt $*"; }
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _cistern
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

works 'bash reads it' bash -n script.bash
works 'bash: a command' in_bash cistern pool-i
is 'bash: its candidates' 'pool-info' "$out"
works 'bash: a name with a blank' in_bash cistern vol-info --pool default my
is 'bash: it is quoted' 'my\ disk' "$out"
works 'bash: a word that bash breaks' in_bash cistern vol-info --pool = de
is 'bash: only what follows the sign' 'default' "$out"
works 'bash: a name with a colon' in_bash cistern pool-info other :
is 'bash: only what follows the colon' 'pool' "$out"
works 'bash: a URI' in_bash cistern -c embed : "//$scratch/state" pool-info de
is 'bash: it is joined again' 'default' "$out"
works 'bash: the beginning of a URI' in_bash cistern -c cistern+unix :
is 'bash: no blank behind it' $'compopt -o nospace\n///system\\?socket=' "$out"
works 'bash: files' in_bash cistern pool-define ''
output 'bash: it completes them itself' 'compopt -o default'
works 'bash: nothing typed is run' in_bash cistern pool-info '$(touch bad)' '`touch bad`' ''
[[ ! -e bad ]]
report $? 'bash: nothing was run'

if command -v zsh >/dev/null; then
    works 'zsh reads it' zsh -n script.zsh
    cat >try.zsh <<'EOF'
compdef() { :; }
source ./script.zsh
_files() { print -r -- files; }
compadd() { [[ $1 == -S ]] && print -rl -- -S $beginnings || print -rl -- $candidates; }
_call() { words=("$@"); CURRENT=$#; _cistern; }
_call "$@"
EOF
    works 'zsh: a command' zsh -f try.zsh cistern pool-i
    is 'zsh: its candidates' 'pool-info' "$out"
    works 'zsh: names' zsh -f try.zsh cistern vol-info --pool default ''
    is 'zsh: they are whole' $'disk1\ndisk2\nmy disk\nx:y' "$out"
    works 'zsh: the beginning of a URI' zsh -f try.zsh cistern -c cistern+t
    is 'zsh: no blank behind it' $'-S\ncistern+tls://\ncistern+tcp://' "$out"
    works 'zsh: an empty word' zsh -f try.zsh cistern pool-define ''
    is 'zsh: files' files "$out"
else
    skip 'zsh' 'zsh is not installed'
fi

if command -v fish >/dev/null; then
    works 'fish reads it' fish -n script.fish
    export HOME=$scratch XDG_CONFIG_HOME=$scratch/config
    works 'fish: a command' fish -N -c 'source script.fish; complete -C "cistern pool-i"'
    output 'fish: its candidates' '^pool-info'$'\t''state and sizes'
    works 'fish: names' fish -N -c 'source script.fish; complete -C "cistern vol-info --pool default my"'
    output 'fish: they are whole' '^my disk'
else
    skip 'fish' 'fish is not installed'
fi
finish
