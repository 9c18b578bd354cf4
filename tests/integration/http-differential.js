// SPDX-License-Identifier: MIT
// Our reader of HTTP beside llhttp, the one of Node.js, over requests that were changed at random from a fixed seed.
//
//     node http-differential.js make N >requests      build/peer/message <requests >ours      node http-differential.js compare requests ours
//
// What we take, llhttp has to take as well, with the same meaning and the same end; we may refuse more.
'use strict';
const fs = require('fs');

// ---- making requests ----

const seeds = [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /v1/movies?k=5&q=a%20b HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\nUser-Agent: x/1.0 (y; z)\r\n\r\n',
    'HEAD /movies/50 HTTP/1.1\r\nHost: a\r\nIf-None-Match: "x", W/"y"\r\nAccept-Encoding: gzip;q=0.5, br\r\n\r\n',
    'POST /feedback HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"movie_id":"50"}',
    'POST /feedback HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n',
    'POST /f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n',
    'PATCH /users/me HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
    'DELETE /feedback/5 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET http://example.org/movies HTTP/1.1\r\nHost: example.org\r\n\r\n',
    'GET / HTTP/1.0\r\n\r\n',
    'POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx',
    'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
];
const pieces = [
    '\r\n', '\r', '\n', '\r\n\r\n', ' ', '\t', '\0', '\v', '\f', ':', ': ', ' :', ',', ';', '"', '\\', '%', '%00', '#', '?', '\x7f', '\x80', '\xff', '\xa0',
    'Content-Length: 5\r\n', 'Content-Length: 05\r\n', 'Content-Length: +5\r\n', 'Content-Length: 5, 5\r\n', 'Content-Length : 5\r\n',
    'Content-Length: 0x5\r\n', 'Content-Length: 18446744073709551617\r\n', 'Content-Length:\r\n', 'Content-Length: -1\r\n',
    'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: Chunked\r\n', 'Transfer-Encoding: identity\r\n', 'Transfer-Encoding: gzip, chunked\r\n',
    'Transfer-Encoding: chunked, chunked\r\n', 'Transfer-Encoding:\tchunked\r\n', 'Transfer-Encoding: xchunked\r\n', 'Transfer-Encoding : chunked\r\n',
    ' Transfer-Encoding: chunked\r\n', 'transfer_encoding: chunked\r\n', 'Host: b\r\n', 'Host:\r\n', 'Connection: upgrade\r\n', 'Upgrade: h2c\r\n',
    'X: a\r\n b\r\n', 'X:\r\n', ': x\r\n', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'http/1.1', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '0\r\n\r\n', '00\r\n', '5\r\n', '5;x\r\n', '5 ;x\r\n', '5;x="y"\r\n', '5;x="\r\n"\r\n', '-5\r\n', '+5\r\n', '0x5\r\n', 'ffffffffffffffff\r\n', 'G\r\n',
    '10000000000000000\r\n', 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n',
];

let state = 20260101;
function below(n) { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
}

function lineStart(text) {
    const at = text.indexOf('\r\n', below(text.length));
    return at < 0 ? text.length : at + 2;
}

function change(text) {
    const at = below(text.length + 1), piece = pieces[below(pieces.length)];
    switch (below(8)) {
    case 0: return text.slice(0, at) + piece + text.slice(at);
    case 1: return text.slice(0, at) + text.slice(at + 1 + below(4));
    case 2: return text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
    case 3: { const line = lineStart(text); return text.slice(0, line) + piece + text.slice(line); }
    case 4: { const line = lineStart(text), end = text.indexOf('\r\n', line); return end < 0 ? text : text.slice(0, end) + text.slice(line - 2); }
    case 5: { const b = below(text.length + 1); return text.slice(0, at) + text.slice(Math.min(at, b), Math.max(at, b)) + text.slice(at); }
    case 6: return text.replace('\r\n', ['\n', '\r', '\r\r\n', '\r\n '][below(4)]);
    default: { const c = text[at]; return c ? text.slice(0, at) + (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()) + text.slice(at + 1) : text; }
    }
}

function make(n) {
    const parts = [];
    for (let i = 0; i < n; i++) {
        let text = seeds[i < seeds.length ? i : below(seeds.length)];
        for (let k = i < seeds.length ? 0 : 1 + below(3); k > 0; k--) text = change(text).slice(0, 60000);
        const bytes = Buffer.from(text, 'latin1'), head = Buffer.alloc(4);
        head.writeUInt32LE(bytes.length);
        parts.push(head, bytes);
    }
    fs.writeSync(1, Buffer.alloc(0));
    const all = Buffer.concat(parts);
    for (let at = 0; at < all.length;) at += fs.writeSync(1, all, at);
}

// ---- reading them ----

const binding = process.binding('http_parser'), { HTTPParser } = binding, methods = binding.allMethods || binding.methods;

// The first message of these bytes; null when there is none, or it is not whole.
function read(bytes) {
    const parser = new HTTPParser(), m = { fields: [], body: '', whole: false, trailers: [] };
    let headed = false;
    parser.initialize(HTTPParser.REQUEST, {}, 1 << 20, 0);
    parser[HTTPParser.kOnHeaders | 0] = (fields, url) => {
        if (m.whole) return;
        (headed ? m.trailers : m.fields).push(...fields);
        m.url = m.url === undefined || !headed ? (m.url || '') + url : m.url;
    };
    parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, fields, method, url, status, text, upgrade, keep) => {
        if (m.whole) return 0;
        headed = true;
        if (fields) m.fields.push(...fields);
        m.url = (m.url || '') + (url || '');
        m.method = methods[method], m.major = major, m.minor = minor, m.keep = keep, m.upgrade = upgrade;
        return 0;
    };
    parser[HTTPParser.kOnBody | 0] = (b, at, len) => { if (!m.whole) m.body += (at === undefined ? b : b.subarray(at, at + len)).toString('hex'); };
    parser[HTTPParser.kOnMessageComplete | 0] = () => { m.whole = true; };
    parser.execute(bytes);
    parser.close();
    return m.whole ? m : null;
}

const hex = (text) => Buffer.from(text, 'latin1').toString('hex');

// What is different in meaning; '' when nothing is.
function differs(ours, bytes) {
    const m = read(bytes.subarray(0, ours.used));
    if (!m) return 'llhttp does not take it';
    if (read(bytes.subarray(0, ours.used - 1))) return 'for llhttp it ends before';
    if (m.method !== ours.method) return `method ${m.method}`;
    if (m.major !== 1 || m.minor !== ours.minor) return `version ${m.major}.${m.minor}`;
    const target = Buffer.from(ours.target, 'hex').toString('latin1');
    if (m.url !== target && !(/^https?:\/\/[^/?]*/i.test(m.url) && (m.url.replace(/^https?:\/\/[^/?]*/i, '') || '/') === target)) return `target ${m.url}`;
    if (m.body !== ours.body) return `body ${m.body}`;
    const theirs = m.fields.map((text, i) => (i % 2 ? hex(text) : hex(text.toLowerCase())));
    if (theirs.join() !== ours.fields.slice(0, theirs.length).join()) return `fields ${m.fields}`;
    const rest = m.trailers.map((text, i) => (i % 2 ? hex(text) : hex(text.toLowerCase())));
    if (ours.fields.length > theirs.length && rest.join() !== ours.fields.slice(theirs.length).join()) return `trailers ${m.trailers}`;
    if (ours.keep_alive && !m.keep) return 'for llhttp the connection ends';
    return '';
}

function compare(requests, lines) {
    let at = 0, taken = 0, wrong = 0, stricter = 0;
    for (const line of lines) {
        const len = requests.readUInt32LE(at), bytes = requests.subarray(at + 4, at + 4 + len), ours = JSON.parse(line);
        at += 4 + len;
        if (ours.refused !== undefined) {
            stricter += read(bytes) !== null;
            continue;
        }
        taken++;
        const why = differs(ours, bytes);
        if (why && wrong++ < 10) console.log(`${why}: ${JSON.stringify(bytes.toString('latin1'))}`);
    }
    if (at !== requests.length) wrong++, console.log('not every request was answered');
    console.log(`${lines.length} requests, ${taken} taken by both, ${stricter} by llhttp alone, ${wrong} otherwise`);
    process.exitCode = wrong || taken < lines.length / 20 ? 1 : 0;
}

if (process.argv[2] === 'make') make(Number(process.argv[3]));
else compare(fs.readFileSync(process.argv[3]), fs.readFileSync(process.argv[4], 'utf8').trim().split('\n'));
