# SPDX-License-Identifier: MIT
"""What rec-db encrypts and hashes, opened by PyNaCl and hashlib with the keyring and what the documents say of it; and the other way.

crypto-oracle.py field STORE.db KEYS       prints name, e-mail and key version of every account; checks look-ups, passwords
crypto-oracle.py key STORE.db TEXT         the store keeps a plain BLAKE2b-256 of that API key, and no more of it
crypto-oracle.py open ARCHIVE KEYS         the tar in an archive, on standard output
crypto-oracle.py seal ARCHIVE KEYS <TAR    an archive of that tar, with the first line of ARCHIVE, on standard output
"""
import base64
import hashlib
import sqlite3
import sys

import cramjam
import nacl.bindings as sodium
import nacl.pwhash

BLOCK = 65536
FIELD, LOOKUP, BACKUP = 1, 2, 3


def keyring(path):
    """{version: 32 bytes}"""
    keys = {}
    for line in open(path):
        words = line.split("#")[0].split()
        if words:
            keys[int(words[0])] = base64.urlsafe_b64decode(words[2] + "=")
    return keys


def derive(master, purpose):
    """crypto_kdf_derive_from_key is BLAKE2b with a salt and a personal string."""
    return hashlib.blake2b(b"", digest_size=32, key=master, salt=purpose.to_bytes(8, "little") + bytes(8), person=b"rec.keys" + bytes(8)).digest()


def field(store, path):
    keys = keyring(path)
    query = "SELECT id, name, email_sealed, email_lookup, key_version, password FROM accounts ORDER BY name"
    for account, name, sealed, lookup, version, password in sqlite3.connect(store).execute(query):
        if password:
            assert nacl.pwhash.verify(password.rstrip("\0").encode(), b"a password of " + name.encode()), name
            assert password.startswith("$argon2id$v=19$m=65536,t=3,p=1$"), password
        if not sealed:
            continue
        key = derive(keys[version], FIELD)
        about = b"accounts.email:" + account.encode()
        email = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[24:], about, sealed[:24], key)
        hashed = hashlib.blake2b(b"email\0" + email.lower(), digest_size=32, key=derive(keys[version], LOOKUP)).digest()
        assert hashed == lookup, name
        print(name, email.decode(), version)


def api_key(store, text):
    [(found,)] = sqlite3.connect(store).execute("SELECT hash FROM api_keys")
    assert found == hashlib.blake2b(text.encode(), digest_size=32).digest()
    assert text.split("_")[-1].encode() not in open(store, "rb").read()


def head_of(archive):
    """The first line, and the key it names."""
    line = archive[: archive.index(b"\n") + 1]
    return line, int(line.split()[2])


def open_archive(path, keys):
    archive = open(path, "rb").read()
    about, version = head_of(archive)
    at = len(about) + 24
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, archive[len(about) : at], derive(keyring(keys)[version], BACKUP))
    plain, tag = b"", 0
    while at < len(archive):
        assert tag != sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL, "blocks behind the last"
        block = archive[at : at + BLOCK + 17]
        more, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(state, block, about)
        assert len(more) == BLOCK or tag == sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL, "a short block"
        plain += more
        at += len(block)
    assert tag == sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL, "no last block"
    sys.stdout.buffer.write(bytes(cramjam.zstd.decompress(plain)))


def seal_archive(like, keys):
    about, version = head_of(open(like, "rb").read())
    plain = bytes(cramjam.zstd.compress(sys.stdin.buffer.read()))
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    out = about + sodium.crypto_secretstream_xchacha20poly1305_init_push(state, derive(keyring(keys)[version], BACKUP))
    starts = range(0, max(len(plain), 1), BLOCK)
    for at in starts:
        tag = "FINAL" if at == starts[-1] else "MESSAGE"
        out += sodium.crypto_secretstream_xchacha20poly1305_push(
            state, plain[at : at + BLOCK], about, getattr(sodium, "crypto_secretstream_xchacha20poly1305_TAG_" + tag)
        )
    sys.stdout.buffer.write(out)


{"field": field, "key": api_key, "open": open_archive, "seal": seal_archive}[sys.argv[1]](*sys.argv[2:])
