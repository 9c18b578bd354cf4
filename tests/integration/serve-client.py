# SPDX-License-Identifier: MIT
"""What every way in has to do alike: serve-client.py HOST:PORT [MOVIE...]

The movies are those that user 1 is to be recommended, in that order, by rec-recommend."""
import socket
import sys

host, port = sys.argv[1].rsplit(":", 1)
want = sys.argv[2:]


class Connection:
    def __init__(self):
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, body=True):
        status = int(self.file.readline().split()[1])
        fields = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, value = line.decode().split(":", 1)
            fields[name.lower()] = value.strip()
        return status, fields, self.file.read(int(fields.get("content-length", 0))) if body else b""

    def get(self, path, more=""):
        self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        return self.answer()

    def ended(self):
        return self.file.read(1) == b""


def has(x, y):
    assert x == y, (x, y)


with Connection() as c:  # one connection, several requests, one after another and at once
    status, fields, body = c.get("/healthz")
    has((status, body.strip()), (200, b'{"status":"ok"}'))
    status, fields, body = c.get(f"/recommendations/1?k={len(want)}")
    has(status, 200)
    import json

    has([i["movie_id"] for i in json.loads(body)["items"]], want)
    status, fields, body = c.get("/nothing/here")
    has((status, fields["content-type"]), (404, "application/problem+json"))
    c.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    has([c.answer()[0] for _ in range(3)], [200, 200, 200])
    c.send(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    has(c.answer(body=False)[0], 200)
    status, fields, body = c.get("/healthz", "Connection: close\r\n")
    has((status, fields["connection"]), (200, "close"))
    assert c.ended()

with Connection() as c:  # what is no request is refused, and nothing of that connection is read after it
    c.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    status, fields, body = c.answer()
    has((status, fields["connection"]), (400, "close"))
    assert c.ended()

with Connection() as c:  # who goes away in the middle harms nobody
    c.send(b"GET /heal")
with Connection() as c:
    has(c.get("/healthz")[0], 200)
