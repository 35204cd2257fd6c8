"""Hostile statuses, headers and transfers, by name, as `hostile_bodies` has them for bodies."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace

from tests.hostile_bodies import BIG, Case, body
from tests.hostile_search import MOST
from tests.hostile_server import Raw, reply

GOOD = body().encode()


def error(message: str, **more: object) -> str:
    return json.dumps({"error": {"message": message, **more}})


def chunks(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Parts as chunks of a transfer."""
    return b"".join(b"%x\r\n" % len(part) + part + b"\r\n" for part in parts) + end


def sent_as(encoding: str, content: bytes) -> Raw:
    """A body that is said to be packed."""
    return reply(content, content_encoding=encoding)


def chunked(content: bytes, then: str = "close", **headers: str) -> Raw:
    """A body in chunks, as they are given."""
    return reply(content, then=then, content_length="", transfer_encoding="chunked", **headers)


def said(length: int, content: bytes = GOOD, then: str = "close") -> Raw:
    """A body of another length than is said."""
    return reply(content, then=then, content_length=str(length))


PACKED = gzip.compress(GOOD)
BOMB = gzip.compress(GOOD + b" " * 50_000_000, 1)
STATUSES: dict[str, tuple[Raw, str]] = {
    "204": (Raw(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"), "again"),
    "204 with a body": (reply(GOOD, "204 No Content"), "again"),
    "205": (reply("", "205 Reset Content"), "again"),
    "206": (reply(GOOD[:50], "206 Partial Content", content_range="bytes 0-49/*"), "again"),
    "201": (reply(GOOD, "201 Created"), "answer"),
    "299": (reply(GOOD, "299 Odd"), "answer"),
    "100 before": (
        replace(reply(GOOD), head=b"HTTP/1.1 100 Continue\r\n\r\n" + reply(GOOD).head),
        "answer",
    ),
    "103 before": (
        replace(reply(GOOD), head=b"HTTP/1.1 103 Hints\r\nlink: a\r\n\r\n" + reply(GOOD).head),
        "answer",
    ),
    "101": (reply(GOOD, "101 Switching Protocols", upgrade="h2c", connection="upgrade"), "error"),
    "300": (reply("", "300 Multiple Choices"), "error"),
    "301 to itself": (reply("", "301 Moved", location="/v1/chat/completions"), "error"),
    "302 nowhere": (reply("", "302 Found"), "error"),
    "303 odd": (reply("", "303 See Other", location="http://[::1"), "error"),
    "304": (Raw(b"HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n"), "error"),
    "307 away": (reply("", "307 Temporary", location="http://127.0.0.1:9/"), "error"),
    "308 a file": (reply(GOOD, "308 Permanent", location="file:///etc/passwd"), "error"),
    "308 noise": (reply(GOOD, "308 Permanent", location="\x7f\xff" * 200), "error"),
    "400": (reply("", "400 Bad Request"), "error"),
    "400 noise": (reply(bytes(range(256)), "400 Bad Request"), "error"),
    "400 odd": (reply('{"error": {"code": 1e999}}', "400 Bad Request"), "error"),
    "400 big": (reply(f'{{"error": {{"code": {BIG}, "message": 7}}}}', "400 B"), "error"),
    "400 deep": (reply("[" * 100_000, "400 Bad Request"), "error"),
    "400 lines": (reply(error("a\nb\u2028\x1b[2J" + "x" * 5000), "400 Bad"), "error"),
    "400 a completion": (reply(GOOD, "400 Bad Request"), "error"),
    "400 flagged": (reply(error("flagged by moderation"), "400 Bad"), "refused"),
    "405": (reply("<html>no</html>", "405 Method Not Allowed"), "error"),
    "406": (reply("null", "406 Not Acceptable"), "error"),
    "408": (reply("", "408 Request Timeout"), "again"),
    "409": (reply("[]", "409 Conflict"), "again"),
    "410": (reply('"gone"', "410 Gone"), "error"),
    "413": (reply("", "413 Too Large"), "refused"),
    "418": (reply("true", "418 I'm a teapot"), "error"),
    "422": (reply('{"detail": [{"loc": [1e999], "msg": null}]}', "422 Odd"), "error"),
    "425": (reply("", "425 Too Early"), "again"),
    "429": (reply("", "429 Slow"), "again"),
    "429 odd": (reply('{"error": {"message": {"a": NaN}}}', "429 Slow"), "again"),
    "431": (reply("\0", "431 Headers Too Large"), "error"),
    "451": (reply(error("blocked by content policy"), "451 No"), "refused"),
    "500": (reply("", "500 Failed"), "again"),
    "500 a page": (reply("<html>" + "<b>" * 30_000, "500 Failed"), "again"),
    "501": (reply("{}", "501 Not Implemented"), "again"),
    "502 a completion": (reply(GOOD, "502 Bad Gateway"), "again"),
    "503 half": (reply(GOOD[:-9], "503 Busy"), "again"),
    "529": (reply(nested := "[" * 99, "529 Overloaded"), "again"),
    "599": (reply(nested, "599 Odd"), "again"),
    "600": (reply("", "600 Odd"), "again"),
    "400 packed by its charset": (
        reply("{}", "400 Bad", content_type="text/plain; charset=zlib"),
        "error",
    ),
    "500 in a charset of another": (
        reply("\0", "500 Bad", content_type="text/plain; charset=rot13"),
        "again",
    ),
    "999": (reply("{}", "999 Request Denied"), "again"),
    "000": (reply(GOOD, "000 Nothing"), "error"),
    "a reason of noise": (reply(GOOD, "200 \x80\xff\x9b"), "answer"),
    "no reason": (reply(GOOD, "200"), "answer"),
    "401": (reply(nested, "401 Unauthorized"), "AuthenticationFailed"),
    "402": (reply("", "402 Payment"), "QuotaExhausted"),
    "403": (reply("<html>blocked", "403 Forbidden"), "Forbidden"),
    "404": (reply("null", "404 Not Found"), "ModelNotFound"),
    "429 for the day": (reply(error("Limit: 9 per day"), "429 Slow"), "QuotaExhausted"),
    "429 spent": (reply(error("", code="insufficient_quota"), "429 S"), "QuotaExhausted"),
}
BROKEN: dict[str, Raw] = {
    "nothing at all": Raw(b""),
    "a word": Raw(b"hello\r\n\r\n"),
    "another protocol": Raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "http/2": Raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "tls": Raw(b"\x15\x03\x01\x00\x02\x02\x16"),
    "half a status line": Raw(b"HTTP/1.1 20"),
    "a status of letters": Raw(b"HTTP/1.1 abc OK\r\n\r\n"),
    "a status of four digits": Raw(b"HTTP/1.1 2000 OK\r\n\r\n"),
    "a negative status": Raw(b"HTTP/1.1 -200 OK\r\n\r\n"),
    "half a head": Raw(b"HTTP/1.1 200 OK\r\ncontent-type: appl"),
    "a header without a colon": Raw(b"HTTP/1.1 200 OK\r\nodd\r\n\r\n" + GOOD),
    "a header of noise": Raw(b"HTTP/1.1 200 OK\r\n\x00\xff: \x00\r\n\r\n" + GOOD),
    "a long header": reply(GOOD, x_long="x" * 100_000),
    "a long name": Raw(b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000 + b": 1\r\n\r\n" + GOOD),
    "a long reason": reply(GOOD, "200 " + "O" * 100_000),
    "a length of letters": reply(GOOD, content_length="many"),
    "a negative length": said(-5),
    "a length beyond": reply(GOOD, content_length="1e999"),
    "two lengths": reply(GOOD, content_length="5, 6"),
    "a length too long": said(len(GOOD) + 50),
    "a length too short": said(20),
    "a huge length": said(2**63),
    "a length of 400 digits": reply(GOOD, content_length=BIG),
    "a length and then nothing": said(500, b""),
    "chunks cut off": chunked(chunks(GOOD[:30], end=b"")),
    "a chunk cut off": chunked(b"fff\r\n" + GOOD),
    "a chunk's size of letters": chunked(b"xyz\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "a chunk's size beyond": chunked(b"f" * 40 + b"\r\n" + GOOD),
    "a chunk's negative size": chunked(b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunks that are none": chunked(GOOD),
    "chunks without end": chunked(b"", then="flood"),
    "chunks of one byte": chunked(chunks(*(b" " for _ in range(20_000)))),
    "a body without end": reply(b" " * (MOST + 1), content_length=""),
    "a reply more": said(len(GOOD), GOOD + b"HTTP/1.1 500 No\r\n\r\n"),
    "a long body": reply(b" " * MOST + GOOD),
    "gzip cut off": sent_as("gzip", PACKED[:-12]),
    "gzip with a wrong sum": sent_as("gzip", PACKED[:-8] + b"12345678"),
    "gzip that is none": sent_as("gzip", GOOD),
    "gzip of nothing": sent_as("gzip", b""),
    "gzip noise": sent_as("gzip", b"\x1f\x8b\x08" + b"\xff" * 500),
    "a gzip bomb": sent_as("gzip", BOMB),
    "a bomb in a bomb": sent_as("gzip", gzip.compress(BOMB)),
    "a deflate bomb": sent_as("deflate", zlib.compress(b" " * 50_000_000)),
    "packed and not said": reply(PACKED),
    "brotli that is none": sent_as("br", GOOD),
    "zstd that is none": sent_as("zstd", GOOD),
    "packed twice": sent_as("gzip, gzip", gzip.compress(PACKED)),
}
SLOW: dict[str, Raw] = {
    "half a head and silence": Raw(b"HTTP/1.1 200 OK\r\n", then="hold"),
    "silence": Raw(b"", then="hold"),
    "half a body and silence": said(len(GOOD) + 1, then="hold"),
    "chunks and silence": chunked(chunks(GOOD, end=b""), then="hold"),
}
ODD: dict[str, Raw] = {
    "gzip": sent_as("gzip", PACKED),
    "deflate": sent_as("deflate", zlib.compress(GOOD)),
    "chunks": chunked(chunks(GOOD[:7], GOOD[7:])),
    "chunks with names": chunked(b"%x;a=b\r\n" % len(GOOD) + GOOD + b"\r\n0\r\nx-end: 1\r\n\r\n"),
    "no length": reply(GOOD, content_length=""),
    "another encoding's name": sent_as("identity", GOOD),
    "an encoding of noise": sent_as("\xff\x01", GOOD),
    "http/1.0": Raw(b"HTTP/1.0 200 OK\r\n\r\n", GOOD),
    "a page's type": reply(GOOD, content_type="text/html"),
    "an image's type": reply(GOOD, content_type="image/png"),
    "no type": reply(GOOD, content_type=""),
    "a type of noise": reply(GOOD, content_type="\xff/;;=; charset="),
    "another charset": reply(GOOD, content_type="application/json; charset=utf-16"),
    "no such charset": reply(GOOD, content_type="application/json; charset=\xfe"),
    "cookies": reply(GOOD, set_cookie="a=" + "x" * 4000),
    "a bad cookie": reply(GOOD, set_cookie="\x01=;;;expires=never"),
    "a hundred headers": reply(GOOD, **{f"x-{n}": "x" * 50 for n in range(100)}),
    "a date of its own": reply(GOOD, date="never", age="-1", expires="1e999"),
}
RATE_LIMITS = (
    *("", "0", "-1", "-5s", "1e999", "-1e999", "nan", BIG, "soon", "\xff", "6m0s", "1s1s"),
    *("2026-01-01T00:00:00Z", "9" * 5000, "[]", "{}", "0x10", "١"),
)
"""What `x-ratelimit-…` headers say."""
AFTER = (
    *("", "0", "-1", "-1e999", "nan", "-nan", "inf", "1e999", "1e3", "soon", "\xff", "0,1", ","),
    *("1 2", "0x10", "[]", "1_0", "٣", "-" * 900, "-" + BIG, "Thu, 01 Jan 1970 00:00:00 GMT"),
    *("Mon, 01 Jan 0001 00:00:00 -0000", "Fri, 31 Dec 99999 23:59:59 GMT", "Thu, 1 Jan 1970"),
    *("Thu, 99 Foo 2026 99:99:99 GMT", "Thu, 01 Jan 1970 00:00:00 +999999999999", "01 Jan 1970"),
    *("Thu, 01 Jan 1970 00:00:00 -2400", f"Thu, 01 Jan 1970 {BIG}:00:00 GMT"),
    *(f"Thu, {BIG} Jan 1970 00:00:00 GMT", "Thu, 01 Jan 00 00:00:00 GMT"),
)
"""What `retry-after` says that names no time to wait for, or one that is over."""
FAR = (
    *("86400", "1000000000000000", BIG[:300], BIG, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"),
    *("Fri, 31 Dec 9999 23:59:59 -2300", "Sun, 31 Dec 2299 23:59:59 GMT"),
)
"""What it says that is further than the deadline."""


def cases() -> dict[str, Case]:
    """All of them."""
    found = {f"status: {name}": Case(*one) for name, one in STATUSES.items()}
    found |= {f"broken: {name}": Case(one, "again") for name, one in BROKEN.items()}
    found |= {f"slow: {name}": Case(one, "again") for name, one in SLOW.items()}
    found |= {f"odd: {name}": Case(one, "answer") for name, one in ODD.items()}
    for value in RATE_LIMITS:
        kinds = ("limit-requests", "remaining-tokens", "reset-requests", "reset")
        sent = reply(GOOD, **{f"x-ratelimit-{kind}": value or "\t" for kind in kinds})
        found[f"rate limit: {_short(value)}"] = Case(sent, "answer")
    for place, value in enumerate(AFTER):
        sent = reply("{}", "503 Busy", retry_after=value or "\t")
        found[f"retry-after: {_short(value)}"] = Case(sent, "again")
        sent = reply("{}", "529 Busy", retry_after_ms=value or "\t", retry_after="0")
        found[f"retry-after-ms: {_short(value)}"] = Case(sent, "again")
        if place % 10 == 0:
            # Few, for each slows the others down.
            sent = reply("{}", "429 Slow", retry_after=value or "\t")
            found[f"retry-after of 429: {_short(value)}"] = Case(sent, "again")
    for value in FAR:
        sent = reply("", "429 Slow", retry_after=value)
        found[f"far: {_short(value)}"] = Case(sent, "EndpointDown")
    return found


def _short(value: str) -> str:
    return f"{value!r}" if len(value) < 60 else f"{value[:30]!r} and {len(value) - 30} more"
