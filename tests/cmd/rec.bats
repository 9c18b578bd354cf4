#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup() { rec_setup; }

@test "alone and with -h it lists every tool, with what the tool says of itself" {
    run -0 --separate-stderr rec
    [ -z "$stderr" ]
    list=$output
    run -0 rec -h
    [ "$output" = "$list" ]
    for t in $(rec_tools); do
        says=$("$t" -h | sed -n "s/^$t: //p" | head -1)
        grep -qE "^  ${t#rec-} +$says\$" <<<"$list" || { echo "$t: $says"; echo "$list"; return 1; }
    done
    [ "$(rec --list | sed s/^/rec-/ | rec_no_helpers)" = "$(rec_tools | LC_ALL=C sort)" ]
}

@test "arguments and exit status are the tool's" {
    [ "$(rec synth --users 5 --ratings 9 | wc -l)" -eq 10 ]
    run -0 rec split --version
    [[ $output == "rec-split "* ]]
    run -2 rec split --no-such
    [[ $output == "rec-split: unknown option --no-such"* ]]
    run -1 rec split nowhere
}

@test "an unknown tool is refused with the nearest name" {
    refuses 2 '^rec: unknown tool splti; did you mean split\?' rec splti
    refuses 2 '^rec: unknown tool ../x' rec ../x
    refuses 2 '^rec: unknown option --lsit; did you mean --list\?' rec --lsit
    refuses 2 '^rec: --completion: needs one of bash, zsh, fish' rec --completion tcsh
}

@test "tools on PATH, and tools beside it first" {
    mkdir extra
    printf '#!/bin/sh\necho "extra $*"\n' >extra/rec-extra
    printf '#!/bin/sh\necho wrong\n' >extra/rec-split
    chmod +x extra/*
    [ "$(PATH=$PWD/extra:$PATH rec extra a 'b c')" = 'extra a b c' ]
    [[ $(PATH=$PWD/extra:$PATH rec split --version) == "rec-split "* ]]
    # by way of a link, the tools beside the program itself
    ln -s "$REC_BIN/rec" ./r
    [[ $(./r split --version) == "rec-split "* ]]
}

@test "completion of tools, then of the tool's own options" {
    rec --completion bash >c
    bash -n c
    run -0 bash -c 'source ./c; COMP_WORDS=(rec spl); COMP_CWORD=1; _rec; echo "${COMPREPLY[@]}"'
    [ "$output" = split ]
    run -0 bash -c 'source ./c; COMP_WORDS=(rec split --out-t); COMP_CWORD=2; _rec; echo "${COMPREPLY[@]}"'
    [ "$output" = --out-test ]
    if command -v zsh >/dev/null; then rec --completion zsh | zsh -n; fi
    if command -v fish >/dev/null; then rec --completion=fish | fish -n; fi
}

@test "a list that cannot be written is an error" {
    run -1 bash -c 'rec >/dev/full'
    [[ $output == "rec: standard output: "* ]]
}
