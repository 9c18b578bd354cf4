# SPDX-License-Identifier: MIT
"""Our tokens beside PyJWT's: token-oracle.py TOKEN-PROGRAM KEYRING

What we issue PyJWT reads with the same keys, and the other way round, by both algorithms. Of tokens that were changed, at random from a fixed seed or
on purpose, we take none but those that are right; PyJWT may take more."""
import base64
import json
import random
import subprocess
import sys
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

program, ring = sys.argv[1:3]
rng = random.Random(5)
now = int(time.time())
ISSUER, AUDIENCE, TYPES = 'rec', 'rec', {'access': 'at+jwt', 'refresh': 'rt+jwt'}


def run(*args, stdin=''):
    return subprocess.run([program, *args], input=stdin, capture_output=True, text=True, check=True).stdout.splitlines()


signing, verifying, algs, publics = {}, {}, {}, {}
for line in run('keys', ring):
    kid, alg, secret, public = line.split()
    algs[kid] = alg
    if alg == 'HS256':
        signing[kid] = verifying[kid] = bytes.fromhex(secret)
    else:
        publics[kid] = bytes.fromhex(public)
        signing[kid] = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
        verifying[kid] = Ed25519PublicKey.from_public_bytes(publics[kid])
assert set(algs.values()) == {'HS256', 'EdDSA'}


def claims(**changes):
    c = {'iss': ISSUER, 'aud': AUDIENCE, 'sub': 'somebody', 'jti': 'abc123', 'iat': now, 'nbf': now, 'exp': now + 900}
    c.update(changes)
    return {k: v for k, v in c.items() if v is not None}


def make(kid, payload=None, kind='access', **header):
    h = {'kid': kid, 'typ': TYPES[kind]}
    h.update(header)
    return jwt.encode(payload or claims(), signing[kid], algorithm=algs[kid], headers=h)


def pyjwt(token, kind):
    """What PyJWT says, asked as a careful service asks: its claims, or None."""
    try:
        head = jwt.get_unverified_header(token)
        kid = head['kid']
        if head.get('typ') != TYPES[kind]:
            return None
        return jwt.decode(token, verifying[kid], algorithms=[algs[kid]], audience=AUDIENCE, issuer=ISSUER, leeway=0,
                          options={'require': ['iss', 'aud', 'sub', 'jti', 'iat', 'nbf', 'exp']})
    except Exception:  # whatever it says no with
        return None


def ours(tokens):
    """Of (kind, token): the subject, or None."""
    said = run('check', ring, stdin=''.join(f'{kind} {token}\n' for kind, token in tokens))
    assert len(said) == len(tokens)
    return [s[6:] if s.startswith('valid ') else None for s in said]


# ---- both ways ----

for alg in ('HS256', 'EdDSA'):
    for kind in ('access', 'refresh'):
        token = run('issue', ring, alg, 'a"\\ü', kind)[0]
        head = jwt.get_unverified_header(token)
        assert head['alg'] == alg and set(head) == {'alg', 'kid', 'typ'}, head
        found = pyjwt(token, kind)
        assert found and found['sub'] == 'a"\\ü' and found['exp'] - found['iat'] == 900, found
        assert pyjwt(token, 'refresh' if kind == 'access' else 'access') is None
good = [(kind, make(kid, kind=kind)) for kid in algs for kind in TYPES]
assert ours(good) == ['somebody'] * len(good)
assert ours([('refresh' if k == 'access' else 'access', t) for k, t in good]) == [None] * len(good)


# ---- wrong on purpose ----

def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b'=').decode()


def forged(kid, header, payload, key=None, alg=None):
    text = header if isinstance(header, str) else b64(header)
    text += '.' + (payload if isinstance(payload, str) else b64(payload))
    a = jwt.algorithms.get_default_algorithms()[alg or algs[kid]]
    k = key if key is not None else a.prepare_key(signing[kid])
    return text + '.' + b64(a.sign(text.encode(), k))


bad = []
for kid in algs:
    h = {'alg': algs[kid], 'kid': kid, 'typ': 'at+jwt'}
    for change in ({'exp': now - 1}, {'exp': None}, {'exp': str(now + 900)}, {'exp': now + 900.5}, {'exp': True}, {'exp': 1e400}, {'iss': 'other'},
                   {'iss': None}, {'iss': ['rec']}, {'aud': 'other'}, {'aud': None}, {'aud': ''}, {'aud': ['other', 'x']}, {'sub': None}, {'sub': ''},
                   {'sub': 7}, {'sub': 'x' * 65}, {'jti': None}, {'jti': ''}, {'jti': 7}, {'iat': None}, {'iat': now + 3600}, {'iat': 'now'},
                   {'nbf': now + 3600}, {'nbf': None}, {'nbf': 'x'}, {'scope': 7}, {'scope': 'x' * 200}):
        p = claims(**change)
        bad.append(forged(kid, h, json.dumps(p).replace('Infinity', '1e400') and b64(json.dumps(p).replace('Infinity', '1e400').encode())))
    for change in ({'alg': 'none'}, {'alg': 'HS512'}, {'alg': 'hs256'}, {'alg': 'RS256'}, {'alg': ''}, {'alg': None}, {'alg': [algs[kid]]}, {'kid': 'zz'},
                   {'kid': ''}, {'kid': None}, {'kid': '../../dev/null'}, {'kid': "x' OR 1=1"}, {'kid': kid + ' '}, {'typ': 'JWT'}, {'typ': None},
                   {'typ': 'at+jwt '}, {'typ': 'AT+JWT'}, {'jku': 'http://evil'}, {'jwk': {'kty': 'oct', 'k': 'AA'}}, {'x5u': 'http://evil'},
                   {'crit': ['exp']}, {'b64': False}, {'zip': 'DEF'}, {'cty': 'JWT'}, {'enc': 'A128GCM'}):
        bad.append(forged(kid, {**h, **change}, claims()))
    # headers and claims that are no objects, twice named, padded, or followed by something
    for header in (b64(b'[]'), b64(b'"x"'), b64(b'{}'), b64(json.dumps(h).encode()[:-1] + b',"alg":"none"}'), b64(json.dumps(h).encode()) + '=',
                   b64(json.dumps(h).encode() + b'\0'), b64(b'\xef\xbb\xbf' + json.dumps(h).encode()), b64(json.dumps(h).encode() + b' {}')):
        bad.append(forged(kid, header, claims()))
    for payload in (b64(b'[]'), b64(b'null'), b64(b'{}'), b64(json.dumps(claims()).encode()[:-1] + b',"sub":"admin"}'), b64(b'\xff\xfe'),
                    b64(json.dumps(claims()).encode() + b'x'), b64(claims(sub='a\0b'))):
        bad.append(forged(kid, h, payload))
    # no signature, that of another key, algorithms taken for each other
    head, body, signature = make(kid).split('.')
    bad += [f'{head}.{body}.', f'{head}.{body}', f'{b64({**h, "alg": "none"})}.{body}.', f'{head}..{signature}', f'.{body}.{signature}',
            f'{head}.{body}.{signature}.', f'{head}.{body}.{signature}.{signature}', f'{head}.{b64(claims(sub="admin"))}.{signature}',
            f'{head}.{body}.{"A" * len(signature)}', f'{head}.{body}.{signature[:-4]}', f'{head}.{body}.{signature}AAAA', f' {head}.{body}.{signature}',
            f'{head}.{body}.{signature}=', f'{head}.{body}.{signature} ', f'{head}\t.{body}.{signature}']
    for other in algs:
        if other != kid:
            bad.append('.'.join(make(kid).split('.')[:2] + [make(other).split('.')[2]]))
            bad.append(forged(other, {'alg': algs[other], 'kid': kid, 'typ': 'at+jwt'}, claims()))
for kid, public in publics.items():  # the public key as a shared secret
    for alg in ('HS256', 'EdDSA'):
        bad.append(forged(kid, {'alg': alg, 'kid': kid, 'typ': 'at+jwt'}, claims(), key=public, alg='HS256'))

# ---- changed at random ----

letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ %'
for _ in range(2000):
    kind, token = rng.choice(good)
    if kind == 'refresh':
        continue
    at, was = rng.randrange(len(token)), token
    token = rng.choice([lambda: token[:at] + rng.choice(letters) + token[at + 1:], lambda: token[:at] + token[at + 1:],
                        lambda: token[:at] + rng.choice(letters) + token[at:], lambda: token[:at], lambda: token[:at] + token[at:at + 9] + token[at:]])()
    if token != was:
        bad.append(token)

wrong = theirs = 0
for token, subject in zip(bad, ours([('access', t) for t in bad])):
    theirs += pyjwt(token, 'access') is not None
    if subject is not None:
        wrong += 1
        print('taken:', token, jwt.get_unverified_header(token))
print(f'{len(bad)} tokens that are none: {wrong} taken by us, {theirs} by PyJWT')
sys.exit(wrong != 0)
