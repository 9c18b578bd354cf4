#!/usr/bin/env bats
# scripts/install-deps: silent when all is there; otherwise one line that says what to do. apt-get and dpkg-query are
# stood in for by recorders, because a test installs nothing.

setup() {
    script=$BATS_TEST_DIRNAME/../../scripts/install-deps
    bin=$BATS_TEST_TMPDIR/bin
    mkdir "$bin"
    for tool in awk tr sed head mktemp rm env printf cat; do ln -s "$(command -v "$tool")" "$bin/$tool"; done
    log=$BATS_TEST_TMPDIR/log
    : >"$log"
    stand_in id 'echo 0'
    stand_in dpkg-query :
    stand_in apt-get "echo \"\$*\" >>$log"
}

# stand_in NAME BODY: a command of that name.
stand_in() {
    printf '#!/bin/sh\n%s\n' "$2" >"$bin/$1"
    chmod +x "$bin/$1"
}

@test "says nothing when all packages are there" {
    stand_in dpkg-query 'shift 3; for p; do echo "installed $p"; done'
    PATH=$bin run "$script" build test bench data
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ ! -s "$log" ]
}

@test "installs only what is missing, and fetches no lists when it need not" {
    stand_in dpkg-query 'shift 3; for p; do [ "$p" = gcc ] || echo "installed $p"; done'
    PATH=$bin run "$script"
    [ "$status" -eq 0 ]
    [ "$output" = "install-deps: installing gcc" ]
    [ "$(wc -l <"$log")" -eq 1 ]
    [[ $(cat "$log") == *"install --no-install-recommends gcc" ]]
}

@test "fetches the lists when the first try fails" {
    stand_in apt-get "echo \"\$*\" >>$log; [ \$(wc -l <$log) -ne 1 ]"
    ln -s "$(command -v wc)" "$bin/wc"
    PATH=$bin run "$script" build
    [ "$status" -eq 0 ]
    [[ $(sed -n 2p "$log") == *update ]]
    [[ $(sed -n 3p "$log") == *"install --no-install-recommends gcc make"* ]]
}

@test "apt-get's own cause is passed on, in one line" {
    stand_in apt-get 'echo "E: Unable to locate package gcc" >&2; case $* in *update) ;; *) exit 100 ;; esac'
    PATH=$bin run "$script" build
    [ "$status" -eq 1 ]
    [ "${lines[1]}" = "install-deps: apt-get install: Unable to locate package gcc" ]
    [ "${#lines[@]}" -eq 2 ]
}

@test "without root or sudo it names what is missing" {
    stand_in id 'echo 1000'
    PATH=$bin run "$script" build
    [ "$status" -eq 1 ]
    [[ $output == "install-deps: missing: gcc make"*"run this as root, or install sudo" ]]
    [ "${#lines[@]}" -eq 1 ]
}

@test "uses sudo when not root" {
    stand_in id 'echo 1000'
    stand_in sudo 'exec "$@"'
    PATH=$bin run "$script" build
    [ "$status" -eq 0 ]
    grep -q install "$log"
}

@test "says so when this is not Debian" {
    rm "$bin/apt-get"
    PATH=$bin run "$script" build
    [ "$status" -eq 1 ]
    [[ $output == "install-deps: this is not Debian"*gcc* ]]
    [ "${#lines[@]}" -eq 1 ]
}

@test "an unknown purpose is a usage error" {
    run "$script" world
    [ "$status" -eq 2 ]
    [ "$output" = "install-deps: world: unknown purpose; there are build, test, bench and data" ]
}
