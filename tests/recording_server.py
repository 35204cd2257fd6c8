"""A server on loopback that keeps every byte it was sent: the path, all headers, the body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

REPLY = json.dumps(
    {
        "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
)


@dataclass(frozen=True)
class Sent:
    """One request as it came, and the client's port, which tells connections apart."""

    line: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    port: int


@dataclass
class RecordingServer:
    """Its replies are `status` with `headers`; connections are kept alive unless they say else."""

    url: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drops: bool = False
    """Each connection is closed after its first reply, which does not say so."""
    requests: list[Sent] = field(default_factory=list)


@contextmanager
def recording(host: str = "127.0.0.1") -> Iterator[RecordingServer]:
    """A server whose base URL names it `host`."""
    found = RecordingServer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = [(name.lower(), value) for name, value in self.headers.items()]
            port = self.client_address[1]
            found.requests.append(Sent(self.requestline, headers, body, port))
            self.send_response_only(found.status)
            self.send_header("content-type", "application/json")
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(REPLY)))
            self.end_headers()
            self.wfile.write(REPLY.encode())
            self.close_connection = found.drops

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found.url = f"http://{host}:{server.server_port}/v1"
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield found
        finally:
            server.shutdown()
