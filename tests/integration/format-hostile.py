#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hostile files for format-hostile.bats, with nothing but the standard library: `format-hostile.py FOLDER` fills it.

Every file in FOLDER must be refused by rec-info with one line; those whose name begins with "good" must be taken.
"""
import json
import math
import os
import struct
import sys

SIZE = {"F32": 4, "F64": 8, "I32": 4, "I64": 8, "U8": 1}
CODE = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "U8": "B"}
folder = sys.argv[1]


def put(name, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(struct.pack("<Q", len(text) if length is None else length) + text + data)


def tensors(**arrays):
    """name=(dtype, values) -> header and data, in the order of the format."""
    header, data = {}, b""
    for name, (dtype, values) in sorted(arrays.items(), key=lambda a: (-SIZE[a[1][0]], a[0])):
        raw = struct.pack("<%d%s" % (len(values), CODE[dtype]), *values)
        header[name.replace("__", ".")] = {"dtype": dtype, "shape": [len(values)], "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    return header, data


def table(name, ids):
    ends = [0]
    for i in ids:
        ends.append(ends[-1] + len(i))
    return {name + "__bytes": ("U8", list(b"".join(ids))), name + "__offsets": ("I64", ends)}


RATINGS = {"user_ptr": ("I64", [0, 2, 2, 3]), "item": ("I32", [0, 2, 1]), "value": ("F32", [4, 3.5, 1]), "time": ("I64", [1, 2, 3]),
           **table("users", [b"a", b"b", b"c"]), **table("items", [b"x", b"y", b"z"])}
MODEL = {"item_bias": ("F32", [1, 2]), "popularity": ("F32", [1, 2]), "seen_ptr": ("I64", [0, 1, 3]), "seen_item": ("I32", [1, 0, 1]),
         **table("users", [b"a", b"b"]), **table("items", [b"x", b"y"])}


def kind(name, base, meta, **changed):
    header, data = tensors(**{k: v for k, v in {**base, **changed}.items() if v is not None})
    put(name, {"__metadata__": meta, **header}, data)


R = {"format": "rec.ratings/1"}
M = {"format": "rec.model/1", "type": "popular"}
kind("good-ratings", RATINGS, R)
kind("good-model", MODEL, M)
kind("good-no-times", RATINGS, R, time=None)

# lengths
for power in (24, 31, 32, 62, 63):
    put("length-2-%d" % power, {}, length=2**power + 8)
put("length-all-ones", {}, length=2**64 - 1)
put("length-0", {}, length=0)
put("length-short", {"a": 1}, length=3)

# contents
nan, inf = math.nan, math.inf
kind("item-beyond", RATINGS, R, item=("I32", [0, 3, 1]))
kind("item-negative", RATINGS, R, item=("I32", [0, -1, 1]))
kind("item-huge", RATINGS, R, item=("I32", [0, 2**31 - 1, 1]))
kind("item-unsorted", RATINGS, R, item=("I32", [2, 0, 1]))
kind("item-twice", RATINGS, R, item=("I32", [2, 2, 1]))
kind("item-as-i64", RATINGS, R, item=("I64", [0, 2, 1]))
kind("item-shorter", RATINGS, R, item=("I32", [0, 2]))
kind("ptr-falls", RATINGS, R, user_ptr=("I64", [0, 2, 1, 3]))
kind("ptr-beyond", RATINGS, R, user_ptr=("I64", [0, 2, 2**62, 3]))
kind("ptr-negative", RATINGS, R, user_ptr=("I64", [0, -2, 2, 3]))
kind("ptr-begins-late", RATINGS, R, user_ptr=("I64", [1, 2, 2, 3]))
kind("ptr-ends-late", RATINGS, R, user_ptr=("I64", [0, 2, 2, 4]))
kind("ptr-short", RATINGS, R, user_ptr=("I64", [0, 3]))
kind("ptr-empty", RATINGS, R, user_ptr=("I64", []))
kind("value-nan", RATINGS, R, value=("F32", [4, nan, 1]))
kind("value-infinite", RATINGS, R, value=("F32", [4, -inf, 1]))
kind("value-as-f64", RATINGS, R, value=("F64", [4, 3.5, 1]))
kind("value-shorter", RATINGS, R, value=("F32", [4, 3.5]))
kind("value-missing", RATINGS, R, value=None)
kind("time-longer", RATINGS, R, time=("I64", [1, 2, 3, 4]))
kind("time-as-f64", RATINGS, R, time=("F64", [1, 2, 3]))
kind("ids-unsorted", RATINGS, R, **table("users", [b"b", b"a", b"c"]))
kind("ids-twice", RATINGS, R, **table("users", [b"a", b"a", b"c"]))
kind("ids-empty", RATINGS, R, **table("users", [b"", b"a", b"c"]))
kind("ids-fewer", RATINGS, R, **table("users", [b"a", b"b"]))
kind("ids-offset-beyond", RATINGS, R, users__offsets=("I64", [0, 2**40, 2, 3]))
kind("ids-offset-negative", RATINGS, R, users__offsets=("I64", [0, -1, 2, 3]))
kind("ids-offsets-end-early", RATINGS, R, users__offsets=("I64", [0, 1, 2, 2]))
kind("ids-no-offsets", RATINGS, R, users__offsets=("I64", []))
kind("version-2", RATINGS, {"format": "rec.ratings/2"})
kind("version-0", RATINGS, {"format": "rec.ratings/0"})
kind("model-bias-nan", MODEL, M, item_bias=("F32", [1, nan]))
kind("model-popularity-infinite", MODEL, M, popularity=("F32", [1, inf]))
kind("model-seen-beyond", MODEL, M, seen_item=("I32", [1, 0, 2]))
kind("model-seen-unsorted", MODEL, M, seen_item=("I32", [1, 1, 0]))
kind("model-no-popularity", MODEL, M, popularity=None)
kind("model-vector-for-matrix", MODEL, M, user_factors=("F32", [1, 2]), item_factors=("F32", [1, 2]))
kind("model-without-type", MODEL, {"format": "rec.model/1"})
kind("model-mean", MODEL, {**M, "mean": "nan"})

# headers that ask for memory or time: 16 MiB each
MIB16 = 16 << 20
for name, begin, unit, end in (("arrays", b'{"a":[', b"[],", b"0]}"), ("objects", b'{"a":[', b"{},", b"0]}"), ("deep", b"", b'{"a":', b""),
                               ("zeros", b'{"a":[', b"0,", b"0]}"), ("brackets", b'{"a":', b"[", b""), ("string", b'{"', b"a", b'":0}'),
                               ("escapes", b'{"', b"\\u0061", b'":0}'), ("quotes", b'{"a":["', b'","', b'"]}'), ("digits", b'{"a":', b"1", b"}"),
                               ("fraction", b'{"a":0.', b"1", b"}")):
    text = begin + unit * ((MIB16 - len(begin) - len(end)) // len(unit)) + end
    put("big-" + name, text + b" " * (MIB16 - len(text)))
put("big-keys", b"{" + b",".join(b'"%d":[]' % i for i in range(130000)) + b"}")
