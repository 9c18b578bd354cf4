# SPDX-License-Identifier: MIT
# Loaded by every bats file: the tools on PATH, where real ratings are, and a few words for what is tested everywhere.
#
#     load ../helper
#     setup() { rec_setup; }          # a temporary directory as the working directory, no settings from outside

bats_require_minimum_version 1.5.0
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REC_BIN=${REC_BIN:-$ROOT/build/bin}
REC_TEST_DATA=${REC_TEST_DATA:-$ROOT/../shared/data}
PATH=$REC_BIN:$PATH

rec_setup() {
    unset "${!REC_SPLIT_@}" "${!REC_TRAIN_@}" "${!REC_DB_@}" "${!REC_REGISTRY@}" "${!MLFLOW_@}" REC_STORE REC_KEYS REC_CONFIG REC_SEED REC_THREADS REC_QUIET REC_STATS NO_COLOR CI
    export LC_ALL=C
    cd "$BATS_TEST_TMPDIR" || return 1
}

# Names of programs from standard input, without those that only tools start (HELPERS of the Makefile).
rec_no_helpers() {
    grep -vxF "$(sed -n 's/^HELPERS *:= *//p' "$ROOT/Makefile" | tr ' ' '\n')"
}

# The tools that are in REC_BIN.
rec_tools() {
    (cd "$REC_BIN" && printf '%s\n' rec-*) | rec_no_helpers
}

# need_data ml-100k: skips the test where real ratings are not at hand.
need_data() {
    [ -d "$REC_TEST_DATA/$1" ] || skip "$1 is not in REC_TEST_DATA"
}

# need_python: the virtualenv of the oracles (scripts/python-env makes it; scripts/check runs that first).
need_python() {
    PYTHON=$ROOT/build/venv/bin/python
    [ -x "$PYTHON" ] || skip "no build/venv: run scripts/python-env"
}

# refuses STATUS 'pattern' command...: exits so, with one line on standard error that matches, and nothing on standard output.
refuses() {
    local want=$1 pattern=$2 status=0
    shift 2
    "$@" >out.refused 2>err.refused || status=$?
    [ "$status" -eq "$want" ] || { echo "exit $status, not $want: $*"; cat err.refused; return 1; }
    [ ! -s out.refused ] || { echo "wrote to standard output: $*"; return 1; }
    [ "$(wc -l <err.refused)" -eq 1 ] || { echo "not one line:"; cat err.refused; return 1; }
    grep -qE -- "$pattern" err.refused || { echo "no match for: $pattern"; cat err.refused; return 1; }
}
