"""Object stores for tests: fsspec's own in memory, and moto's S3 server on loopback."""

from __future__ import annotations

import logging
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

SECRET = "hunter2-secret-access-key"


class MemoryBucket:
    """Objects in this process alone."""

    url = "memory://data"

    def __init__(self) -> None:
        self._files = fsspec.filesystem("memory")

    def put(self, name: str, content: bytes) -> str:
        """Upload an object anew; its URL."""
        self._files.pipe_file(f"/data/{name}", content)
        return f"{self.url}/{name}"

    def delete(self, name: str) -> None:
        self._files.rm_file(f"/data/{name}")


class S3Bucket:
    """A bucket of moto's server, which keeps its objects in this process while it is down."""

    url = "s3://data"

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self._server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self._place = self._server.get_host_and_port()
        self._client = self._connected()
        self._client.create_bucket(Bucket="data")

    @property
    def environ(self) -> dict[str, str]:
        """What a program needs to read it."""
        return {
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.address,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "2",
        }

    @property
    def address(self) -> str:
        return "http://{}:{}".format(*self._place)

    def put(self, name: str, content: bytes) -> str:
        self._client.put_object(Bucket="data", Key=name, Body=content)
        return f"{self.url}/{name}"

    def put_in_parts(self, name: str, *parts: bytes) -> str:
        """Upload in parts: the ETag is no hash of the content then."""
        place = {"Bucket": "data", "Key": name}
        upload = self._client.create_multipart_upload(**place)["UploadId"]
        done = [
            {
                "PartNumber": number,
                "ETag": self._client.upload_part(
                    **place, UploadId=upload, PartNumber=number, Body=part
                )["ETag"],
            }
            for number, part in enumerate(parts, 1)
        ]
        self._client.complete_multipart_upload(
            **place, UploadId=upload, MultipartUpload={"Parts": done}
        )
        return f"{self.url}/{name}"

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket="data", Key=name)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody listens at its address."""
        from moto.server import ThreadedMotoServer

        self._server._server.shutdown()
        self._server._server.server_close()
        try:
            yield
        finally:
            host, port = self._place
            self._server = ThreadedMotoServer(ip_address=host, port=port, verbose=False)
            self._server.start()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """It looks at who asks, and knows nobody."""
        self._tell("reset-auth", "0")
        try:
            yield
        finally:
            self._tell("reset-auth", "1000000000")

    def close(self) -> None:
        self._tell("reset", "")
        self._server.stop()

    def _tell(self, what: str, body: str) -> None:
        place, form = f"{self.address}/moto-api/{what}", {"Content-Type": "text/plain"}
        request = urllib.request.Request(place, body.encode(), form, method="POST")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def _connected(self) -> Any:
        import boto3

        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@contextmanager
def s3_bucket() -> Iterator[S3Bucket]:
    bucket = S3Bucket()
    try:
        yield bucket
    finally:
        bucket.close()
        forget_connections()


def forget_connections() -> None:
    """Have stores reached anew, as a new process does: fsspec keeps what it has connected."""
    fsspec.get_filesystem_class("s3").clear_instance_cache()
