#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../helper
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    rec-synth -q --users 200 --items 100 --ratings 4000 --seed 4 --format rec -o all.rec
    rec-split -q --test 0.2 --seed 1 --out-test v.rec -o t.rec all.rec
    rec-train -q -m als --passes 6 --validation v.rec --trace als.csv -o als t.rec
    rec-train -q --passes 5 --trace ials.csv -o ials t.rec
    rec-tune -q -m ials -n 12 --passes 6 --search 'solver=cg|cholesky' --csv trials.csv -o best t.rec
    rec-eval -q --per-user users.csv als v.rec >als.json
    rec-eval -q ials v.rec >ials.json
}
setup() {
    rec_setup
    unset "${!REC_PLOT_@}"
    cp "$BATS_FILE_TMPDIR"/* .
}

# png FILE WIDTH HEIGHT: it is a PNG of that size, and not empty of ink.
png() {
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ]
    [ "$(od -An -tu1 -j16 -N8 "$1" | awk '{ print ($3 * 256 + $4) "x" ($7 * 256 + $8) }')" = "$2x$3" ]
    [ "$(wc -c <"$1")" -gt 5000 ]
}

@test "each kind of input as PNG, SVG and text" {
    for f in als.csv trials.csv als.json users.csv all.rec; do
        rec-plot -q -o p.png $f
        png p.png 800 500
        rec-plot -q -o p.svg --size 640x400 $f
        grep -q '<svg' p.svg
        tail -n 2 p.svg | grep -q '</svg>'
        grep -q 'width="640"' p.svg
        rec-plot -q $f >p.txt
        [ "$(wc -l <p.txt)" -gt 20 ]
        LC_ALL=C grep -q '[^ -~]' p.txt && return 1
        rec-plot -q <$f >from-input.txt
        [ -s from-input.txt ]
        rec-plot -q -f png $f >q.png
        png q.png 800 500
    done
}

# says PATTERN FILE...: the picture of these files has such a text.
says() {
    local pattern=$1
    shift
    rec-plot -q -f svg "$@" >says.svg
    grep -qE ">$pattern" says.svg
}

@test "axes and lines are named" {
    says 'loss' als.csv
    says 'pass' als.csv
    says 'rmse' als.csv
    says 'ratings a second' ials.csv
    says 'als<' als.csv ials.csv
    says 'ials<' als.csv ials.csv
    says 'best so far' trials.csv
    says 'ndcg@10' trials.csv
    says 'regularization' trials.csv
    says 'cholesky' trials.csv
    says 'recall@10' als.json ials.json
    says 'less is better' als.json ials.json
    says 'share of users' users.csv
    says 'rating<' all.rec
    says '100|1k' all.rec
    says 'What it is' --title 'What it is' als.csv
}

@test "--metric draws these alone" {
    says 'mrr@10' --metric mrr@10 als.json
    run ! says 'ndcg@10' --metric mrr@10 als.json
    refuses 1 'no metrics in it of these names' rec-plot --metric nonesuch als.json
    says 'users<' --metric users,pairs als.json
}

@test "nothing of names or contents is a command" {
    # gnuplot runs what stands in backquotes or in system("...") of a script.
    evil="x'\`touch a\`\"; system('touch b'); print \"\$(touch c).csv"
    sed "s/rmse/r'\`touch d\`'; system('touch e') #/" als.csv >"$evil"
    rec-plot -q -f svg --title "'; system('touch f') #\`touch g\`" "$evil" als.csv >/dev/null
    sed "2,\$s/cholesky/'; system('touch h') #\`touch i\`/; 1s/solver/'; system('touch j') #/" trials.csv >evil.csv
    rec-plot -q -f svg evil.csv >/dev/null
    sed "s/,0\\.[0-9]*,/,system('touch k'),/" als.csv >number.csv
    refuses 1 'is no number' rec-plot -f svg number.csv
    printf '{"ndcg@`touch l`\\n\x27; system(\x27touch m\x27)": 0.5, "recall@3": 1}' >evil.json
    rec-plot -q -f svg evil.json >/dev/null
    rec-plot -q -f svg --metric "ndcg@\`touch l\`"$'\n'"'; system('touch m')" evil.json >/dev/null
    printf 'user,EOD\nEOD\nsystem("touch n"),1\n' >data.csv
    rec-plot -q -f svg data.csv >/dev/null || :
    # Nor is what the user has in ~/.gnuplot.
    HOME=$PWD
    echo 'system("touch o")' >.gnuplot
    HOME=$PWD rec-plot -q -f svg als.csv >/dev/null
    for file in a b c d e f g h i j k l m n o; do
        [ ! -e "$file" ]
    done
}

@test "refused: without gnuplot, what is nothing of ours, kinds together, sizes, damaged files" {
    tool=$(command -v rec-plot)
    refuses 1 'gnuplot: not found; install it' env PATH=/nonesuch "$tool" als.csv
    echo old >p.png
    refuses 1 'gnuplot: not found' env PATH=/nonesuch "$tool" -o p.png als.csv
    [ "$(cat p.png)" = old ]
    echo hello >note.txt
    refuses 1 'note.txt: no trace' rec-plot note.txt
    refuses 1 'of another kind' rec-plot als.csv als.json
    refuses 1 'one file of trials' rec-plot trials.csv trials.csv
    refuses 1 'model' rec-plot als
    head -c 2000 all.rec >cut.rec
    refuses 1 'cut.rec' rec-plot cut.rec
    echo '{"a": ' >cut.json
    refuses 1 'cut.json' rec-plot cut.json
    head -n 1 als.csv >head.csv
    refuses 1 'nothing in it to draw' rec-plot head.csv
    printf 'pass,loss\n1,2,3\n' >bad.csv
    refuses 1 'bad.csv:2' rec-plot bad.csv
    refuses 2 'size' rec-plot --size 800 als.csv
    refuses 2 'out of range' rec-plot --size 99999x2 als.csv
    refuses 1 'standard output' sh -c 'rec-plot -f png als.csv >/dev/full'
    refuses 1 'nonesuch' rec-plot nonesuch
}
