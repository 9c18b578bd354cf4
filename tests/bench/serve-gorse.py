#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""serve-gorse.py PROGRAM DIR RATINGS SECONDS - makes gorse ready to be measured: the ratings loaded, lists and neighbours made.

PROGRAM is a gorse-in-one of version 0.5, RATINGS what rec-cat writes of ratings, standard input when it is '-'. Data and cache are SQLite files
in DIR, where it leaves gorse.toml.in: HERE and THERE in it are the port of HTTP and that of its parts. Prints a user and an item who have
ten recommendations and ten neighbours; gives up after SECONDS. Written by gorse's documents: what it answers is looked at, not trusted.
"""
import csv
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

BATCH = 10000
CONFIG = """
[database]
cache_store = "sqlite://{dir}/gorse-cache.db"
data_store = "sqlite://{dir}/gorse-data.db"
[master]
port = THERE
host = "127.0.0.1"
http_port = HERE
http_host = "127.0.0.1"
n_jobs = {jobs}
[server]
default_n = 10
auto_insert_user = true
auto_insert_item = true
[recommend]
cache_size = 100
[recommend.data_source]
positive_feedback_types = ["like"]
read_feedback_types = ["read"]
[[recommend.item-to-item]]
name = "neighbors"
type = "users"
[recommend.collaborative]
fit_period = "60m"
optimize_period = "0"
[recommend.ranker]
type = "none"
recommenders = ["collaborative", "item-to-item/neighbors", "latest"]
[recommend.fallback]
recommenders = ["latest"]
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, path, body=None):
    """What it answers, or None."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)
    except (OSError, ValueError, urllib.error.HTTPError):
        return None


def load(port, ratings):
    """All of them as feedback; users and items come with it. Returns the first user and item."""
    batch, first = [], None

    def send():
        if batch and ask(port, "/api/feedback", batch) is None:
            raise SystemExit("it does not take feedback")
        batch.clear()

    for row in csv.DictReader(ratings):
        user, item = row["userId"], row["itemId"]
        first = first or (user, item)
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(row.get("timestamp") or 0)))
        batch.append({"FeedbackType": "like", "UserId": user, "ItemId": item, "Value": float(row["rating"]), "Timestamp": when})
        if len(batch) == BATCH:
            send()
    send()
    return first


def busy(pid, seconds):
    """CPU seconds that it uses in so many."""
    def used():
        with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
            return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(seconds)
    return used() - before


def is_list(answer):
    return isinstance(answer, list) and len(answer) == 10


def make_ready(program, directory, ratings, seconds):
    port, inner = free_port(), free_port()
    with open(f"{directory}/gorse.toml.in", "w", encoding="ascii") as conf:
        conf.write(CONFIG.format(dir=directory, jobs=os.cpu_count()))
    with open(f"{directory}/gorse.toml.in", encoding="ascii") as conf, open(f"{directory}/gorse.toml", "w", encoding="ascii") as out:
        out.write(conf.read().replace("THERE", str(inner)).replace("HERE", str(port)))
    end = time.monotonic() + seconds
    with open(f"{directory}/gorse.log", "wb") as log, \
            subprocess.Popen([program, "-c", f"{directory}/gorse.toml"], cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as server:
        try:
            while ask(port, "/api/health/ready") is None:
                if server.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"it does not come up: {last_line(directory)}")
                time.sleep(0.5)
            user, item = load(port, ratings)
            # Until everybody's lists are made it answers with what is newest: it is done when it has neighbours, and nothing to do.
            while not (is_list(ask(port, f"/api/recommend/{user}?n=10")) and is_list(ask(port, f"/api/item/{item}/neighbors?n=10")) and busy(server.pid, 5) < 0.25):
                if server.poll() is not None or time.monotonic() > end:
                    raise SystemExit("it made no lists in time")
                time.sleep(1)
        finally:
            server.terminate()
    print(user, item)


def last_line(directory):
    with open(f"{directory}/gorse.log", encoding="utf-8", errors="replace") as log:
        return (log.read().strip().splitlines() or ["it says nothing"])[-1][:200]


if __name__ == "__main__":
    with (sys.stdin if sys.argv[3] == "-" else open(sys.argv[3], encoding="utf-8")) as given:
        make_ready(sys.argv[1], sys.argv[2], given, int(sys.argv[4]))
