"""JSON lines for schemathesis: the document tells of them as of an array. Loaded by SCHEMATHESIS_HOOKS."""
# SPDX-License-Identifier: MIT
import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def write_lines(ctx, value):
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@schemathesis.deserializer("application/x-ndjson")
def read_lines(ctx, response):
    return [json.loads(line) for line in response.content.splitlines()]
