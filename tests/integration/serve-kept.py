#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""serve-kept.py BIN - rec-serve as a process a request, in a folder with rec.db, rec.keys, model.rec and state/, where ann is tied to user 1.

Whether the store was opened is seen by locking it: a process that has to open it then answers 503, one that need not answers 200.
"""
import fcntl
import json
import os
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time

BIN = sys.argv[1]
SERVE = [f"{BIN}/rec-serve", "-q", "--log", "none", "--store", "rec.db", "--keys", "rec.keys", "--state", "state", "--rate-address", "1000000/1",
         "--rate-account", "1000000/1", "--rate-login", "1000000/1", "model.rec"]
KNOWN = "state/known"
random.seed(7)


def start(method, path, token=None, body=None, kind="application/json"):
    here, there = socket.socketpair()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    if body is not None:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    here.sendall((head + "\r\n" + (body or "")).encode())
    process = subprocess.Popen(SERVE, stdin=there, stdout=there, stderr=subprocess.DEVNULL)
    there.close()
    return process, here


def ask(method, path, token=None, body=None, kind="application/json"):
    process, here = start(method, path, token, body, kind)
    answer = b""
    while more := here.recv(65536):
        answer += more
    here.close()
    process.wait()
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(text) if text else None


def mine(expected, basis=None):
    status, said = ask("GET", "/recommendations/me", TOKEN)
    assert status == expected, (status, expected, said)
    assert basis is None or said["basis"] == basis, said
    return said


def sql(statement):
    """A commit of another process than those that serve: a connection that closes removes the log."""
    db = sqlite3.connect("rec.db", 10)
    with db:
        db.execute(statement)
    db.close()


def disable(flag):
    return f"UPDATE accounts SET disabled = {flag} WHERE name = 'ann'"


class Locked:
    """Nobody can open the database: SQLite's pending byte is locked (https://sqlite.org/src/file/src/os.h), which those that have it open do not hold."""

    def __enter__(self):
        self.fd = os.open("rec.db", os.O_RDWR)
        fcntl.fcntl(self.fd, fcntl.F_OFD_SETLK if hasattr(fcntl, "F_OFD_SETLK") else 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0x40000000, 1, 0))

    def __exit__(self, *_):
        os.close(self.fd)


def learn():
    """Until it is known, which takes a moment after a commit, and a request that reads the store."""
    for _ in range(100):
        time.sleep(0.03)
        mine(200)
        with Locked():
            process, here = start("GET", "/recommendations/me", TOKEN)
            here.settimeout(0.5)
            try:
                known = here.recv(12).endswith(b"200")
            except TimeoutError:
                known = False
            process.kill()
            process.wait()
        here.close()
        if known:
            return
    raise SystemExit("nothing is ever known")


def known_only_while_nothing_is_committed():
    learn()
    assert 0 < os.stat(KNOWN).st_size and os.stat(KNOWN).st_mode & 0o777 == 0o600
    assert b"ann" not in open(KNOWN, "rb").read()
    # any commit, also one that changes nothing of the account
    sql("INSERT INTO meta VALUES ('test', 0) ON CONFLICT (name) DO UPDATE SET value = meta.value + 1")
    with Locked():
        process, here = start("GET", "/recommendations/me", TOKEN)
        here.settimeout(0.5)
        try:
            assert not here.recv(12)
            raise SystemExit("known after a commit")
        except TimeoutError:
            pass
        process.kill()
        process.wait()
    learn()


def follows(rounds):
    """Changes at random moments, by connections that stay and connections that go."""
    staying = sqlite3.connect("rec.db", 10, isolation_level=None)
    states = {"disabled": 0, "hits": 0}
    for i in range(rounds):
        time.sleep(random.choice((0, 0, 0.001, 0.005, 0.025, 0.03)))
        if random.random() < 0.5:
            states["disabled"] ^= 1
            how = random.randrange(4)
            if how == 0:
                sql(disable(states["disabled"]))
            elif how == 1:
                staying.execute(disable(states["disabled"]))
            elif how == 2:
                staying.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                staying.execute(disable(states["disabled"]))
                staying.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                staying.close()
                sql(disable(states["disabled"]))
                staying = sqlite3.connect("rec.db", 10, isolation_level=None)
        for _ in range(random.randrange(1, 4)):
            mine(401 if states["disabled"] else 200)
    staying.close()
    sql(disable(0))
    mine(200)


def a_slow_commit_is_seen():
    """Its frames are in the log long before it is one."""
    learn()
    db = sqlite3.connect("rec.db", 10, isolation_level=None)
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN IMMEDIATE")
    db.execute(disable(1))
    db.execute("CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i, hex(zeroblob(200)) AS t FROM n")
    learn()
    db.execute("COMMIT")
    mine(401)
    db.execute("DROP TABLE filler")
    db.execute(disable(0))
    db.close()
    mine(200)


def what_lies_there_is_not_believed():
    learn()
    with open(KNOWN, "rb") as file:
        good = file.read()
    places = [i for i in range(0, len(good), 1024) if any(good[i:i + 1024])]
    record = good[places[-1]:places[-1] + 1024]
    assert places
    forged = [b"", good[:-1], good[:places[-1] + 100], os.urandom(len(good)), b"\0" * len(good), record * 4096]
    for _ in range(40):
        at, bit = random.choice(places) + random.randrange(848), 1 << random.randrange(8)
        forged.append(good[:at] + bytes([good[at] ^ bit]) + good[at + 1:])
    for one in forged:
        with open(KNOWN, "r+b") as file:
            file.write(one)
            file.truncate()
        if random.random() < 0.3:
            sql(disable(1))
            mine(401)
            # an old record does not come back to life
            with open(KNOWN, "r+b") as file:
                file.write(good)
            mine(401)
            sql(disable(0))
        mine(200)
    os.unlink(KNOWN)
    os.mkdir(KNOWN)
    mine(200)
    os.rmdir(KNOWN)
    os.symlink("elsewhere", KNOWN)
    mine(200)
    assert not os.path.exists("state/elsewhere")
    os.unlink(KNOWN)
    learn()


def killed_at_any_moment(rounds):
    for i in range(rounds):
        process, here = start("GET", "/recommendations/me", TOKEN)
        time.sleep(random.random() * 0.004)
        process.send_signal(signal.SIGKILL)
        process.wait()
        here.close()
        if i % 5 == 0:
            sql(disable(1))
            mine(401)
            sql(disable(0))
        mine(200)


def many_at_once(rounds):
    for i in range(rounds):
        sql(disable(i % 2))
        time.sleep(random.choice((0, 0.03)))
        running = [start("GET", "/recommendations/me", TOKEN) for _ in range(8)]
        for process, here in running:
            assert here.recv(12).endswith(b"401" if i % 2 else b"200")
            here.close()
            process.wait()
    sql(disable(0))


def feedback_counts_at_once():
    learn()
    mine(200, "trained")
    status, _ = ask("POST", "/feedback", TOKEN, json.dumps({"movie_id": MOVIE, "rating": 5}))
    assert status == 201, status
    mine(200, "folded-in")
    time.sleep(0.05)
    mine(200, "folded-in")
    mine(200, "folded-in")


def a_copy_put_back_is_another_store():
    learn()
    sql("PRAGMA wal_checkpoint(TRUNCATE)")
    before = os.stat("rec.db")
    with open("rec.db", "rb") as file:
        old = file.read()
    sql(disable(1))
    mine(401)
    time.sleep(0.03)
    mine(401)
    for name in ("rec.db-wal", "rec.db-shm"):
        if os.path.exists(name):
            os.unlink(name)
    with open("rec.db", "r+b") as file:
        file.write(old)
        file.truncate()
    os.utime("rec.db", ns=(before.st_atime_ns, before.st_mtime_ns))
    mine(200)


def a_dropped_key_voids_all():
    learn()
    with open("rec.keys", encoding="ascii") as file:
        keys = file.read()
    lines = [line for line in keys.splitlines() if not line.startswith("#")]
    assert len(lines) == 1
    other = "2 2026-11-24T00:00:00Z " + "B" * 42 + "A\n"
    with open("rec.keys", "w", encoding="ascii") as file:
        file.write(keys + other)
    mine(200)
    time.sleep(0.05)
    mine(200)
    mine(200)
    with open("rec.keys", "w", encoding="ascii") as file:
        file.write(other)
    status, _ = ask("GET", "/recommendations/me", TOKEN)
    assert status == 401, status
    with open("rec.keys", "w", encoding="ascii") as file:
        file.write(keys)
    mine(200)


def ends():
    SERVE[1:1] = ["--access-life", "2"]
    short = login()
    del SERVE[1:3]
    last = 200
    end = time.time() + 4
    while time.time() < end and last == 200:
        last, _ = ask("GET", "/recommendations/me", short)
        time.sleep(0.02)
    assert last == 401


def taken_back():
    """What was known of a token goes with it."""
    sql("DELETE FROM feedback")
    learn()
    status, _ = ask("POST", "/token/revoke", TOKEN, json.dumps({"token": TOKEN}))
    assert status == 204, status
    for _ in range(3):
        mine(401)
        time.sleep(0.03)


def login():
    status, said = ask("POST", "/token", body="username=ann&password=correct+horse", kind="application/x-www-form-urlencoded")
    assert status == 200, (status, said)
    return said["access_token"]


TOKEN = login()
MOVIE = mine(200)["items"][0]["movie_id"]
known_only_while_nothing_is_committed()
follows(120)
a_slow_commit_is_seen()
what_lies_there_is_not_believed()
killed_at_any_moment(60)
many_at_once(12)
a_dropped_key_voids_all()
ends()
a_copy_put_back_is_another_store()
feedback_counts_at_once()
taken_back()
