#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
bats_require_minimum_version 1.5.0

load ../helper
setup() {
    rec_setup
    printf '%s\n' userId,movieId,rating,timestamp 1,10,4,978300760 1,9,3.5,978300761 2,10,0.5,978300762 | rec-ingest -q >r.rec
}

# foreign JSON DATA: a safetensors file by hand
foreign() {
    # shellcheck disable=SC2059 # the length as a byte
    printf "\\x$(printf %02x ${#1})\\0\\0\\0\\0\\0\\0\\0"
    printf %s%s "$1" "$2"
}

@test "says what ratings are" {
    run -0 rec-info r.rec
    [ "${lines[0]}" = r.rec ]
    [ "${lines[1]}" = "  format     rec.ratings/1" ]
    [ "${lines[2]}" = "  bytes      $(stat -c %s r.rec)" ]
    [[ ${lines[3]} =~ ^\ \ checksum\ \ \ crc32c:[0-9a-f]{8},\ right$ ]]
    [ "${lines[4]}" = "  users      2" ]
    [ "${lines[5]}" = "  items      2" ]
    [ "${lines[6]}" = "  ratings    3" ]
    [ "${lines[7]}" = "  values     0.5 to 4" ]
    [ "${lines[8]}" = "  times      2000-12-31T22:12:40Z to 2000-12-31T22:12:42Z" ]
    grep -q '  value  *F32  \[3\], 12 bytes' <<<"$output"
    grep -q '  history    rec-ingest ' <<<"$output"
}

@test "says what a model is" {
    rec-train -q --model bias r.rec >m.rec
    run -0 rec-info m.rec
    grep -qx '  format     rec.model/1' <<<"$output"
    grep -qx '  model      bias' <<<"$output"
    grep -qx '  users      2' <<<"$output"
    grep -qx '  seen       3' <<<"$output"
    grep -q 'params = {' <<<"$output"
}

@test "says what a catalogue and features are" {
    printf '%s\n' movieId,title,genres '9,Heat (1995),Action|Crime' '10,Ran (1985),Drama' | rec-ingest -q --movies >c.rec
    run -0 rec-info c.rec
    [ "${lines[1]}" = "  format     rec.catalogue/1" ]
    grep -qx '  genres     3' <<<"$output"
    grep -qx '  years      1985 to 1995' <<<"$output"
    rec-features -q r.rec >f.rec
    run -0 rec-info f.rec
    [ "${lines[1]}" = "  format     rec.features/1" ]
    [ "${lines[5]}" = "  items      2" ]
}

@test "reads standard input, a pipe or a file" {
    run -0 rec-info <r.rec
    [ "${lines[0]}" = "standard input" ]
    cp r.rec standard\ input
    diff <(rec-info <r.rec) <(rec-info - <r.rec)
    # shellcheck disable=SC2002 # a pipe is what is tested
    diff <(cat r.rec | rec-info) <(rec-info standard\ input)
}

@test "JSON is JSON: one object, or an array for several files" {
    command -v python3 >/dev/null || skip "no python3"
    rec-info --json r.rec | python3 -c '
import json, sys
i = json.load(sys.stdin)
assert i["format"] == "rec.ratings/1" and i["users"] == 2 and i["ratings"] == 3 and i["values"] == [0.5, 4]
assert i["checksummed"] is True and i["tensors"]["value"] == {"dtype": "F32", "shape": [3], "bytes": 12}
assert i["times"][0] == "2000-12-31T22:12:40Z" and i["history"][0].startswith("rec-ingest ")'
    rec-info --json r.rec r.rec | python3 -c 'import json, sys; assert len(json.load(sys.stdin)) == 2'
}

@test "a damaged file is one line and exit 1; whole ones beside it are described" {
    head -c 300 r.rec >cut.rec
    refuses 1 '^rec-info: cut.rec: truncated at byte 300' rec-info cut.rec
    run -1 --separate-stderr rec-info cut.rec r.rec
    [ "${lines[0]}" = r.rec ]
    # shellcheck disable=SC2154 # bats sets it
    [ "${#stderr_lines[@]}" -eq 1 ]
    { cat r.rec; printf x; } >more.rec
    refuses 1 '^rec-info: more.rec: 1 bytes after the last tensor, from byte' rec-info more.rec
    printf 'userId,movieId\n1,2\n' >r.csv
    refuses 1 "^rec-info: r.csv: not a safetensors file: no '\{' at byte 8" rec-info r.csv
    : >empty
    refuses 1 '^rec-info: empty: empty, not a safetensors file' rec-info empty
    refuses 1 '^rec-info: nowhere: no such file or directory' rec-info nowhere
    refuses 1 '^rec-info: \.: is a directory' rec-info .
}

@test "a foreign file is described as far as it goes" {
    foreign '{"x":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}' abcd >f.safetensors
    run -0 rec-info f.safetensors
    [ "${lines[1]}" = "  format     safetensors" ]
    [[ ${lines[3]} == "  checksum   none there; "* ]]
    [[ ${lines[4]} == "  tensors    x "*"BF16 [2, 1], 4 bytes" ]]
}

@test "names from a file cannot drive the terminal" {
    foreign '{"\u001b[2J":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}' a >f.safetensors
    run -0 rec-info f.safetensors
    [[ $output != *$'\e'* ]]
}

@test "a closed or full standard output is an error" {
    run -1 bash -c "rec-info r.rec >/dev/full"
    [ "$output" = "rec-info: standard output: no space left on device" ]
    run -1 bash -c "rec-info r.rec >&-"
    [ "$output" = "rec-info: standard output: bad file descriptor" ]
}
