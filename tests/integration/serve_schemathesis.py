"""What schemathesis has to be told. Loaded by SCHEMATHESIS_HOOKS."""
# SPDX-License-Identifier: MIT
import json

import schemathesis


# JSON lines: the document tells of them as of an array.
@schemathesis.serializer("application/x-ndjson")
def write_lines(ctx, value):
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@schemathesis.deserializer("application/x-ndjson")
def read_lines(ctx, response):
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """"format": "password" tells a page to hide what is typed, and forbids nothing; schemathesis takes what it wants for a breach of it."""
    nodes = [raw_schema]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict) and node.get("format") == "password":
            del node["format"]
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
