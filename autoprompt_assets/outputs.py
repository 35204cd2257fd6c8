"""What the program prints to: standard output says when it fails, and error output may fail."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, TextIO


class OutputFailed(OSError):
    """Standard output cannot be written."""


class _Output(io.FileIO):
    def write(self, data: Any) -> Any:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputFailed(error.errno, error.strerror) from None


class _ErrorOutput(io.FileIO):
    """A line of progress that cannot be written ends no run: it is dropped."""

    def write(self, data: Any) -> Any:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def output_streams() -> tuple[TextIO, TextIO]:
    """Standard output and error output, in place of those that are there.

    Where the first cannot be written, that is an `OutputFailed`, and no fault of any other file.
    """
    sys.stdout.flush()
    return _text(sys.stdout, _Output, 1), _text(sys.stderr, _ErrorOutput, 2)


def _text(stream: TextIO, kind: Callable[..., io.FileIO], number: int) -> TextIO:
    raw = kind(number, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=number == 2 or raw.isatty(),
    )
