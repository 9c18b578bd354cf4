# SPDX-License-Identifier: MIT
"""The service that tests/bench/serve compares rec-serve with: FastAPI on uvicorn, made as fast as fair.

The same work for each request: the token is checked (PyJWT: signature, issuer, audience, times), the account's and the address's budget is
taken from (token buckets of this process), the token's revocation, the account and the newest feedback are looked up in SQLite (sqlite3, a
connection and its prepared statements kept), all items are scored (numpy, single precision), the ten best without those seen are written as
JSON with titles, years and genres (orjson). Nothing is cached.

    serve-fastapi.py prepare DIR TOKEN           from DIR/model.rec, DIR/movies.csv and DIR/rec.db
    BENCH_DIR=DIR uvicorn serve-fastapi:app      clients send what DIR/peer-token holds: the claims of TOKEN, signed with DIR/secret
"""
import base64
import csv
import os
import sqlite3
import sys
import time

import jwt
import numpy as np
import orjson
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer



def prepare(path, token):
    """names.json, and the token's claims signed with a secret that PyJWT has."""
    from safetensors.numpy import load_file

    tensors = load_file(f"{path}/model.rec")
    names = {}
    for table in ("users", "items"):
        text, offset = tensors[f"{table}.bytes"].tobytes(), tensors[f"{table}.offsets"].tolist()
        names[table] = [text[a:b].decode() for a, b in zip(offset, offset[1:])]
    with open(f"{path}/movies.csv", encoding="utf-8", newline="") as file:
        movies = {row["movieId"]: row for row in csv.DictReader(file)}
    films = []
    for item in names["items"]:
        title = movies[item]["title"]
        films.append({"movie_id": item, "title": title, "year": int(title[-5:-1]) if title[-1:] == ")" else None,
                      "genres": movies[item]["genres"].split("|")})
    np.savez(f"{path}/model.npz", **{name: tensors[name] for name in ("user_factors", "item_factors", "seen_ptr", "seen_item")})
    with open(f"{path}/names.json", "wb") as out:
        out.write(orjson.dumps({"users": names["users"], "films": films}))
    claims = token.split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    secret = os.urandom(32)
    with open(f"{path}/secret", "wb") as out:
        out.write(secret)
    with open(f"{path}/peer-token", "w", encoding="ascii") as out:
        out.write(jwt.encode(claims, secret, algorithm="HS256"))


if __name__ == "__main__":
    prepare(sys.argv[2], sys.argv[3])
    raise SystemExit

DIR = os.environ["BENCH_DIR"]
with np.load(f"{DIR}/model.npz") as arrays:
    USERS, ITEMS = arrays["user_factors"], arrays["item_factors"]
    SEEN_PTR, SEEN_ITEM = arrays["seen_ptr"], arrays["seen_item"]
with open(f"{DIR}/names.json", "rb") as names_file:
    NAMES = orjson.loads(names_file.read())
USER_OF = {name: i for i, name in enumerate(NAMES["users"])}
FILM = NAMES["films"]  # of each item: movie_id, title, year, genres
with open(f"{DIR}/secret", "rb") as secret_file:
    SECRET = secret_file.read()
DB = sqlite3.connect(f"file:{DIR}/rec.db?mode=ro", uri=True, check_same_thread=False, cached_statements=64)
BUCKETS = {}
bearer = HTTPBearer(auto_error=False)
app = FastAPI(openapi_url=None)


def take(key, per_second, burst):
    """One from the bucket of that key: 429 when it is empty."""
    now = time.monotonic()
    left, at = BUCKETS.get(key, (burst, now))
    left = min(burst, left + (now - at) * per_second)
    if left < 1:
        BUCKETS[key] = (left, now)
        raise HTTPException(429, "too many requests", {"Retry-After": "1"})
    BUCKETS[key] = (left - 1, now)


async def account(request: Request, credentials: HTTPAuthorizationCredentials | None = Depends(bearer)):
    take(request.client.host, 1e6, 1e6)
    if credentials is None:
        raise HTTPException(401, "say who is asking", {"WWW-Authenticate": "Bearer"})
    try:
        claims = jwt.decode(credentials.credentials, SECRET, algorithms=["HS256"], issuer="rec", audience="rec", leeway=30,
                            options={"require": ["exp", "iat", "nbf", "sub", "jti"]})
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, str(error), {"WWW-Authenticate": "Bearer"}) from error
    if DB.execute("SELECT 1 FROM revoked_tokens WHERE jti = ?", (claims["jti"],)).fetchone():
        raise HTTPException(401, "the token was taken back")
    row = DB.execute("SELECT a.id, a.name, a.role, a.disabled, u.name, a.password_changed FROM accounts a LEFT JOIN users u ON u.id = a.user_id "
                     "WHERE a.id = ?", (claims["sub"],)).fetchone()
    if row is None or row[3] or claims["iat"] < row[5]:
        raise HTTPException(401, "the account is not in force")
    take(row[0], 1e6, 1e6)
    return row


@app.get("/v1/recommendations/{user_id}")
async def recommendations(user_id: str, who=Depends(account), k: int = 10):
    if user_id not in ("me", who[0], who[4]) and who[2] == "user":
        raise HTTPException(403, "an account of this role may not do this")
    name = who[4] if user_id == "me" else user_id
    user = USER_OF.get(name)
    if user is None:
        raise HTTPException(404, "the model does not know this user")
    DB.execute("SELECT max(f.id) FROM feedback f JOIN users u ON u.id = f.user_id WHERE u.name = ?", (name,)).fetchone()
    score = ITEMS @ USERS[user]
    score[SEEN_ITEM[SEEN_PTR[user]:SEEN_PTR[user + 1]]] = -np.inf
    best = np.argpartition(score, -k)[-k:]
    best = best[np.argsort(-score[best])]
    body = {"user_id": name, "model": "ials", "items": [{**FILM[i], "score": s} for i, s in zip(best.tolist(), score[best].tolist())]}
    return Response(orjson.dumps(body), media_type="application/json")
