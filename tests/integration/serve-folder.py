"""serve-folder.py FOLDER LOG [--cut N] [--no-ranges]: an HTTP server on loopback for tests of resumed downloads.

Prints its port, then serves until it is killed; LOG gets a line per request: path and the Range it asked for. --cut
breaks the first answer longer than N bytes off after N bytes; --no-ranges answers every request in full.
"""
import argparse
import http.server
import os
import re
import sys

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("log")
parser.add_argument("--cut", type=int)
parser.add_argument("--no-ranges", action="store_true")
args = parser.parse_args()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        asked = self.headers.get("Range", "-")
        with open(args.log, "a") as log:
            print(self.command, self.path, asked, file=log)
        try:
            with open(os.path.join(args.folder, os.path.basename(self.path)), "rb") as f:
                body = f.read()
        except OSError:
            self.send_error(404)
            return
        first = re.fullmatch(r"bytes=(\d+)-", asked)
        if first and not args.no_ranges:
            at = int(first[1])
            if at >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {at}-{len(body) - 1}/{len(body)}")
            body = body[at:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if args.cut and len(body) > args.cut:
            body, args.cut = body[: args.cut], None
        self.wfile.write(body)


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1])
sys.stdout.flush()
server.serve_forever()
