#!/usr/bin/env bats
# scripts/fetch-movielens against mirrors made here: a folder, and an HTTP server that breaks off, resumes or cannot.

bats_require_minimum_version 1.5.0

setup() {
    fetch=$BATS_TEST_DIRNAME/../../scripts/fetch-movielens
    mirror=$BATS_TEST_TMPDIR/mirror
    out=$BATS_TEST_TMPDIR/out
    mkdir "$mirror"
    make_archive ml-100k ml-100k u.data
    export REC_DATA_URL=file://$mirror
}

teardown() {
    [ -z "${server-}" ] || kill "$server" 2>/dev/null || :
}

# make_archive NAME TOP FILE...: mirror/NAME.zip holds TOP/FILE..., with its checksum beside it.
make_archive() {
    python3 - "$mirror/$1.zip" "${@:2}" <<'PY'
import random, sys, zipfile
archive, top, *files = sys.argv[1:]
random.seed(1)
with zipfile.ZipFile(archive, "w") as z:
    for f in files:
        z.writestr(f"{top}/{f}" if top else f, random.randbytes(20000).hex())
PY
    publish "$1"
}

# publish NAME: its checksum, in GroupLens's form.
publish() {
    echo "MD5 ($1.zip) = $(md5sum <"$mirror/$1.zip" | cut -c1-32)" >"$mirror/$1.zip.md5"
}

# serve OPTION...: the mirror over HTTP.
serve() {
    log=$BATS_TEST_TMPDIR/log
    python3 "$BATS_TEST_DIRNAME/serve-folder.py" "$mirror" "$log" "$@" >"$BATS_TEST_TMPDIR/port" 3>&- &
    server=$!
    until [ -s "$BATS_TEST_TMPDIR/port" ]; do sleep 0.05; done
    REC_DATA_URL=http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")
}

# Nothing in $out but what is named.
only() {
    [ "$(cd "$out" && find . -mindepth 1 -maxdepth 1)" = "./$1" ]
}

@test "fetches, unpacks, prints where; the second time it only prints" {
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    [ "$output" = "$out/ml-100k" ]
    [ "$(wc -c <"$out/ml-100k/u.data")" -eq 40000 ]
    only ml-100k
    rm -r "$mirror"
    run "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    [ "$output" = "$out/ml-100k" ]
}

@test "the folder is named after the data set, whatever the archive calls it" {
    make_archive ml-10m ml-10M100K ratings.dat movies.dat
    run --separate-stderr "$fetch" 10m "$out"
    [ "$status" -eq 0 ]
    [ -f "$out/ml-10m/ratings.dat" ]
    only ml-10m
}

@test "latest-small takes the checksum beside it, and without one there is nothing" {
    make_archive ml-latest-small ml-latest-small ratings.csv
    run --separate-stderr "$fetch" latest-small "$out"
    [ "$status" -eq 0 ]
    rm -r "$out" "$mirror/ml-latest-small.zip.md5"
    run "$fetch" latest-small "$out"
    [ "$status" -eq 1 ]
    [[ $output == "fetch-movielens: file://"*"ml-latest-small.zip.md5: "* ]]
    [ ! -e "$out" ]
}

@test "a mirror without checksums is held to the published one" {
    rm "$mirror/ml-100k.zip.md5"
    run "$fetch" 100k "$out"
    [ "$status" -eq 1 ]
    [[ $output == *"its checksum is not 0e33842e24a9c977be4e0107933c0723: nothing kept" ]]
    [ ! -e "$out" ]
}

@test "a damaged archive leaves nothing behind" {
    printf x >>"$mirror/ml-100k.zip"
    run "$fetch" 100k "$out"
    [ "$status" -eq 1 ]
    [[ $output == *"checksum"* ]]
    [ ! -e "$out" ]
}

@test "what is no archive, or holds no ratings, is refused" {
    echo hello >"$mirror/ml-100k.zip"
    publish ml-100k
    run "$fetch" 100k "$out"
    [ "$status" -eq 1 ]
    [[ $output == *"ml-100k.zip: cannot be unpacked: File is not a zip file" ]]
    make_archive ml-100k ml-100k other
    run "$fetch" 100k "$out"
    [ "$status" -eq 1 ]
    [[ $output == *"cannot be unpacked: it holds no ratings" ]]
    make_archive ml-100k '' u.data
    run "$fetch" 100k "$out"
    [ "$status" -eq 1 ]
    [[ $output == *"cannot be unpacked: it is not one folder" ]]
    [ ! -e "$out" ]
}

@test "a download that breaks off goes on where it stopped" {
    serve --cut 10000
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    only ml-100k
    grep -qx "GET /ml-100k.zip bytes=10000-" "$log"
}

@test "so does one that was interrupted in an earlier run" {
    serve
    mkdir "$out"
    head -c 12345 "$mirror/ml-100k.zip" >"$out/.ml-100k.zip.part"
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    only ml-100k
    grep -qx "GET /ml-100k.zip bytes=12345-" "$log"
}

@test "a complete part is not fetched again" {
    serve
    mkdir "$out"
    cp "$mirror/ml-100k.zip" "$out/.ml-100k.zip.part"
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    run ! grep -q "GET /ml-100k.zip " "$log"
}

@test "a part of something else is thrown away, and the download begun again" {
    serve
    mkdir "$out"
    head -c 12345 /dev/zero >"$out/.ml-100k.zip.part"
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    head -c 1234567 /dev/zero >"$out/.ml-100k.zip.part"
    rm -r "$out/ml-100k"
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    only ml-100k
}

@test "a server that cannot resume is asked for the whole" {
    serve --no-ranges
    mkdir "$out"
    head -c 12345 "$mirror/ml-100k.zip" >"$out/.ml-100k.zip.part"
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    only ml-100k
}

@test "offline, the cause is said in one line" {
    REC_DATA_URL=http://127.0.0.1:9
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    # shellcheck disable=SC2154 # run sets it
    [[ ${stderr_lines[1]} == "fetch-movielens: http://127.0.0.1:9/ml-100k.zip: Failed to connect"* ]]
    [ "${#stderr_lines[@]}" -eq 2 ]
    [ ! -e "$out" ]
}

@test "a file that is not there" {
    serve
    run --separate-stderr "$fetch" 25m "$out"
    [ "$status" -eq 1 ]
    [[ ${stderr_lines[1]} == *"/ml-25m.zip: The requested URL returned error: 404"* ]]
    [ ! -e "$out" ]
}

@test "what a killed run left half unpacked is cleared away" {
    serve
    mkdir -p "$out/.ml-100k.tmp/new/ml-100k"
    run --separate-stderr "$fetch" 100k "$out"
    [ "$status" -eq 0 ]
    only ml-100k
}

@test "two at once do the work once" {
    serve
    "$fetch" 100k "$out" 2>/dev/null 3>&- &
    "$fetch" 100k "$out" 2>/dev/null 3>&-
    wait $!
    [ "$(grep -c "GET /ml-100k.zip " "$log")" -eq 1 ]
    only ml-100k
}

@test "a terminal gets a bar" {
    serve
    run script -qec "$fetch 100k $out" /dev/null
    [ "$status" -eq 0 ]
    [[ $output == *"ml-100k.zip [####"* ]]
    [ -f "$out/ml-100k/u.data" ]
}

@test "a name that is not known, no name, help" {
    run "$fetch" 3m "$out"
    [ "$status" -eq 2 ]
    [ "${lines[0]}" = "fetch-movielens: 3m: no such data set" ]
    run "$fetch"
    [ "$status" -eq 2 ]
    [[ $output == "usage: fetch-movielens NAME [DIR] "* ]]
    run --separate-stderr "$fetch" --help
    [ "$status" -eq 0 ]
    [[ $output == "usage: "* ]]
}

@test "a folder that cannot be written" {
    run "$fetch" 100k /dev/null/x
    [ "$status" -eq 1 ]
    [ "$output" = "fetch-movielens: /dev/null/x: not a folder that can be written" ]
}
