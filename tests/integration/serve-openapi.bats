#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The OpenAPI document against the OpenAPI 3.1 schema, and its examples against its own schemas. The tables of routes are held to it by
# tests/unit/serve/test_openapi.c; `npx @redocly/cli lint lib/serve/openapi.json` says what a linter thinks of it.

load ../helper
setup() {
    rec_setup
    need_python
    DOCUMENT=$ROOT/lib/serve/openapi.json
}

@test "it is OpenAPI 3.1" {
    "$PYTHON" -m openapi_spec_validator "$DOCUMENT"
}

@test "each example is what its schema says" {
    "$PYTHON" - "$DOCUMENT" <<'END'
import json, sys
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

document = json.load(open(sys.argv[1]))
checked = 0

def absolute(node):
    if isinstance(node, dict):
        return {key: "urn:api" + value if key == "$ref" else absolute(value) for key, value in node.items()}
    return [absolute(one) for one in node] if isinstance(node, list) else node

registry = Registry().with_resource("urn:api", Resource(contents=absolute(document), specification=DRAFT202012))

def check(schema, example, where):
    global checked
    checked += 1
    for error in Draft202012Validator(absolute(schema), registry=registry, format_checker=FormatChecker()).iter_errors(example):
        sys.exit(f"{where}: {error.message}")

def walk(node, where):
    if isinstance(node, list):
        for i, one in enumerate(node):
            walk(one, f"{where}/{i}")
    if not isinstance(node, dict):
        return
    if isinstance(node.get("examples"), list):
        for example in node["examples"]:
            check({key: value for key, value in node.items() if key != "examples"}, example, where)
    if "schema" in node and "contentSchema" not in node["schema"]:
        for example in [node["example"]] if "example" in node else [one["value"] for one in node.get("examples", {}).values()]:
            check(node["schema"], example, where)
    for key, value in node.items():
        if key not in ("example", "examples"):
            walk(value, f"{where}/{key}")

walk(document, "#")
print(checked)
assert checked > 50
END
}

@test "the page: nothing from elsewhere, and no attribute that its policy forbids" {
    page=$ROOT/lib/serve/ui/docs.html
    run ! grep -nE '(src|href)="?(https?:)?//|@import|[^C]url\(|<(script|style|link|img|iframe)[^>]*(src=|href="[^d#])' "$page"
    run ! grep -nE '<[a-z][^>]* (style|on[a-z]+)=' "$page"
    run ! grep -nE '\.(innerHTML|outerHTML|insertAdjacentHTML|cssText)|document\.write|eval\(|\.style\b' "$page"
    [ "$(grep -cx '<script>' "$page")" -eq 1 ] && [ "$(grep -cx '<style>' "$page")" -eq 1 ]
}
