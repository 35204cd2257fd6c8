"""What the libraries of stores raise, in words: why a URL gives no table, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain as joined

from autoprompt_assets.engine.dataset.settings import DatasetSpec, without_values
from autoprompt_assets.engine.errors import InputError, Unreachable

MEND = "mend dataset.path"
LATER = f"run again when the store answers, or {MEND}"
RIGHTS = (
    "check the credentials in the environment (of S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), "
    "which never stand in the URL"
)
_CREDENTIALS = re.compile(r"(://)\S*@")
_KEYLESS = re.compile(r"(?:https?|file|local|memory)://", re.IGNORECASE)
_NO_KEYS = {
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
    *("NoAuthTokenError", "DefaultCredentialsError", "ClientAuthenticationError"),
}
_SILENT = {"TimeoutError", "ConnectTimeoutError", "ReadTimeoutError", "ServerTimeoutError"}
_CUT_OFF = {
    *("ConnectionError", "ClientConnectionError", "ClientPayloadError", "HTTPClientError"),
    *("EndpointConnectionError", "ServiceRequestError", "gaierror", "IncompleteReadError"),
}


@dataclass(frozen=True)
class Fault:
    """Why nothing was read, what mends it, and whether the store gave no answer at all."""

    why: str
    mend: str = MEND
    is_silent: bool = False


def unusable(spec: DatasetSpec, error: BaseException) -> InputError:
    """The one line for an exception of fsspec's, or of a library's below it."""
    chain = _chain(error)
    kinds = {kind.__name__ for one in chain for kind in type(one).__mro__}
    status = next((found for one in chain if (found := _status(one))), None)
    faults = joined(_silent(chain, kinds, status), _settled(chain, kinds, status))
    fault = next(faults, Fault(_said(chain[0])))
    if fault.mend == RIGHTS and _KEYLESS.match(spec.path):
        fault = replace(fault, mend=MEND)
    kind = Unreachable if fault.is_silent else InputError
    return kind(f"{spec.file}: cannot be fetched ({fault.why}); {fault.mend}")


def _silent(chain: list[BaseException], kinds: set[str], status: int | None) -> Iterator[Fault]:
    """Faults of a store that gives no answer, whatever is asked of it."""
    if kinds & _NO_KEYS:
        yield Fault("there are no credentials", RIGHTS, is_silent=True)
    if kinds & _SILENT:
        yield Fault("the store does not answer in time", LATER, is_silent=True)
    if kinds & _CUT_OFF:
        yield Fault(f"no connection: {_said(chain[-1])}", LATER, is_silent=True)
    if status and (status >= 500 or status == 429):
        yield Fault(f"HTTP status {status}", LATER, is_silent=True)


def _settled(chain: list[BaseException], kinds: set[str], status: int | None) -> Iterator[Fault]:
    """Faults that last until something is changed."""
    if status in (401, 403) or "PermissionError" in kinds:
        number = f"HTTP status {status}: " if status else ""
        yield Fault(f"{number}no permission to read it", RIGHTS)
    if "ImportError" in kinds:
        yield _without_package(chain)
    if str(chain[0]).startswith("Protocol not known"):
        yield Fault("no library reaches such a place", f"{MEND}: s3://, gs://, az:// or https://")
    if "FileExpired" in kinds:
        yield Fault("it was replaced while it was read", "run again once it is written")
    if "NoSuchBucket" in kinds or "bucket does not exist" in str(chain[0]):
        yield Fault("there is no such bucket")
    if "ParamValidationError" in kinds:
        yield Fault("no bucket can be called so")
    if status and "ClientResponseError" in kinds:
        yield Fault(f"HTTP status {status}")
    if "FileNotFoundError" in kinds:
        yield Fault("nothing is there")


def _without_package(chain: list[BaseException]) -> Fault:
    missing = next((one.name for one in chain if isinstance(one, ImportError) and one.name), None)
    if missing is None:
        return Fault(_said(chain[0]), "install what it names")
    package = missing.partition(".")[0]
    return Fault(f"it takes the package {package}", f"pip install {package}")


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and those that it was raised from, the first one last."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _status(error: BaseException) -> int | None:
    """The HTTP status that an exception of aiohttp's, botocore's, Azure's or Google's holds."""
    held = getattr(error, "response", None)
    if isinstance(held, dict):
        held = held.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return held if isinstance(held, int) else None
    for name in ("status", "status_code", "code"):
        found = getattr(error, name, None)
        if isinstance(found, int) and 100 <= found < 600:
            return found
    return None


def _said(error: BaseException) -> str:
    """What an error says: one printable line, without the secrets of addresses in it."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    line = _CREDENTIALS.sub(r"\1***@", without_values(line))[:200]
    return "".join(char for char in line if char.isprintable())
