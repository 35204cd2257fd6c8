"""A web server on loopback for one file: what it says of it, and what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ServedFile:
    """The file, and how it is served; a test may change it between two requests.

    It stands under every path; one that begins with /broken is answered by 503.
    """

    content: bytes
    etags: list[str] = field(default_factory=list)
    """Of the answers to come, the last one for good; none where there are none."""
    status: int = 200
    is_sized: bool = True
    requests: list[str] = field(default_factory=list)
    """The methods, in order."""
    host: str = ""

    @property
    def url(self) -> str:
        return f"{self.host}/rows.csv"

    def etag(self) -> str | None:
        if not self.etags:
            return None
        return self.etags.pop(0) if len(self.etags) > 1 else self.etags[0]


@contextmanager
def serving(content: bytes) -> Iterator[ServedFile]:
    served = ServedFile(content)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            served.requests.append(self.command)
            self.send_response(503 if "/broken" in self.path else served.status)
            etag = served.etag()
            if etag:
                self.send_header("ETag", f'"{etag}"')
            if served.is_sized:
                self.send_header("Content-Length", str(len(served.content)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(served.content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.host = f"http://127.0.0.1:{server.server_port}"
        yield served
        server.shutdown()
