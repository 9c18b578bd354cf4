# SPDX-License-Identifier: MIT
"""Posts feedback from four connections until the server is gone: serve-kill.py HOST:PORT API-KEY PREFIX, the names of acknowledged requests to
standard output. Each is an array of two events."""
import http.client
import json
import sys
import threading

address, key, prefix = sys.argv[1:4]
lock = threading.Lock()


def post(worker):
    connection = http.client.HTTPConnection(address, timeout=20)
    for i in range(100000):
        name = f'{prefix}-{worker}-{i}'
        events = [{'movie_id': movie, 'rating': 1 + i % 5, 'user_id': f'u{worker}'} for movie in ('1', '2')]
        try:
            connection.request('POST', '/feedback', json.dumps(events),
                               {'Content-Type': 'application/json', 'X-API-Key': key, 'Idempotency-Key': name})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return
        if answer.status != 201:
            sys.exit(f'{name}: {answer.status}')
        with lock:
            print(name, flush=True)


threads = [threading.Thread(target=post, args=(w,)) for w in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
