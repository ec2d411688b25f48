/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "completion-scripts.h"

/* bash breaks words at "=" and ":" too; they are joined again before they are handed on, and the
 * part that bash already took is cut from the candidates. */
static const char bash_script[] =
    "# bash completion for cistern\n"
    "_cistern() {\n"
    "    local words=() word line candidate prefix i\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        word=${word//\\\\/}\n"
    "        word=${word#[\\\"\\']}\n"
    "        if ((${#words[@]} > 0)) && [[ $word == [=:]* || ${words[-1]} == *[=:] ]]; then\n"
    "            words[-1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "    prefix=${words[-1]%\"${words[-1]##*[=:]}\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            compopt -o default\n"
    "            continue\n"
    "        fi\n"
    "        candidate=${line%%$'\\t'*}\n"
    "        printf -v candidate %q \"${candidate#\"$prefix\"}\"\n"
    "        COMPREPLY+=(\"$candidate\")\n"
    "    done < <(\"${COMP_WORDS[0]/#~\\//$HOME/}\" complete -- \"${words[@]}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _cistern cistern\n";

static const char zsh_script[] =
    "#compdef cistern\n"
    "# zsh completion for cistern\n"
    "_cistern() {\n"
    "    local line ret=1\n"
    "    local -a candidates descriptions\n"
    "    while IFS= read -r line; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            _files && ret=0\n"
    "            continue\n"
    "        fi\n"
    "        candidates+=(\"${line%%$'\\t'*}\")\n"
    "        descriptions+=(\"${line%%$'\\t'*}  ${line#*$'\\t'}\")\n"
    "    done < <(\"${(Q)words[1]/#\\~\\//$HOME/}\" complete -- \"${(Q)words[@]:1:$((CURRENT - "
    "1))}\" "
    "2>/dev/null)\n"
    "    (( ${#candidates} )) && compadd -l -d descriptions -a candidates && ret=0\n"
    "    return ret\n"
    "}\n"
    "if [[ ${funcstack[1]} == _cistern ]]; then\n"
    "    _cistern \"$@\"\n"
    "else\n"
    "    compdef _cistern cistern\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion for cistern\n"
    "function __cistern_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l current (commandline -ct)\n"
    "    for line in ($words[1] complete -- $words[2..-1] \"$current\" 2>/dev/null)\n"
    "        if test \"$line\" = :files\n"
    "            __fish_complete_path \"$current\"\n"
    "        else\n"
    "            printf '%s\\n' \"$line\"\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c cistern -f -a '(__cistern_complete)'\n";

const char *const completion_scripts[] = {bash_script, zsh_script, fish_script};
