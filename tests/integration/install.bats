#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Installing puts every tool, page and completion in place, and uninstalling takes away just these.


bats_require_minimum_version 1.5.0
setup() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    DEST=$BATS_TEST_TMPDIR/dest
}

@test "make install, and make uninstall" {
    mkdir -p "$DEST/usr/bin"
    touch "$DEST/usr/bin/other"
    make -s -C "$ROOT" install DESTDIR="$DEST" PREFIX=/usr >/dev/null
    for source in "$ROOT"/cmd/rec*.c; do
        tool=$(basename "$source" .c)
        case $tool in *_*) continue ;; esac # a part of a tool
        if sed -n 's/^HELPERS *:= *//p' "$ROOT/Makefile" | tr ' ' '\n' | grep -qxF "$tool"; then
            [ -x "$DEST/usr/libexec/rec/$tool" ]
            continue
        fi
        "$DEST/usr/bin/$tool" -h | grep -q "^usage: $tool "
        [ -s "$DEST/usr/share/man/man1/$tool.1" ]
        [ -s "$DEST/usr/share/bash-completion/completions/$tool" ]
        [ -s "$DEST/usr/share/zsh/site-functions/_$tool" ]
        [ -s "$DEST/usr/share/fish/vendor_completions.d/$tool.fish" ]
    done
    [ -s "$DEST/usr/share/man/man5/rec-format.5" ]
    cmp "$ROOT/data/migrations/0001-initial.sqlite.up.sql" "$DEST/usr/share/rec/migrations/0001-initial.sqlite.up.sql"
    [ -s "$DEST/usr/share/man/man7/rec.7" ]
    # the pipelines run from there
    PATH="$DEST/usr/bin:$PATH" make -s -C "$DEST/usr/share/rec/pipelines" data WORK="$BATS_TEST_TMPDIR/work" REC_QUIET=1
    [ -s "$BATS_TEST_TMPDIR/work/features.rec" ]
    # the front end finds its tools beside itself
    run -0 env PATH=/usr/bin:/bin "$DEST/usr/bin/rec" split -h
    [[ $output == "usage: rec-split "* ]]
    make -s -C "$ROOT" uninstall DESTDIR="$DEST" PREFIX=/usr
    [ "$(find "$DEST" -type f)" = "$DEST/usr/bin/other" ]
    [ ! -e "$DEST/usr/share/rec" ]
}
