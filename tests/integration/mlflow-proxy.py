# SPDX-License-Identifier: MIT
"""A proxy that stands between us and MLflow and does what networks and bad servers do: mlflow-proxy.py URL DIR

It speaks TLS when DIR has cert.pem and key.pem. It writes its address to DIR/url, and a line for each request to DIR/log. What it does with a request says DIR/mode, read each time:

    pass             nothing else
    drop N           the N-th request since the mode was written is carried out, and its answer never comes; nor do later ones reach the server
    cut N            the same, but only half of the N-th request's body reaches the server
    slow S           each is carried out, and answered S seconds later
    lie TEXT         each is answered with 200 and TEXT
    endless          each is answered with blanks without end
    move URL         each is answered with a redirect there
    damage NAME      a file of that name arrives with a byte turned
    deny             401, with the Authorization header in the message
"""
import base64
import http.client
import http.server
import os
import socket
import ssl
import sys
import threading
import time
import urllib.parse

upstream, folder = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
lock, state = threading.Lock(), {"mode": None, "n": 0}


def mode():
    """The mode's words, and which request since it was written this is."""
    with lock:
        path = os.path.join(folder, "mode")
        with open(path) as file:
            key = (file.read(), os.stat(path).st_mtime_ns)
        state["n"] = state["n"] + 1 if key == state["mode"] else 1
        state["mode"] = key
        return key[0].split(None, 1) + [""], state["n"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def vanish(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def forward(self, body):
        connection = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        connection.request(self.command, self.path, body, headers)
        reply = connection.getresponse()
        result = reply.status, reply.read(), [("Content-Type", reply.getheader("Content-Type", "application/json"))]
        connection.close()
        return result

    def half(self, body):
        with socket.create_connection((upstream.hostname, upstream.port)) as s:
            head = "".join(f"{k}: {v}\r\n" for k, v in self.headers.items())
            s.sendall(f"{self.command} {self.path} HTTP/1.1\r\n{head}\r\n".encode() + body[: len(body) // 2])
            time.sleep(0.2)

    def handle_any(self):
        (what, argument, *_), n = mode()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with lock, open(os.path.join(folder, "log"), "a") as log:
            print(self.command, self.path, self.headers.get("Authorization", "-"), file=log)
        hit = what in ("drop", "cut") and n == int(argument)
        if what in ("drop", "cut") and n > int(argument):
            return self.vanish()
        if what == "lie":
            return self.answer(200, argument.encode())
        if what == "move":
            return self.answer(302, b"", [("Location", argument.strip())])
        if what == "deny":
            secret = self.headers.get("Authorization", "").split()[-1]
            try:
                secret += " " + base64.b64decode(secret).decode()
            except ValueError:
                pass
            return self.answer(401, ('{"error_code": "PERMISSION_DENIED", "message": "not %s"}' % secret).encode())
        if what == "endless":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b" " * 65536)
            except OSError:
                return self.vanish()
        if hit:
            with open(os.path.join(folder, "hit"), "a") as file:
                print(self.command, self.path, file=file)
        if hit and what == "cut":
            self.half(body)
            return self.vanish()
        status, text, headers = self.forward(body)
        if hit:
            return self.vanish()
        if what == "slow":
            time.sleep(float(argument))
        if what == "damage" and status == 200 and self.command == "GET" and self.path.endswith("/" + argument.strip()):
            text = text[:-1] + bytes([text[-1] ^ 1])
        try:
            self.answer(status, text, headers)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
scheme = "http"
if os.path.exists(os.path.join(folder, "cert.pem")):
    scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(os.path.join(folder, "url.new"), "w") as file:
    print(f"{scheme}://127.0.0.1:{server.server_address[1]}", file=file)
os.rename(os.path.join(folder, "url.new"), os.path.join(folder, "url"))
server.serve_forever()
