"""Hugging Face's Hub on the loopback address, as far as a model is fetched from it by HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

Json = dict[str, Any]
PIECE = 1 << 20


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """Serves one revision of one model: small files itself, large ones from a second server.

    Attributes:
        token: what it wants as a bearer token, if anything.
        pause: seconds before each megabyte of a large file.
        cut_after: bytes after which the second server breaks off, once.
        served: what is sent for a path, where it is not what the tree says.
        asked: paths, with the header Range where there was one.
        tokens: per server, the headers Authorization that came.
    """

    def __init__(self, model: str, revision: str, files: Mapping[str, bytes]) -> None:
        self.model, self.revision, self.files = model, revision, dict(files)
        self.token: str | None = None
        self.pause = 0.0
        self.cut_after: int | None = None
        self.served: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.tokens: dict[str, set[str | None]] = {"hub": set(), "store": set()}

    def __enter__(self) -> Self:
        self._servers = {name: self._server(name) for name in ("hub", "store")}
        self.address = self._address("hub")
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def _address(self, name: str) -> str:
        return f"http://127.0.0.1:{self._servers[name].server_address[1]}"

    def _server(self, name: str) -> ThreadingHTTPServer:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if name == "hub" and hub.model not in path:
                    # What its client asks for besides.
                    self.answer(404, b"{}")
                    return
                hub.tokens[name].add(self.headers.get("Authorization"))
                if name == "store":
                    hub._store(self, path)
                elif hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                    self.answer(401, b'{"error": "Invalid username or password."}')
                else:
                    hub._hub(self, path)

            def answer(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def _hub(self, handler: Any, path: str) -> None:
        tree = f"/api/models/{self.model}/tree/{self.revision}"
        files = f"/{self.model}/resolve/{self.revision}/"
        self.asked.append((path, None))
        if path == tree:
            body = json.dumps([self._entry(name) for name in sorted(self.files)]).encode()
            handler.answer(200, body, Content_Type="application/json")
        elif path.startswith(files) and (name := path.removeprefix(files)) in self.files:
            if name.endswith(".safetensors"):
                handler.answer(302, b"", Location=f"{self._address('store')}/{name}?signed=1")
            else:
                handler.answer(200, self.served.get(name, self.files[name]))
        else:
            handler.answer(404, b"{}", X_Error_Code="EntryNotFound")

    def _entry(self, name: str) -> Json:
        content = self.files[name]
        entry = {"type": "file", "path": name, "size": len(content), "oid": git_hash(content)}
        if name.endswith(".safetensors"):
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
        return entry

    def _store(self, handler: Any, path: str) -> None:
        name, asked = path.removeprefix("/"), handler.headers.get("Range")
        self.asked.append((path, asked))
        content = self.served.get(name, self.files[name])
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        handler.send_response(206 if asked else 200)
        if asked:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.send_header("Content-Range", whole)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        for at in range(start, len(content), PIECE):
            if self.cut_after is not None and at >= self.cut_after:
                self.cut_after = None
                handler.connection.close()
                return
            time.sleep(self.pause)
            try:
                handler.wfile.write(content[at : at + PIECE])
            except OSError:
                return
