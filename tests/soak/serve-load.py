# SPDX-License-Identifier: MIT
"""A mixed load on a rec-serve that listens: serve-load.py HOST:PORT PID SECONDS DIRECTORY.

The directory holds what tests/soak/serve made there: models/*.rec, of which one after another takes the place of model.rec; rec.db; `service`,
an API key; `seed`. Prints what was asked how often. Ends with status 1 at the first answer that is not declared in the service's own OpenAPI
document, not well-formed, or a fault of the server, and when feedback that was acknowledged is not in the store. What it saw of the server's memory
is written to `memory`: seconds, KiB of its own (PSS), descriptors.
"""
import collections
import gzip
import json
import os
import random
import re
import signal
import socket
import sqlite3
import struct
import sys
import threading
import time
import urllib.parse

HOST, PID, SECONDS, HERE = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
ADDRESS = (HOST.rsplit(':', 1)[0], int(HOST.rsplit(':', 1)[1]))
PATIENCE = 60          # seconds for an answer: a sanitizer on a busy machine is slow, and slowness is nothing that is tested here
WRITERS = 3
FILMS = [str(n) for n in range(1, 501)]
with open(f'{HERE}/service') as f:
    SERVICE_KEY = f.read().strip()
with open(f'{HERE}/seed') as f:
    SEED = f.read().strip()

begun = time.monotonic()
over = threading.Event()
quiet = threading.Event()     # nobody has a password checked
failures = []
counts = collections.Counter()
lock = threading.Lock()
acknowledged, unknown = {}, {}    # request -> number of its events: has to be there; may be there, all of it or nothing


class Wrong(Exception):
    pass


def left():
    return SECONDS - (time.monotonic() - begun)


def password(name):
    return f'a password of {name}'


# -- answers --

class Connection:
    """One connection, and a reader that takes nothing for an answer but what RFC 9112 does."""

    def __init__(self):
        self.socket = socket.create_connection(ADDRESS, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b''

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(65536)
        self.rest += data
        return bool(data)

    def line(self):
        while b'\r\n' not in self.rest:
            if len(self.rest) > 65536 or not self.more():
                raise Wrong(f'the answer ends within its head: {self.rest[:200]!r}')
        line, self.rest = self.rest.split(b'\r\n', 1)
        return line.decode('ascii')

    def answer(self, method='GET'):
        """status, fields, body; None when the connection ended before it."""
        if not self.rest and not self.more():
            return None
        first = self.line()
        match = re.fullmatch(r'HTTP/1\.1 ([1-5][0-9][0-9]) [A-Za-z -]*', first)
        if not match:
            raise Wrong(f'no status line: {first!r}')
        status, fields = int(match[1]), {}
        while line := self.line():
            name, colon, value = line.partition(':')
            if not colon or not re.fullmatch(r"[A-Za-z-]+", name):
                raise Wrong(f'no field: {line!r}')
            fields[name.lower()] = value.strip()
        if status == 100:
            return status, fields, b''
        if status in (204, 304) or method == 'HEAD':
            return status, fields, b''
        length = int(fields['content-length'])
        while len(self.rest) < length:
            if not self.more():
                raise Wrong(f'{status}: the body ends after {len(self.rest)} of {length} bytes')
        body, self.rest = self.rest[:length], self.rest[length:]
        return status, fields, gzip.decompress(body) if fields.get('content-encoding') == 'gzip' else body

    def reset(self):
        """Ends it as a client that is gone does: the server reads or writes into nothing."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


def request(method, path, body=None, fields=(), kind='application/json'):
    """The bytes of a request."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f'{method} {path} HTTP/1.1', 'Host: localhost', *(f'{k}: {v}' for k, v in dict(fields).items())]
    if body is not None:
        lines += [f'Content-Type: {kind}', f'Content-Length: {len(body)}']
    return '\r\n'.join([*lines, '', '']).encode() + (body or b'')


class Document:
    """What the service says that it answers."""

    def __init__(self, text):
        self.routes = []
        document = json.loads(text)
        for path, methods in document['paths'].items():
            pattern = re.compile(''.join('[^/?]+' if part.startswith('{') else re.escape(part) for part in re.split(r'(\{[^}]+\})', path)))
            for method, operation in methods.items():
                if method in ('get', 'post', 'patch', 'delete'):
                    responses = {int(status): self.types(document, r) for status, r in operation['responses'].items()}
                    self.routes.append((method.upper(), pattern, path, responses))
        self.routes.sort(key=lambda route: '{' in route[2])

    @staticmethod
    def types(document, response):
        while '$ref' in response:
            node = document
            for part in response['$ref'].lstrip('#/').split('/'):
                node = node[part]
            response = node
        return list(response.get('content', {}))

    def declared(self, method, path):
        bare = urllib.parse.urlsplit(path).path.removeprefix('/v1')
        for m, pattern, name, responses in self.routes:
            if m == ('GET' if method == 'HEAD' else method) and pattern.fullmatch(bare):
                return name, responses
        return None, None


document = None
MODELS = set()


def problem(status, fields, body):
    if fields.get('content-type') != 'application/problem+json':
        raise Wrong(f'{status} is no problem+json but {fields.get("content-type")}: {body[:200]!r}')
    told = json.loads(body)
    if told.get('status') != status or not told.get('title') or not isinstance(told.get('detail'), str):
        raise Wrong(f'{status}: not what a problem is: {body[:300]!r}')
    return told


def judge(method, path, answer, wanted=None):
    """Whether that may be; the body, as JSON where it is."""
    if answer is None:
        raise Wrong(f'{method} {path}: no answer')
    status, fields, body = answer
    name, declared = document.declared(method, path)
    where = f'{method} {path[:200]}: {status} {body[:300]!r}'
    with lock:
        counts[f'{method} {name or "nothing"} {status}'] += 1
    if not re.fullmatch('[a-z2-7]{26}', fields.get('x-request-id', '')) or 'date' not in fields:
        raise Wrong(f'{where}: without request id or date')
    if status >= 500 or (declared is not None and status not in declared) or (declared is None and status not in (400, 404, 405)):
        raise Wrong(f'{where}: not among {sorted(declared or [])}')
    if wanted is not None and status not in wanted:
        raise Wrong(f'{where}: not {wanted}')
    if status >= 400 and method != 'HEAD':
        return problem(status, fields, body)
    if not body:
        return None
    kind = fields['content-type'].partition(';')[0]
    if declared and declared[status] and kind not in declared[status]:
        raise Wrong(f'{where}: is {kind}, and not {declared[status]}')
    value = json.loads(body) if kind == 'application/json' else body
    if isinstance(value, dict) and isinstance(value.get('model'), str) and value['model'] not in MODELS:
        raise Wrong(f'{where}: of a model that never was')
    return value


class Client:
    """Asks on a connection that is kept, and on another when the server has closed it, as it does after many requests."""

    def __init__(self, name=None):
        self.connection, self.name, self.access, self.refresh = None, name, None, None

    def ask(self, method, path, body=None, fields=(), wanted=None, kind='application/json', authorized=True):
        fields = dict(fields)
        if self.access and authorized:
            fields['Authorization'] = f'Bearer {self.access}'
        for attempt in (1, 2):
            fresh = self.connection is None
            if fresh:
                self.connection = Connection()
            try:
                self.connection.send(request(method, path, body, fields, kind))
                answer = self.connection.answer(method)
            except (BrokenPipeError, ConnectionResetError):
                answer = None
            if answer is not None or fresh:
                break
            self.drop()    # it was idle for too long: nothing of the request was taken
        if answer is not None and answer[1].get('connection', '').lower() == 'close':
            self.drop()
        if answer is not None and answer[0] == 401 and self.refresh and authorized and 'expired' in answer[1].get('www-authenticate', ''):
            judge(method, path, answer)
            self.renew()
            return self.ask(method, path, body, {k: v for k, v in fields.items() if k != 'Authorization'}, wanted, kind)
        self.last = answer
        return judge(method, path, answer, wanted)

    def drop(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def log_in(self):
        form = urllib.parse.urlencode({'username': self.name, 'password': password(self.name)}).encode()
        with passwords:
            self.take(self.ask('POST', '/token', form, wanted=(200,), kind='application/x-www-form-urlencoded', authorized=False))

    def renew(self):
        self.take(self.ask('POST', '/token/refresh', {'refresh_token': self.refresh}, wanted=(200,), authorized=False))

    def take(self, tokens):
        self.access, self.refresh = tokens['access_token'], tokens['refresh_token']


passwords = threading.Lock()    # few are checked at once: a third one would be told to come later


# -- who asks --

def wish(rng):
    query = {'k': rng.choice((1, 5, 10, 50))}
    for name, value in (('offset', rng.randrange(50)), ('genre', rng.choice(('Drama', 'Comedy,Horror'))), ('diversity', rng.random()),
                        ('year', rng.choice(('1990..1999', '..1980', '2001'))), ('explain', 'true'), ('exclude_seen', 'false')):
        if rng.random() < 0.3:
            query[name] = value
    return urllib.parse.urlencode(query)


def visitor(rng):
    return {'items': [{'movie_id': rng.choice(FILMS + ['no film']), 'rating': rng.randrange(1, 6)} for _ in range(rng.randrange(1, 8))], 'k': 5}


def reader(number):
    rng, client, etags = random.Random(f'{SEED}-reader-{number}'), Client('chief'), {}
    client.log_in()
    while not over.is_set():
        path = rng.choice([
            f'/recommendations/{rng.randrange(1, 800)}?{wish(rng)}', f'/v1/recommendations/{rng.randrange(1, 800)}?{wish(rng)}',
            f'/similar-movies/{rng.choice(FILMS)}?k={rng.randrange(1, 30)}', f'/movies/{rng.choice(FILMS)}',
            f'/movies?q={rng.choice("abcdefghilmnoprstw")}&limit=20&sort={rng.choice(("title", "year", "popularity"))}',
            f'/movies?genre=Drama&cursor={rng.randrange(40)}', f'/movies/popular?k={rng.randrange(1, 100)}', '/movies/latest?k=20',
            f'/users/{rng.randrange(1, 500)}/neighbors?k=5', '/users/me', '/users?limit=3', '/healthz', '/readyz', '/version', '/metrics',
            rng.choice(('/openapi.json', '/docs', '/feedback?limit=5&user_id=1', '/api-keys'))])
        fields = {'Accept-Encoding': 'gzip'} if rng.random() < 0.3 else {}
        if path in etags and rng.random() < 0.5:
            fields['If-None-Match'] = etags[path]
        if rng.random() < 0.2:
            client.ask('POST', '/recommendations', visitor(rng), wanted=(200, 422), authorized=rng.random() < 0.5)
            continue
        client.ask(rng.choice(('GET', 'GET', 'GET', 'HEAD')), path, fields=fields, wanted=(200, 304, 404, 422))
        if 'etag' in client.last[1]:
            etags[path] = client.last[1]['etag']


def writer(number):
    """Feedback on an account's own: acknowledged, sent again under its key, seen by the next question, taken back."""
    rng, client = random.Random(f'{SEED}-writer-{number}'), Client(f'writer{number}')
    client.log_in()
    for i in range(1 << 30):
        if over.is_set():
            return
        key = f'w{number}-{i}'
        events = [{'movie_id': film, **rng.choice(({'rating': rng.randrange(1, 6)}, {'kind': 'like'}, {'kind': 'watch'}))}
                  for film in rng.sample(FILMS, rng.choice((1, 1, 1, 2, 5, 40)))]
        body = events[0] if len(events) == 1 and rng.random() < 0.7 else events
        unknown[key] = len(events)
        stored = client.ask('POST', '/feedback', body, {'Idempotency-Key': key}, (201,))
        acknowledged[key] = unknown.pop(key)
        if stored != {'stored': len(events), 'duplicates': 0}:
            raise Wrong(f'{key}: {len(events)} events: {stored}')
        if rng.random() < 0.2 and client.ask('POST', '/feedback', body, {'Idempotency-Key': key}, (201,)) != {'stored': 0, 'duplicates': len(events)}:
            raise Wrong(f'{key}: stored again')
        if rng.random() < 0.3:
            newest = client.ask('GET', f'/feedback?limit={len(events)}', wanted=(200,))['feedback']
            if sorted(e['movie_id'] for e in newest) != sorted(e['movie_id'] for e in events):
                raise Wrong(f'{key}: is not what was heard last: {newest}')
        if rng.random() < 0.3:
            listed = client.ask('GET', '/recommendations/me?k=500', wanted=(200,))['items']
            if {e['movie_id'] for e in events} & {item['movie_id'] for item in listed}:
                raise Wrong(f'{key}: what was told is recommended')
        if rng.random() < 0.2:
            client.ask('DELETE', f'/feedback/{rng.choice(events)["movie_id"]}', wanted=(204,))
            acknowledged[client.last[1]['x-request-id']] = 1
        if i % 50 == 49:
            client.renew()


def bulk():
    """A service: lines in, lines out."""
    rng, client, after, i = random.Random(f'{SEED}-bulk'), Client(), 0, 0
    key = {'X-API-Key': SERVICE_KEY}
    while not over.is_set():
        i += 1
        n = rng.choice((1, 10, 300))
        lines = b''.join(json.dumps({'user_id': f'b{rng.randrange(50)}', 'movie_id': film, 'rating': 3}).encode() + b'\n' for film in rng.sample(FILMS, n))
        unknown[f'b{i}'] = n
        client.ask('POST', '/feedback/import', lines, {**key, 'Idempotency-Key': f'b{i}'}, (201,), 'application/x-ndjson')
        acknowledged[f'b{i}'] = unknown.pop(f'b{i}')
        got = client.ask('GET', f'/feedback/export?after={after}&limit=500', fields=key, wanted=(200,)) or b''
        ids = [json.loads(line)['id'] for line in got.splitlines()]
        if ids != sorted(set(ids)) or (ids and ids[0] <= after):
            raise Wrong(f'export after {after}: {ids[:10]}')
        after = ids[-1] if ids else after
        over.wait(0.1)


def accounts():
    """Everything around passwords and tokens, by one, as few passwords are checked at once."""
    rng, i = random.Random(f'{SEED}-accounts'), 0
    while not over.is_set():
        i += 1
        client = Client(f'guest{i}')
        with passwords:
            client.ask('POST', '/users/register', {'username': client.name, 'email': f'{client.name}@example.org', 'password': password(client.name)},
                       wanted=(201,))
        client.log_in()
        client.ask('GET', '/users/me', wanted=(200,))
        client.renew()
        client.ask('PATCH', '/users/me', {'email': f'other-{client.name}@example.org'}, wanted=(200,))
        with passwords:
            client.ask('POST', '/users/login', {'username': 'writer0', 'password': 'a wrong password'}, wanted=(401, 429), authorized=False)
        used, before = client.refresh, client.access
        client.renew()
        client.ask('POST', '/token/revoke', {'token': client.access}, wanted=(204,), authorized=False)
        refresh, client.refresh = client.refresh, None
        client.ask('GET', '/users/me', wanted=(401,))
        client.access = before
        client.ask('DELETE', '/users/me', wanted=(204,))
        client.ask('GET', '/users/me', wanted=(401,))
        client.access = None
        for token in (used, refresh):
            client.ask('POST', '/token/refresh', {'refresh_token': token}, wanted=(401,))
        client.drop()
        quiet.set()
        over.wait(rng.uniform(0.5, 2))
        quiet.clear()


DEEP = b'[' * 40 + b']' * 40
NO_REQUESTS = [
    (b'GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n', (400,)), (b'GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n', (400, 505)),
    (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', (400,)), (b'BREW /coffee HTTP/1.1\r\nHost: x\r\n\r\n', (501,)),
    (b'GET /healthz HTTP/1.1\r\n\r\n', (400,)), (b'GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', (400,)),
    (b'GET /healthz HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n', (400,)), (b'GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n', (400,)),
    (b'POST /recommendations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', (400,)),
    (b'POST /recommendations HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 3\r\n\r\n{}', (400,)),
    (b'POST /recommendations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', (400,)),
    (b'POST /recommendations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n', (413,)),
    (b'GET /movies?q=' + b'a' * 20000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', (414,)),
    (b'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Much: ' + b'a' * 40000 + b'\r\n\r\n', (431,)),
    (b'GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', (400,)), (b'GET /movies/%2e%2e%2f HTTP/1.1\r\nHost: x\r\n\r\n', (400,)),
    (b'GET /movies/%00 HTTP/1.1\r\nHost: x\r\n\r\n', (400,)), (b'GET /movies/%ff HTTP/1.1\r\nHost: x\r\n\r\n', (400,)),
]
NO_BODIES = [b'{', b'{"items":[],"items":[]}', b'{"items":"\xff"}', b'{"items":' + DEEP + b'}', b'[]', b'null', b'{"items":[{"movie_id":5}]}', b'{"items":[1e999]}',
             b'{"items":[],"role":"admin"}', b'{"items":[{"movie_id":"1","rating":NaN}]}', b'']
NO_WORDS = ["' OR 1=1 --", '"; DROP TABLE accounts; --', '<script>alert(1)</script>', '${jndi:ldap://x}', '../../../etc/passwd', '%s%s%n', 'a\\b']


def rude():
    """Requests that are none, and clients that go away: a clear refusal, or nothing; and the others never notice."""
    rng, i = random.Random(f'{SEED}-rude'), 0
    while not over.is_set():
        i += 1
        data, wanted = rng.choice(NO_REQUESTS)
        connection = Connection()
        cut = rng.randrange(len(data) + 1)
        try:
            connection.send(data[:cut])
            connection.send(data[cut:])
            answer = connection.answer()
        except (BrokenPipeError, ConnectionResetError):
            answer = None      # refused before it was sent whole, as what is too long is
        if answer:
            if answer[0] not in wanted:
                raise Wrong(f'{data[:80]!r}: {answer[0]}, not {wanted}')
            problem(*answer)
            with lock:
                counts[f'no request {answer[0]}'] += 1
        connection.close()

        client = Client()
        client.ask('POST', '/recommendations', rng.choice(NO_BODIES), wanted=(400, 422))
        word = urllib.parse.quote(rng.choice(NO_WORDS), safe='')
        client.ask('GET', f'/movies?q={word}', wanted=(200, 422))
        client.ask('GET', f'/movies/{word}', wanted=(400, 404, 422))
        client.ask('GET', '/recommendations/1', fields={'Authorization': f'Bearer {word}.e30.AAAA'}, wanted=(401,))
        client.ask('GET', '/users/me', fields={'X-API-Key': word}, wanted=(401,))
        client.ask(rng.choice(('GET', 'POST', 'DELETE')), f'/{rng.choice(("", "nothing", "v1", "v2/movies", "movies/1/2"))}', wanted=(404, 405))
        client.drop()

        key = f'gone-{i}'
        lines = b''.join(b'{"user_id":"gone","movie_id":"%d","rating":2}\n' % n for n in range(1, 8))
        data = request('POST', '/feedback/import', lines, {'X-API-Key': SERVICE_KEY, 'Idempotency-Key': key}, 'application/x-ndjson')
        whole = rng.random() < 0.7
        if whole:
            unknown[key] = 7
        connection = Connection()
        connection.send(data if whole else data[:rng.randrange(len(data))])
        over.wait(rng.choice((0, 0.001, 0.01)))
        connection.reset()
        connection = Connection()      # asks for much, and does not wait for it
        connection.send(request('GET', '/openapi.json') * rng.randrange(1, 20))
        connection.reset()


def pipes():
    """Several requests at once: answers in their order, and bodies in chunks, cut anywhere."""
    rng, n = random.Random(f'{SEED}-pipes'), 0
    while not over.is_set():
        connection = Connection()
        for _ in range(20):
            films = [rng.choice(FILMS) for _ in range(rng.randrange(2, 12))]
            data = b''.join(request('GET', f'/similar-movies/{film}?k=2') for film in films)
            cut = rng.randrange(len(data))
            connection.send(data[:cut])
            over.wait(rng.choice((0, 0, 0.002)))
            connection.send(data[cut:])
            for film in films:
                path = f'/similar-movies/{film}?k=2'
                if judge('GET', path, connection.answer(), (200,))['movie_id'] != film:
                    raise Wrong(f'{path}: the answer to another question')
            body, chunks = json.dumps(visitor(rng)).encode(), b''
            while body:
                n = rng.randrange(1, 60)
                chunks += b'%x%s\r\n%s\r\n' % (len(body[:n]), rng.choice((b'', b';x=y')), body[:n])
                body = body[n:]
            head = b'POST /recommendations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n'
            expects = rng.random() < 0.3
            connection.send(head + (b'Expect: 100-continue\r\n\r\n' if expects else b'\r\n'))
            if expects:
                answer = connection.answer()
                if not answer or answer[0] != 100:
                    raise Wrong(f'Expect: 100-continue: {answer}')
            data = chunks + b'0\r\n\r\n'
            cut = rng.randrange(len(data))
            connection.send(data[:cut])
            connection.send(data[cut:])
            judge('POST', '/recommendations', connection.answer(), (200,))
        connection.close()


def slow():
    """Clients that write a byte at a time, that read late, and that never get to the end: these are told so."""
    rng, connections, stalled = random.Random(f'{SEED}-slow'), [], []
    while not over.is_set():
        connections = [Connection() for _ in range(10)]
        data = [request('GET', f'/movies/{rng.choice(FILMS)}') for _ in connections]
        for i in range(max(len(d) for d in data)):
            for connection, d in zip(connections, data):
                connection.send(d[i:i + 1])
            over.wait(0.02)
        for connection in connections:
            judge('GET', '/movies/1', connection.answer(), (200,))
            connection.close()
        late = Connection()
        late.send(request('GET', '/openapi.json') * 8)
        over.wait(1)
        for _ in range(8):
            judge('GET', '/openapi.json', late.answer(), (200,))
        late.close()
        if len(stalled) < 20:
            stalled.append((time.monotonic(), Connection()))
            stalled[-1][1].send(b'GET /healthz HTTP/1.1\r\nHost: ')
        while stalled and time.monotonic() - stalled[0][0] > 11:
            answer = stalled.pop(0)[1].answer()
            if answer is None or answer[0] != 408:
                raise Wrong(f'a head that does not end: {answer}')
            problem(*answer)
            with lock:
                counts['a head that does not end 408'] += 1


def operator():
    """Another model, a broken one, SIGHUP: nobody notices, and the good one is taken."""
    rng, client = random.Random(f'{SEED}-operator'), Client()
    files = sorted(f for f in os.listdir(f'{HERE}/models') if f in MODEL_OF)
    broken = sorted(f for f in os.listdir(f'{HERE}/models') if f.startswith('broken'))

    def put(name):
        with open(f'{HERE}/models/{name}', 'rb') as f:
            data = f.read()
        with open(f'{HERE}/model.new', 'wb') as f:
            f.write(data)
        os.rename(f'{HERE}/model.new', f'{HERE}/model.rec')

    while not over.is_set():
        name = rng.choice(files)
        put(name)
        if rng.random() < 0.7:
            os.kill(PID, signal.SIGHUP)
        until = time.monotonic() + PATIENCE
        while client.ask('GET', '/version', wanted=(200,))['model'] != MODEL_OF[name]:
            if time.monotonic() > until:
                raise Wrong(f'{name}: not taken within {PATIENCE} s')
            if over.wait(0.05):
                return
        with lock:
            counts['models taken'] += 1
        if rng.random() < 0.4:
            put(rng.choice(broken))
            os.kill(PID, signal.SIGHUP)
            over.wait(1)
            if client.ask('GET', '/version', wanted=(200,))['model'] != MODEL_OF[name]:
                raise Wrong('a broken model was taken')
        over.wait(rng.uniform(0, 1))


MODEL_OF = {}


def watch():
    with open(f'{HERE}/memory', 'w') as out:
        while not over.wait(0.25):
            with open(f'/proc/{PID}/smaps_rollup') as f:
                pss = next(int(line.split()[1]) for line in f if line.startswith('Pss:'))
            files = len(os.listdir(f'/proc/{PID}/fd'))
            if quiet.is_set():     # while a password is checked there are 64 MiB more
                print(f'{time.monotonic() - begun:.2f} {pss} {files}', file=out, flush=True)


# -- the run --

def guarded(work, *arguments):
    try:
        work(*arguments)
    except Exception as e:  # noqa: BLE001 - whatever it is, it ends the run and is told
        failures.append(f'{work.__name__}: {type(e).__name__}: {e}')
        over.set()


def in_store():
    """What of the acknowledged is not there, and of which request there is only a part."""
    database = sqlite3.connect(f'file:{HERE}/rec.db?mode=ro', uri=True)
    stored = dict(database.execute('SELECT request, count(*) FROM feedback GROUP BY request'))
    for key, n in acknowledged.items():
        if stored.pop(key, 0) != n:
            yield f'{key}: {n} events acknowledged, not so many stored'
    for key, n in stored.items():
        if unknown.get(key) != n:
            yield f'{key}: {n} events stored, which nobody sent so'


def main():
    global document
    # Beforehand: which file is which model.
    with open(f'{HERE}/models/versions') as f:
        MODEL_OF.update(line.split() for line in f)
    MODELS.update(MODEL_OF.values())
    connection = Connection()
    connection.send(request('GET', '/openapi.json'))
    document = Document(connection.answer()[2])
    connection.close()

    work = [(reader, 1), (reader, 2), *((writer, n) for n in range(WRITERS)), (bulk,), (accounts,), (rude,), (pipes,), (slow,), (operator,), (watch,)]
    threads = [threading.Thread(target=guarded, args=w, daemon=True) for w in work]
    for thread in threads:
        thread.start()
    over.wait(max(0, left()))
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
        if thread.is_alive():
            failures.append('somebody still waits for an answer')
            break
    failures.extend(list(in_store())[:10])
    for what in sorted(counts):
        print(f'{counts[what]:8} {what}')
    print(f'{sum(counts.values())} answers in {time.monotonic() - begun:.1f} s, {sum(acknowledged.values())} events acknowledged, {len(failures)} failures')
    for failure in failures:
        print(f'FAILURE {failure}')
    sys.exit(bool(failures))


main()
