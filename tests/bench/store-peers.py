# SPDX-License-Identifier: MIT
"""store-peers.py WHAT ... - what somebody would write in Python instead of a tool: for tests/bench/store.

    sqlite-loop FILE.db TEXT ROWS       an INSERT for each of ROWS rows, one transaction
    sqlite-many FILE.db TEXT ROWS       executemany over the rows of the text
    sqlite-export FILE.db ROWS          a loop over a cursor, and csv
    sqlite-append FILE.db SECONDS       a commit for each row, one writer; prints how many a second
    pg-loop, pg-many, pg-rows URL TEXT ROWS    execute; executemany; COPY, row by row
    pg-copy URL TEXT ROWS               COPY, blocks of text as they are
    pg-export URL ROWS                  a loop over a cursor, and csv
    pg-export-copy URL ROWS             COPY, blocks of text as they are
    pg-append URL SECONDS
"""
import csv
import itertools
import multiprocessing
import sys
import time

what, target = sys.argv[1:3]


def rows():
    """user, movie, value, time of the first ROWS rows."""
    with open(sys.argv[3], newline="", encoding="utf-8") as text:
        reader = csv.reader(text)
        next(reader)
        for user, movie, value, when in itertools.islice(reader, int(sys.argv[4])):
            yield int(user), int(movie), float(value), 1, int(when)


def blocks():
    with open(sys.argv[3], "rb") as text:
        text.readline()
        while block := text.read(1 << 16):
            yield block


def sqlite():
    import sqlite3

    return sqlite3.connect(target, timeout=60)


def pg():
    import psycopg

    return psycopg.connect(target)


INSERT = "INSERT INTO ratings (user_id, movie_id, value, load_id, time) VALUES (?, ?, ?, ?, ?)"
EVENT = """INSERT INTO feedback (received, time, user_id, movie_id, part, value, kind, request) VALUES (?, ?, ?, ?, 0, ?, 'rating', ?)"""
STATE = """INSERT INTO ratings (user_id, movie_id, value, load_id, time) VALUES (?, ?, ?, 0, ?)
           ON CONFLICT (user_id, movie_id) DO UPDATE SET value = excluded.value, load_id = 0, time = excluded.time"""


def export(cursor):
    out = csv.writer(sys.stdout)
    out.writerow(("userId", "movieId", "rating", "timestamp"))
    for row in itertools.islice(cursor, int(sys.argv[3])):
        out.writerow(row)


def append_one(writer, seconds, ready, writers, queue):
    """The two statements that an event takes, and a commit."""
    db = sqlite() if what.startswith("sqlite") else pg()
    mark = "?" if what.startswith("sqlite") else "%s"
    event, state = EVENT.replace("?", mark), STATE.replace("?", mark)
    if mark == "?":
        db.execute("PRAGMA synchronous = FULL")
    ready.wait()
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        now = int(time.time())
        if mark == "?":
            db.execute("BEGIN IMMEDIATE")
        db.execute(event, (now * 1000000, now, writer + 1, 1, count % 10 / 2, f"{writer}-{count}-{now}"))
        db.execute(state, (writer + 1, 1, count % 10 / 2, now))
        db.commit()
        count += 1
    queue.put(count)


def append():
    writers, seconds = int(sys.argv[3]), float(sys.argv[4])
    ready, queue = multiprocessing.Barrier(writers), multiprocessing.Queue()
    children = [multiprocessing.Process(target=append_one, args=(i, seconds, ready, writers, queue)) for i in range(writers)]
    for child in children:
        child.start()
    print(round(sum(queue.get() for _ in children) / seconds))
    for child in children:
        child.join()


def main():
    if what.endswith("append"):
        return append()
    db = sqlite() if what.startswith("sqlite") else pg()
    if what == "sqlite-loop":
        for row in rows():
            db.execute(INSERT, row)
    elif what == "sqlite-many":
        db.executemany(INSERT, rows())
    elif what == "pg-loop":
        for row in rows():
            db.execute(INSERT.replace("?", "%s"), row)
    elif what == "pg-many":
        db.cursor().executemany(INSERT.replace("?", "%s"), rows())
    elif what == "pg-rows":
        with db.cursor().copy("COPY ratings (user_id, movie_id, value, load_id, time) FROM STDIN") as copy:
            for row in rows():
                copy.write_row(row)
    elif what == "pg-copy":
        with db.cursor().copy("COPY ratings (user_id, movie_id, value, time) FROM STDIN (FORMAT csv)") as copy:
            for block in blocks():
                copy.write(block)
    elif what == "pg-export-copy":
        with db.cursor().copy("COPY (SELECT user_id, movie_id, value, time FROM ratings) TO STDOUT (FORMAT csv)") as copy:
            for block in copy:
                sys.stdout.buffer.write(block)
    elif what == "pg-export":
        cursor = db.cursor("export")
        cursor.itersize = 10000
        export(cursor.execute("SELECT user_id, movie_id, value, time FROM ratings"))
    elif what == "sqlite-export":
        export(db.execute("SELECT user_id, movie_id, value, time FROM ratings"))
    else:
        raise SystemExit(__doc__)
    db.commit()
    db.close()


main()
