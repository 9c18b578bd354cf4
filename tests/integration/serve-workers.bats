#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A server of several processes on one socket: what they share, and what happens when one of them, or all, come to an end.
# shellcheck disable=SC2030,SC2031 # every test is a subshell: SERVE is its own

load ../helper
load ../store
load ../serve
setup_file() {
    serve_model "$BATS_FILE_TMPDIR"
}
setup() {
    rec_setup
    cp "$BATS_FILE_TMPDIR"/*.rec .
}
teardown() { serve_stop; }

workers() { pgrep -P "$SERVE"; }

# versions N: what N connections of their own are told, each once
versions() {
    for ((i = 0; i < $1; i++)); do curl -sS "$URL/version" | jq -r .model; done | sort -u
}

# spread: how many connections each worker has while 24 are held, fewest first
spread() {
    python3 - "${URL#http://}" "$SERVE" <<'END' 3>&-
import os, socket, subprocess, sys, time
host, port = sys.argv[1].rsplit(":", 1)
def sockets(pid):
    return sum(os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:") for fd in os.listdir(f"/proc/{pid}/fd"))
pids = subprocess.run(["pgrep", "-P", sys.argv[2]], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
before = [sockets(pid) for pid in pids]
held = [socket.create_connection((host, int(port))) for _ in range(24)]
for s in held:
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
for s in held:
    assert s.recv(12) == b"HTTP/1.1 200"
print(*sorted(sockets(pid) - b for pid, b in zip(pids, before)))
END
}

@test "all workers answer, and each can tell what all of them did" {
    serve_start --workers 2 --open-metrics --log none --rate-address 1000/1 -c movies.rec model.rec
    [ "$(grep -c ': listening on' serve.err)" -eq 1 ]
    [ "$(workers | wc -l)" -eq 2 ]
    spread >out
    read -r fewest most <out
    echo "connections: $fewest and $most"
    [ "$fewest" -ge 9 ] && [ $((fewest + most)) -eq 24 ]
    for i in 1 2 3 4 5 6; do
        curl -sS "$URL/metrics" | grep -qF 'rec_http_requests_total{route="/healthz",method="GET",status="200"} 24'
    done
}

@test "limits are of all workers together, with a state directory and without" {
    for state in "" "--state state"; do
        # shellcheck disable=SC2086 # words
        serve_start --workers 3 --log none --rate-address 10/1000 $state model.rec
        for ((i = 0; i < 14; i++)); do curl -sS -o /dev/null -w '%{http_code}\n' "$URL/healthz"; done | sort | uniq -c >out
        [ "$(awk '$2 == 200 { print $1 }' out)" -eq 10 ]
        [ "$(awk '$2 == 429 { print $1 }' out)" -eq 4 ]
        serve_stop
    done
}

@test "connections of one address are counted over all workers, also after one of them died" {
    serve_start --workers 2 --log none --connections-per-address 6 model.rec
    python3 - "${URL#http://}" "$SERVE" <<'END' 3>&-
import os, signal, socket, subprocess, sys, time
host, port = sys.argv[1].rsplit(":", 1)
def taken(n):
    "how many of n connections are kept"
    held = [socket.create_connection((host, int(port)), 20) for _ in range(n)]
    good = 0
    for s in held:
        try:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            good += s.recv(12) == b"HTTP/1.1 200"
        except ConnectionError:
            pass
    return good, held
good, held = taken(12)
assert good == 6, good
workers = lambda: subprocess.run(["pgrep", "-P", sys.argv[2]], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
old = workers()
os.kill(int(old[0]), signal.SIGKILL)
until = time.monotonic() + 20
while (new := workers()) == old or len(new) < 2:
    assert time.monotonic() < until
    time.sleep(0.02)
for s in held:
    s.close()
time.sleep(0.3)
good, held = taken(12)
assert good == 6, good
END
}

@test "one that dies is started anew, and nobody's connection to the others is lost" {
    serve_start --workers 2 --log none --rate-address 1000000/1 model.rec
    before=$(workers | sort)
    kill -KILL "$(workers | head -n 1)"
    within 100 eval '[ "$(workers | wc -l)" -eq 2 ] && [ "$(workers | sort)" != "'"$before"'" ]'
    within 50 grep -q 'worker [12] (process [0-9]*) was ended by signal 9 (Killed): started anew' serve.err
    for ((i = 0; i < 20; i++)); do curl -sS -o /dev/null "$URL/healthz"; done
}

@test "another model is taken by all of them, a broken one by none, and a worker that begins with a broken one is tried again" {
    serve_start --workers 2 --log none --rate-address 1000000/1 model.rec
    first=$(versions 1)
    rec-train -q --model popular ratings.rec -o model.rec
    kill -HUP "$SERVE"
    within 100 eval '[ "$(versions 12)" != "'"$first"'" ] && [ "$(versions 12 | wc -l)" -eq 1 ]'
    second=$(versions 12)
    [ "$second" != "$first" ]
    cp model.rec good.rec
    head -c 3000 model.rec >cut.rec && mv cut.rec model.rec
    kill -HUP "$SERVE"
    within 50 grep -q 'not taken' serve.err
    kill -KILL "$(workers | head -n 1)"
    within 50 grep -q 'ended with status 1: started anew in' serve.err
    [ "$(versions 6)" = "$second" ]
    mv good.rec model.rec
    kill -HUP "$SERVE"
    within 100 eval '[ "$(workers | wc -l)" -eq 2 ]'
}

@test "a model that is made shorter in place: words, an end, and a new beginning when there is a whole one" {
    cp model.rec good.rec
    # A process for one connection: the client is told.
    mkfifo in
    rec-serve model.rec <in >out 2>err &
    pid=$!
    exec 7>in
    get '/recommendations/1' >&7
    within 100 grep -qa '^HTTP/1.1 200' out
    truncate -s 4096 model.rec
    get '/recommendations/2' >&7
    exec 7>&-
    status=0
    wait $pid || status=$?
    [ "$status" -eq 1 ]
    [ "$(grep -ac '^HTTP/1.1' out)" -eq 2 ]
    grep -qa '^HTTP/1.1 503' out
    grep -q 'model.rec: was made shorter while it was in use' err
    # A server that listens. When its look at the file, once a second, comes first, it has no model any more, and says so.
    for workers in 1 2; do
        cp good.rec new.rec && mv new.rec model.rec
        serve_start --workers $workers --log none model.rec
        curl -sS -o /dev/null -f "$URL/recommendations/1"
        truncate -s 4096 model.rec
        curl -s -o /dev/null -w '%{http_code}\n' "$URL/recommendations/2" >code || :
        grep -qE '^(000|503)$' code
        within 50 grep -qE 'model.rec: was made shorter while it was in use|truncated at byte 4096.*not taken, and the model before it was in the same file' serve.err
        cp good.rec new.rec && mv new.rec model.rec
        if [ $workers -eq 1 ] && grep -q 'was made shorter' serve.err; then
            status=0
            wait "$SERVE" || status=$?
            [ "$status" -eq 1 ]
            SERVE=
            continue
        fi
        kill -HUP "$SERVE"
        within 100 curl -sS -o /dev/null -f "$URL/recommendations/1"
        serve_stop
    done
}

@test "wrong passwords by the dozen take no more memory with four workers than with one" {
    store_new sqlite
    printf 'a password of somebody\n' | rec-db user add -q --store rec.db --keys rec.keys --email a@example.org --password-stdin somebody
    for state in "" "--state state"; do
        # shellcheck disable=SC2086 # words
        serve_start --workers 4 --log none --store rec.db --keys rec.keys --rate-address 1000/1 --rate-login 1000/1 $state model.rec
        python3 - "${URL#http://}" "$SERVE" <<'END' 3>&-
import http.client, os, subprocess, sys, threading, time
pids = subprocess.run(["pgrep", "-P", sys.argv[2]], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
assert len(pids) == 4
def memory():
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += next(int(line.split()[1]) for line in f if line.startswith("Anonymous:"))
    return total / 1024
answers = []
def login():
    c = http.client.HTTPConnection(sys.argv[1], timeout=60)
    c.request("POST", "/token", "grant_type=password&username=somebody&password=a+password+of+somebody", {"Content-Type": "application/x-www-form-urlencoded"})
    answers.append(c.getresponse().status)
before, most = memory(), 0
threads = [threading.Thread(target=login) for _ in range(12)]
for t in threads:
    t.start()
while any(t.is_alive() for t in threads):
    most = max(most, memory())
    time.sleep(0.002)
print(f"{answers}, {before:.0f} MiB before, {most:.0f} at most")
assert set(answers) <= {200, 503} and answers.count(200) >= 2, answers
assert os.environ.get("REC_SANITIZE") or 60 < most - before < 2 * 64 + 24, most - before
END
        serve_stop
    done
}

@test "a stop loses no connection, and a group's signal is none to its workers" {
    # A socket that is handed over stays open: what one server leaves in its queue, the next one takes.
    for listen in "unix" inherited; do
        python3 - "$listen" <<'END' 3>&-
import os, signal, socket, subprocess, sys, threading, time
inherited = sys.argv[1] == "inherited"
command = ["rec-serve", "-q", "--workers", "3", "--log", "none", "--rate-address", "1000000/1", "--no-sandbox"]
if inherited:
    door = socket.socket(socket.AF_UNIX)
    door.bind("door")
    door.listen(512)
def start():
    if inherited:
        return subprocess.Popen(command + ["model.rec"], stdin=door, stdout=subprocess.DEVNULL, start_new_session=True)
    return subprocess.Popen(command + ["--listen", "unix:door", "model.rec"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
over, lost, answered = threading.Event(), [], [0]
def client():
    while not over.is_set():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        try:
            s.connect("door")
        except OSError:          # there is no server now
            s.close()
            time.sleep(0.001)
            continue
        got = b""
        try:
            s.sendall(b"GET /recommendations/1?k=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while data := s.recv(65536):
                got += data
        except OSError as e:
            got = str(e).encode()
        if not (got.startswith(b"HTTP/1.1 200 ") and got.endswith(b"}\n")):
            lost.append(got)
        answered[0] += 1
        s.close()
clients = [threading.Thread(target=client) for _ in range(8)]
for c in clients:
    c.start()
for _ in range(4):
    p, before = start(), answered[0]
    until = time.monotonic() + 60
    while answered[0] < before + 300 and not lost:
        assert time.monotonic() < until, answered
        time.sleep(0.01)
    os.killpg(p.pid, signal.SIGTERM)
    assert p.wait(60) == 0
last = start() if inherited else None
over.set()
for c in clients:
    c.join()
if last:
    last.terminate()
    assert last.wait(60) == 0
print(f"{answered[0]} answered, {len(lost)} lost {lost[:3]}")
assert not lost
END
    done
}

@test "what no worker can begin with is told once, and workers do not outlive their supervisor" {
    refuses 1 'no-such.rec: no such file' rec-serve --workers 3 --listen 127.0.0.1:0 no-such.rec
    serve_start --workers 2 --log none model.rec
    pids=$(workers | tr '\n' ' ')
    kill -KILL "$SERVE"
    wait "$SERVE" || :
    SERVE=
    # shellcheck disable=SC2086 # words
    within 100 eval "! kill -0 $pids"
}
