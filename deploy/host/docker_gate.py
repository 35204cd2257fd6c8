"""Stands before Docker's socket, and passes on what launching a run needs: nothing else.

The socket is root on the host. Whoever may create any container may mount the host's disk in it, so
a filter of paths is no fence. Here a container is made anew from what was asked, of one image, on
one network, with the volumes that are named below; only such a container is started, stopped or
looked at, and its environment, which holds keys, is never told.

    RUN_IMAGE     the image of runs
    RUN_NETWORK   their network
    RUN_BINDS     JSON list of their volumes, SOURCE:PLACE:MODE
    RUN_LABELS    JSON map of labels that every container of a run gets, and by which it is known
    GATE_PORT, GATE_SOCKET
                  where it listens, and the engine's socket, where not as usual
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, UnixConnector, web

Json = dict[str, Any]
SOCKET = "/var/run/docker.sock"
PORT = "2375"
CONTAINER = "/{version:v1\\.[0-9]+}/containers/{id:[0-9a-f]{64}}"
RUN_COMMANDS = (["dagster", "api", "execute_run"], ["dagster", "api", "resume_run"])
HOST_FIELDS = ("Binds", "NetworkMode", "AutoRemove", "Memory", "NanoCpus", "LogConfig")
FIELDS = ("Image", "Cmd", "Env", "Labels", "HostConfig", "NetworkingConfig", "Volumes")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Refused(Exception):
    """What was asked is no launching of a run; the message says what is in the way."""


@dataclass(frozen=True)
class Allowed:
    """What the container of a run may be."""

    image: str
    network: str
    binds: tuple[str, ...]
    labels: Mapping[str, str]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Allowed:
        """As the module's page says."""
        binds, labels = json.loads(environ["RUN_BINDS"]), json.loads(environ["RUN_LABELS"])
        return cls(environ["RUN_IMAGE"], environ["RUN_NETWORK"], tuple(binds), labels)

    def container(self, asked: Json) -> Json:
        """The body of `POST /containers/create` for what is asked.

        Docker reads field names in any case and takes the last of doubled ones, so what is sent is
        written here from parts that were looked at.

        Raises:
            Refused: it asks for more than a run's container.
        """
        _known_only(asked, FIELDS, "")
        host = asked.get("HostConfig") or {}
        _known_only(host, HOST_FIELDS, "HostConfig.")
        command, environment = asked.get("Cmd"), asked.get("Env") or []
        if asked.get("Image") != self.image:
            raise Refused(f"Image = {asked.get('Image')!r}: runs are of {self.image!r} only")
        if not isinstance(command, list) or command[:3] not in RUN_COMMANDS:
            raise Refused("Cmd: is no run of Dagster's")
        if not all(_NAME.match(str(one)) for one in environment):
            raise Refused("Env: holds what is no variable")
        if host.get("NetworkMode") != self.network:
            raise Refused(f"HostConfig.NetworkMode: runs are on {self.network!r} only")
        for bind in host.get("Binds") or []:
            if bind not in self.binds:
                raise Refused(f"HostConfig.Binds: {bind!r} is none of {', '.join(self.binds)}")
        # The client names the places of its binds a second time.
        places = {bind.split(":")[1] for bind in host.get("Binds") or []}
        if not set(asked.get("Volumes") or ()) <= places:
            raise Refused("Volumes: are none that HostConfig.Binds names")
        labels = {str(key): str(value) for key, value in (asked.get("Labels") or {}).items()}
        return {
            "Image": self.image,
            "Cmd": [str(one) for one in command],
            "Env": [str(one) for one in environment],
            "Labels": {**labels, **self.labels},
            "HostConfig": {
                "NetworkMode": self.network,
                "Binds": list(host.get("Binds") or []),
                "AutoRemove": bool(host.get("AutoRemove")),
                "Memory": int(host.get("Memory") or 0),
                "NanoCpus": int(host.get("NanoCpus") or 0),
                # Docker's own child reaper, and no way to more rights than the image's user has.
                "Init": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
            },
        }

    def is_run(self, container: Json) -> bool:
        """Whether this gate made it."""
        labels = (container.get("Config") or {}).get("Labels") or {}
        return self.labels.items() <= labels.items()


def told(container: Json) -> Json:
    """What the launcher reads of a container: its state, not its environment."""
    config = container.get("Config") or {}
    shown = {key: config.get(key) for key in ("Image", "Labels")}
    return {key: container.get(key) for key in ("Id", "Name", "State")} | {"Config": shown}


def _known_only(asked: Json, known: tuple[str, ...], where: str) -> None:
    for key, value in asked.items():
        if value and key not in known:
            raise Refused(f"{where}{key}: is nothing that a run's container has")


class Gate:
    """An HTTP application in front of the engine's socket."""

    def __init__(self, allowed: Allowed, socket: str) -> None:
        self._allowed, self._socket = allowed, socket

    def application(self) -> web.Application:
        """Its routes; whatever else is asked is answered 404 or 405, and never passed on."""
        app = web.Application(middlewares=[_refusing], client_max_size=1_000_000)
        app.cleanup_ctx.append(self._engine)
        app.router.add_get("/version", self._version)
        app.router.add_get("/{version:v1\\.[0-9]+}/version", self._version)
        app.router.add_post("/{version:v1\\.[0-9]+}/containers/create", self._create)
        app.router.add_get(f"{CONTAINER}/json", self._look)
        app.router.add_post(CONTAINER + "/{action:start|stop}", self._act)
        return app

    async def _engine(self, _: web.Application) -> Any:
        async with ClientSession("http://docker", connector=UnixConnector(self._socket)) as session:
            self._session = session
            yield

    async def _version(self, _: web.Request) -> web.Response:
        return await self._passed("GET", "/version")

    async def _create(self, request: web.Request) -> web.Response:
        body = self._allowed.container(await request.json())
        return await self._passed("POST", request.path, json=body)

    async def _look(self, request: web.Request) -> web.Response:
        return web.json_response(told(await self._run(request)))

    async def _act(self, request: web.Request) -> web.Response:
        await self._run(request)
        seconds = request.query.get("t", "")
        params = {"t": seconds} if re.fullmatch(r"\d{1,5}", seconds) else {}
        return await self._passed("POST", request.path, params=params)

    async def _run(self, request: web.Request) -> Json:
        path = f"/{request.match_info['version']}/containers/{request.match_info['id']}/json"
        async with self._session.get(path) as reply:
            found: Json = await reply.json()
            # One that is not a run's is as good as none.
            if reply.status != 200 or not self._allowed.is_run(found):
                body = json.dumps({"message": "No such container of a run"})
                raise web.HTTPNotFound(text=body, content_type="application/json")
        return found

    async def _passed(self, method: str, path: str, **sent: Any) -> web.Response:
        async with self._session.request(method, path, **sent) as reply:
            return web.Response(
                status=reply.status, body=await reply.read(), content_type="application/json"
            )


@web.middleware
async def _refusing(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except (Refused, ValueError, AttributeError, TypeError) as error:
        return web.json_response({"message": f"refused by the gate: {error}"}, status=403)
    return answer


if __name__ == "__main__":
    gate = Gate(Allowed.from_environment(os.environ), os.environ.get("GATE_SOCKET", SOCKET))
    port = int(os.environ.get("GATE_PORT", PORT))
    web.run_app(gate.application(), port=port, access_log=None, print=None)
