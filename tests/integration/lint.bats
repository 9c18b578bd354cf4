#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Each lint finds the fault planted for it in a tree of two rooms and one tool, and nothing else there.

bats_require_minimum_version 1.5.0
ROOT=$BATS_TEST_DIRNAME/../..

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir -p lib/rec lib/low lib/high cmd man tests/cmd scripts build/lib build/bin
    cp -r "$ROOT/scripts/lint" scripts/
    : >scripts/lint/names.allow
    mkdir lib/util
    : >lib/util/banned.h
    printf 'low: | zlib.h\nhigh: low |\n' >lib/layers
    printf '#ifndef A\n#define A\nint rec_base_get(void);\n#endif\n' >lib/rec/low.h
    printf '#ifndef C\n#define C\n#include <rec/low.h>\nint rec_top_get(void);\n#endif\n' >lib/rec/high.h
    printf '#include <rec/low.h>\n#include <zlib.h>\n\nint rec_base_get(void)\n{\n    return 1;\n}\n' >lib/low/base.c
    printf '#include <rec/high.h>\n\nint rec_top_get(void)\n{\n    return rec_base_get();\n}\n' >lib/high/top.c
    printf 'util: |\n' >>lib/layers
    printf '#include <rec/high.h>\n\nint main(void)\n{\n    return rec_top_get();\n}\n' >cmd/rec-x.c
    printf '#!/bin/sh\nprintf "usage: rec-x [options] FILE\\n       rec-x --list\\n\\n  -k, --cut K  depth\\n"\n' >build/bin/rec-x
    chmod +x build/bin/rec-x
    cat >man/rec-x.1 <<'PAGE'
.Dd November 23, 2026
.Dt REC-X 1
.Os
.Sh NAME
.Nm rec-x
.Nd try
.Sh SYNOPSIS
.Nm
.Op options
.Ar FILE
.Nm
.Fl -list
.Sh DESCRIPTION
With
.Fl -cut
it cuts.
See
.Xr ls 1 .
PAGE
    printf '#!/usr/bin/env bats\n' >tests/cmd/rec-x.bats
}

archives() {
    for room in low high; do
        for c in "lib/$room"/*.c; do
            gcc -g -D_GNU_SOURCE -Ilib -c -o "build/$(basename "$c" .c).o" "$c"
            ar rcs "build/lib/$room.a" "build/$(basename "$c" .c).o"
        done
    done
}

# finds LINT 'file:line: text*': exactly this line.
finds() {
    run -1 "scripts/lint/$1"
    # shellcheck disable=SC2053 # a pattern
    [[ ${lines[0]} == $2 ]] || { echo "said: $output"; return 1; }
    [ "${#lines[@]}" -eq 1 ] || { echo "said: $output"; return 1; }
}

@test "a clean tree passes every lint" {
    archives
    echo 'all:' >Makefile
    : >build/version.h
    : >build/migrations.h
    : >build/pyfunc.h
    : >build/documents.h
    for lint in layers headers names banned shell man sizes tools analyzer; do
        run "scripts/lint/$lint"
        [ "$status" -eq 0 ] || { echo "$lint: $output"; false; }
        [ -z "$output" ] || { echo "$lint: $output"; false; }
    done
}

@test "layers: an #include upwards" {
    sed -i '2i #include <rec/high.h>' lib/low/base.c
    finds layers 'lib/low/base.c:2: low may not include rec/high.h*'
}

@test "layers: a public header counts too" {
    sed -i '3i #include <rec/high.h>' lib/rec/low.h
    finds layers 'lib/rec/low.h:3: low may not include rec/high.h*'
}

@test "layers: a fenced header elsewhere, in a room or a tool" {
    sed -i '1i #  include <zlib.h>' lib/high/top.c
    finds layers 'lib/high/top.c:1: zlib.h is fenced in low*'
    sed -i 1d lib/high/top.c
    sed -i '1i #include <zlib.h>' cmd/rec-x.c
    finds layers 'cmd/rec-x.c:1: zlib.h is fenced in low*'
}

@test "layers: a private header from another room" {
    sed -i '2i #include "../low/base_priv.h"' lib/high/top.c
    finds layers 'lib/high/top.c:2: ../low/base_priv.h: *private header*'
}

@test "layers: a symbol linked upwards without an #include" {
    sed -i '1i int rec_top_get(void);\nint rec_base_up(void);\nint rec_base_up(void) { return rec_top_get(); }' lib/low/base.c
    archives
    finds layers 'lib/low/base.c:1: links rec_top_get of high*'
}

@test "layers: a room without a line, a line out of order" {
    mkdir lib/new
    finds layers 'lib/layers:1: no line for lib/new'
    rmdir lib/new
    printf 'high: low |\nlow: | zlib.h\nutil: |\n' >lib/layers
    finds layers 'lib/layers:1: high includes low, which does not stand above this line'
}

@test "headers: one that needs another first" {
    printf '#ifndef A\n#define A\nsize_t rec_base_get(void);\n#endif\n' >lib/rec/low.h
    run -1 scripts/lint/headers
    [[ $output == *"lib/rec/low.h:3:"* ]]
}

@test "names: an export of another name, unless it is allowed" {
    printf 'int helper(void);\nint helper(void)\n{\n    return 1;\n}\n' >>lib/low/base.c
    archives
    finds names 'lib/low/base.c:8: exports helper, which is no rec_base_\**'
    echo 'low/base  help.*' >scripts/lint/names.allow
    scripts/lint/names
}

@test "names: the second half of a file may carry its name" {
    printf 'int rec_base_put(void);\nint rec_base_put(void)\n{\n    return 1;\n}\n' >lib/low/base_write.c
    archives
    scripts/lint/names
}

@test "banned: a call, but not a comment, a string or a longer name" {
    printf '/* atoi("1") */\nconst char *s = "x = atoi(y)";\nint my_atoi(int);\n' >>lib/low/base.c
    scripts/lint/banned
    printf 'int f(const char *s) { return atoi(s); }\n' >>cmd/rec-x.c
    finds banned 'cmd/rec-x.c:7: atoi() is banned'
}

@test "banned: printing in lib, not in cmd" {
    printf 'void p(void) { puts("x"); }\n' >>cmd/rec-x.c
    scripts/lint/banned
    printf 'void p(void) { exit(1); }\n' >>lib/low/base.c
    finds banned 'lib/low/base.c:8: exit() belongs in cmd/*'
}

@test "shell: what shellcheck finds, in scripts known by their first line" {
    printf '#!/bin/sh\necho $1\n' >scripts/x
    finds shell 'scripts/x:2:6: *SC2086*'
}

@test "man: mandoc's warnings and references to pages that are not there" {
    sed -i '$d' man/rec-x.1
    echo '.Xr rec-y 1 .' >>man/rec-x.1
    finds man 'man/rec-x.1:18: there is no rec-y(1)'
    sed -i '$d' man/rec-x.1
    printf '.Bd -literal\nx\n' >>man/rec-x.1
    finds man 'man/rec-x.1:18:*'
}

@test "tools: a missing page, a missing test, a page of nothing" {
    rm tests/cmd/rec-x.bats
    finds tools 'cmd/rec-x.c:1: there is no tests/cmd/rec-x.bats'
    : >tests/cmd/rec-x.bats
    mv man/rec-x.1 man/rec-z.1
    run -1 scripts/lint/tools
    [ "${lines[0]}" = "cmd/rec-x.c:1: there is no man/rec-x.1" ]
    [ "${lines[1]}" = "man/rec-z.1:1: there is no cmd/rec-z.c" ]
}

@test "tools: a SYNOPSIS that is not what -h prints, an option the page does not know" {
    sed -i 's/^.Ar FILE/.Op Ar FILE/' man/rec-x.1
    finds tools 'man/rec-x.1:7: SYNOPSIS is "rec-x \[options\] \[FILE\]/rec-x --list/", rec-x -h says "rec-x \[options\] FILE/rec-x --list/"'
    sed -i 's/^.Op Ar FILE/.Ar FILE/; s/^.Fl -cut/.Fl -cuts/' man/rec-x.1
    finds tools 'man/rec-x.1:1: does not tell of --cut'
}

@test "tools: commands, and their options" {
    cat >build/bin/rec-x <<'TOOL'
#!/bin/sh
case "$*" in
-h) printf 'usage: rec-x cut [options]\n       rec-x old get FILE\nrec-x: try\n\ncommands:\n  cut      cut it\n  old get  get it\n\n' ;;
'cut -h') printf 'usage: rec-x cut [options]\n\n  -k, --cut K  depth\n' ;;
'old get -h') printf 'usage: rec-x old get FILE\n' ;;
esac
TOOL
    cat >man/rec-x.1 <<'PAGE'
.Dd November 23, 2026
.Dt REC-X 1
.Os
.Sh NAME
.Nm rec-x
.Nd try
.Sh SYNOPSIS
.Nm
.Cm cut
.Op options
.Nm
.Cm old get
.Ar FILE
.Sh DESCRIPTION
.Bl -tag -width Ds
.It Cm cut Op options
With
.Fl -cut
it cuts.
.It Cm old get Ar FILE
Gets.
.El
PAGE
    run -0 scripts/lint/tools
    [ -z "$output" ]
    sed -i 's/^.It Cm old get/.It Cm old gets/; s/^.Fl -cut/.Fl -cuts/' man/rec-x.1
    run -1 scripts/lint/tools
    [ "${lines[0]}" = 'man/rec-x.1:1: does not tell of the command old get' ]
    [ "${lines[1]}" = 'man/rec-x.1:1: does not tell of --cut' ]
    : >cmd/rec-y_part.c
    run -1 scripts/lint/tools
    [ "${lines[0]}" = 'cmd/rec-y_part.c:1: there is no cmd/rec-y.c that it could be a part of' ]
}

@test "sizes: points out, does not fail" {
    { printf 'void f(void)\n{\n'; yes | head -n 600; printf '}\n'; } >lib/low/long.c
    run -0 scripts/lint/sizes
    [[ $output == *"lib/low/long.c:1: function of 602 lines"* ]]
    [[ $output == *"lib/low/long.c:603: long file"* ]]
}

@test "analyzer: use after free" {
    : >build/version.h
    : >build/migrations.h
    : >build/pyfunc.h
    : >build/documents.h
    printf '#include <stdlib.h>\nint g(int *p);\nint g(int *p)\n{\n    free(p);\n    return *p;\n}\n' >>lib/low/base.c
    run -1 scripts/lint/analyzer
    [[ $output == *"lib/low/base.c:13:"*"after"*"free"* ]]
}
