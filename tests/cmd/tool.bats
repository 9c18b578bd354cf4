#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What cmd/tool.c promises of every tool: rec(7), CONVENTIONS.

load ../helper
setup() { rec_setup; }

@test "every tool prints help on standard output and exits 0" {
    for t in $(rec_tools); do
        run -0 --separate-stderr "$t" -h
        [[ ${lines[0]} == "usage: $t "* ]]
        [ -z "$stderr" ]
        run -0 "$t" --help
        # nothing wider than a terminal
        ! awk 'length > 100' <<<"$output" | grep .
    done
}

@test "every tool says its version and commit" {
    for t in $(rec_tools); do
        run -0 "$t" --version
        [[ ${lines[0]} =~ ^$t\ [0-9]+\.[0-9]+\.[0-9]+\ \([0-9a-f]+(-dirty)?\)$ || ${lines[0]} == "$t "*"(unknown)" ]]
    done
}

@test "an unknown option is refused with the nearest name" {
    for t in $(rec_tools); do
        refuses 2 "^$t: unknown option --versoin; did you mean --version\?" "$t" --versoin
    done
}

@test "too many operands are refused" {
    for t in $(rec_tools); do
        "$t" -h | grep -q 'USER\.\.\.\|FILE \.\.\.\|FILE\.\.\.\|\] COMMAND \|^commands:' && continue
        refuses 2 "^$t: .*operand" "$t" a b c d e f g h </dev/null
    done
}

@test "a closed or full standard output is an error" {
    for t in $(rec_tools); do
        run -1 bash -c "$t -h >/dev/full"
        [[ $output == "$t: standard output: no space left on device" ]]
        run -1 bash -c "$t -h >&-"
        [[ $output == "$t: standard output: bad file descriptor" ]]
    done
}

@test "settings: flag over environment over file over default" {
    printf 'split:\n  test: 0.3\nseed: 9\n' >rec.yaml
    run -0 rec-split --print-config
    grep -q '^test: 0.3 *# file$' <<<"$output"
    grep -q '^seed: 9 *# file$' <<<"$output"
    REC_SPLIT_TEST=0.4 REC_SEED=8 run -0 rec-split --print-config
    grep -q '^test: 0.4 *# environment$' <<<"$output"
    grep -q '^seed: 8 *# environment$' <<<"$output"
    REC_SPLIT_TEST=0.4 run -0 rec-split --print-config --test=0.5
    grep -q '^test: 0.5 *# flag$' <<<"$output"
    mkdir elsewhere
    cd elsewhere
    run -0 rec-split --print-config
    grep -q '^test: 0.2 *# default$' <<<"$output"
    run -0 rec-split --config ../rec.yaml --print-config
    grep -q '^test: 0.3 *# file$' <<<"$output"
}

@test "a bad setting names its place" {
    printf 'seed: 1\nsplit:\n  test: lots\n' >rec.yaml
    refuses 2 '^rec-split: rec.yaml:3: split.test: lots is not a number' rec-split
    rm rec.yaml
    REC_SPLIT_TEST=7 refuses 2 '^rec-split: REC_SPLIT_TEST: 7 is out of range; 0 to 1' rec-split
    refuses 2 '^rec-split: nowhere.yaml: no such file' rec-split --config nowhere.yaml
}

@test "completion scripts are accepted by their shells" {
    for t in $(rec_tools); do
        "$t" --completion bash | bash -n
        if command -v zsh >/dev/null; then "$t" --completion zsh | zsh -n; fi
        if command -v fish >/dev/null; then "$t" --completion fish | fish -n; fi
    done
}

@test "bash completes options, choices and files" {
    rec-split --completion bash >c
    run -0 bash -c 'source ./c; COMP_WORDS=(rec-split --out-t); COMP_CWORD=1; _rec-split; echo "${COMPREPLY[@]}"'
    [ "$output" = --out-test ]
    run -0 bash -c 'source ./c; COMP_WORDS=(rec-split --method ra); COMP_CWORD=2; _rec-split; echo "${COMPREPLY[@]}"'
    [ "$output" = random ]
    touch some-file
    run -0 bash -c 'source ./c; COMP_WORDS=(rec-split some); COMP_CWORD=1; _rec-split; echo "${COMPREPLY[@]}"'
    [ "$output" = some-file ]
}

@test "a damaged or foreign input is one line and exit 1" {
    printf 'not one of ours' >junk
    head -c 100000 /dev/urandom >noise
    for t in rec-split rec-train rec-info rec-cat rec-validate; do
        for f in junk noise /dev/null; do
            refuses 1 "^$t: .*$f" "$t" "$f"
        done
        refuses 1 "^$t: nowhere: no such file or directory" "$t" nowhere
        refuses 1 "^$t: .: is a directory" "$t" .
    done
}

@test "--stats reports time and memory; -q is silent" {
    rec-synth --users 20 --items 30 --ratings 300 --seed 1 >r.csv
    run -0 --separate-stderr bash -c 'rec-ingest --stats <r.csv >r.rec'
    [[ $stderr == *" s of CPU, peak memory "*" MB"* ]]
    run -0 --separate-stderr bash -c 'rec-ingest -q <r.csv >r.rec'
    [ -z "$stderr" ]
}
