#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Files that are damaged or meant to do harm, through the tools. The sweeps over every byte and bit are unit tests
# (tests/unit/format/test_safetensors.c, tests/unit/data/test_ratings.c, tests/unit/score/test_model.c).
bats_require_minimum_version 1.5.0

load ../helper
setup() { rec_setup; }

# refused FILE TOOL...: exit 1, one line that names the file, nothing on standard output, within 2 s and 300 MB
refused() {
    local file=$1 status=0
    shift
    ( ulimit -t 2; exec "$@" ) >out 2>err || status=$?
    [ "$status" -eq 1 ] || { echo "exit $status: $*"; cat err; return 1; }
    [ ! -s out ] || { echo "wrote to standard output: $*"; return 1; }
    [ "$(wc -l <err)" -eq 1 ] || { echo "not one line: $*"; cat err; return 1; }
    grep -qF "$file: " err || { echo "does not name $file: $*"; cat err; return 1; }
}

@test "hostile files are refused by name, by every reader" {
    command -v python3 >/dev/null || skip "no python3"
    mkdir hostile
    python3 "$ROOT/tests/integration/format-hostile.py" hostile
    for f in hostile/*; do
        case $f in
        hostile/good-*) rec-info "$f" >/dev/null ;;
        *)
            refused "$f" rec-info "$f"
            refused "$f" rec-cat "$f"
            ;;
        esac
    done
    [ "$(find hostile -type f | wc -l)" -gt 50 ]
}

@test "a hostile header costs little memory" {
    command -v python3 >/dev/null || skip "no python3"
    mkdir hostile
    python3 "$ROOT/tests/integration/format-hostile.py" hostile
    nm "$REC_BIN/rec-info" 2>/dev/null | grep -q __asan && skip "a sanitizer needs memory of its own"
    for f in hostile/big-*; do
        ( ulimit -v 300000; rec-info "$f" ) 2>err && false
        [ "$(wc -l <err)" -eq 1 ]
        run ! grep -q "out of memory" err
    done
}

@test "ratings and models cut short or flipped anywhere, through the tools" {
    rec-synth -q --users 20 --items 20 --ratings 60 --format rec -o r.rec
    rec-train -q --model ials --factors 2 -o m.rec r.rec
    for f in r.rec m.rec; do
        size=$(stat -c %s $f)
        for at in $(seq 0 97 "$((size - 1))"); do
            head -c "$at" $f >cut.rec
            refused cut.rec rec-info cut.rec
            cp $f flipped.rec
            # another digit, letter or byte: never the same
            byte=$(od -An -tu1 -j "$at" -N 1 $f)
            # shellcheck disable=SC2059 # an octal number as a byte
            printf "\\$(printf %03o "$((byte ^ 1))")" | dd of=flipped.rec bs=1 seek="$at" conv=notrunc status=none
            refused flipped.rec rec-cat flipped.rec
        done
    done
}

@test "a hostile model or rating is refused by the tools that use it" {
    command -v python3 >/dev/null || skip "no python3"
    mkdir hostile
    python3 "$ROOT/tests/integration/format-hostile.py" hostile
    echo a >ids
    for f in hostile/model-* hostile/good-ratings hostile/length-*; do
        refused "$f" rec-recommend "$f" <ids
        refused "$f" rec-similar "$f" <ids
    done
    for f in hostile/item-* hostile/ptr-* hostile/ids-* hostile/value-* hostile/good-model; do
        refused "$f" rec-split "$f"
        refused "$f" rec-train --model popular "$f"
    done
}

@test "kill -9 in the middle of -o leaves the old file, and the next run no litter" {
    rec-synth -q --users 3000 --items 2000 --ratings 300000 --format rec -o r.rec
    echo old >out.csv
    killed=0
    for delay in 0.001 0.003 0.006 0.01 0.02 0.03; do
        rec-cat -o out.csv r.rec &
        pid=$!
        sleep "$delay"
        kill -9 "$pid" 2>/dev/null && killed=$((killed + 1))
        wait "$pid" 2>/dev/null || true
        # the old one or the new one, whole
        [ "$(cat out.csv)" = old ] || cmp -s out.csv <(rec-cat r.rec)
        [ "$(find . -name '*.rec-tmp' | wc -l)" -le 1 ]
        echo old >out.csv
    done
    [ "$killed" -gt 0 ]
    # killed for certain while it writes: by the signal for a file that grows beyond its limit
    ( ulimit -f 1000 -c 0; exec rec-cat -o out.csv r.rec ) || status=$?
    [ "$status" -gt 128 ]
    [ "$(cat out.csv)" = old ]
    [ "$(find . -name '*.rec-tmp' | wc -l)" -eq 1 ]
    rec-cat -o out.csv r.rec
    cmp out.csv <(rec-cat r.rec)
    [ -z "$(find . -name '*.rec-tmp')" ]
}

@test "a leftover of a killed run is taken over" {
    rec-synth -q --format rec -o r.rec
    echo litter that is longer than what follows >.small.csv.rec-tmp
    rec-cat --ids users -o small.csv r.rec
    cmp small.csv <(rec-cat --ids users r.rec)
    [ -z "$(find . -name '*.rec-tmp')" ]
}
