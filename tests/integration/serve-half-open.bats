#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Ten thousand clients that begin a request and do not end it: others are answered meanwhile, and memory stays as it is.

load ../helper
load ../serve
setup() {
    rec_setup
    serve_model .
}
teardown() { serve_stop; }

@test "10,000 half-open connections: the others are answered, memory is flat" {
    ulimit -Sn 256   # the server raises its own
    serve_start --log none --rate-address 1000000/1 --connections 12000 model.rec
    python3 - "${URL#http://}" "$SERVE" <<'END' 3>&-
import os, random, resource, socket, sys, time
host, port = sys.argv[1].rsplit(":", 1)
pid = sys.argv[2]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
with open(f"/proc/{pid}/limits") as f:
    assert next(line.split()[3] for line in f if line.startswith("Max open files")) == str(hard)
many = 10000 if hard == resource.RLIM_INFINITY else min(10000, hard - 200)
print(f"{many} connections")
def memory():
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
def answered():
    began = time.monotonic()
    with socket.create_connection((host, int(port)), 60) as s:
        s.sendall(b"GET /recommendations/1?k=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = b""
        while data := s.recv(65536):
            got += data
    assert got.startswith(b"HTTP/1.1 200 "), got
    return time.monotonic() - began
answered()
peaks, slowest = [memory()], 0
for wave in range(2):
    half = []
    for i in range(many):
        if i % 500 == 0:  # the ports of one address do not suffice for two runs in a minute
            source = f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        s = socket.create_connection((host, int(port)), 60, (source, 0))
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        half.append(s)
        if i % 500 == 499:
            slowest = max(slowest, answered())
    peaks.append(memory())
    for s in half:
        s.close()
    answered()
print(f"KiB: {peaks}; slowest answer {slowest:.3f} s")
if os.environ.get("REC_SANITIZE"):  # which keeps what is given back
    sys.exit()
assert peaks[1] - peaks[0] < 16 * many, "more than 16 KiB a connection"
assert peaks[2] - peaks[1] < 8192, "the second wave takes more than the first"
END
}

@test "10,000 connections with a limit for each address: many addresses have theirs, one too many is closed, and what was closed counts no more" {
    ulimit -Sn 256
    serve_start --workers 2 --log none --rate-address 1000000/1 --connections 12000 --connections-per-address 100 model.rec
    python3 - "${URL#http://}" <<'END' 3>&-
import resource, socket, sys, time
host, port = sys.argv[1].rsplit(":", 1)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
addresses = 100 if hard == resource.RLIM_INFINITY or hard > 10300 else (hard - 300) // 100
def connect(address):
    return socket.create_connection((host, int(port)), 60, (address, 0))
def answered(s):
    try:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return s.recv(65536).startswith(b"HTTP/1.1 200 ")
    except ConnectionError:
        return False
for wave in range(2):
    held = [connect(f"127.7.{wave}.{a + 1}") for a in range(addresses) for _ in range(100)]
    assert all(answered(s) for s in held[::37])
    for a in (0, addresses // 2, addresses - 1):
        assert not answered(connect(f"127.7.{wave}.{a + 1}")), a      # the hundred and first
    assert answered(connect(f"127.7.{wave}.{addresses + 1}"))
    for s in held:
        s.close()
    until = time.monotonic() + 60                                      # until the closing has come through
    while True:
        more = [connect(f"127.7.{wave}.{addresses}") for _ in range(100)]
        good = sum(answered(s) for s in more)
        if good == 100:
            break
        assert time.monotonic() < until, good
        for s in more:
            s.close()
        time.sleep(0.1)
    print(f"{len(held)} connections of {addresses} addresses")
END
}
