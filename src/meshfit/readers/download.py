"""Fetches the `config.json` of a hub model, and nothing else of it, into the cache that the hub's own tools share.

Source: huggingface_hub 2.4 file_download.py `hf_hub_download` (address, headers, layout) and constants.py (variables).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from meshfit.errors import TargetError
from meshfit.readers.config import CONFIG_NAME
from meshfit.readers.hub import HubId, repository_folder

if TYPE_CHECKING:
    from http.client import HTTPResponse

__all__ = ["download_config"]

ENDPOINT: Final = "https://huggingface.co"
MAX_BYTES: Final = 16 * 1024 * 1024
"""More than any config; an answer that goes on is something else."""
PATIENCE: Final = 10.0
"""Seconds that the server may say nothing."""
LIMIT: Final = 60.0
"""Seconds that the whole may take."""
COMMIT: Final = "X-Repo-Commit"

_COMMIT: Final = re.compile(r"[0-9a-fA-F]{7,64}")
_TRUE: Final = ("1", "ON", "YES", "TRUE")


def download_config(model: HubId) -> Path:
    """Fetch the model's `config.json` into the hub cache, and return its path there.

    `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE` and the variables of the cache mean what they mean to the hub's tools.

    Raises:
        TargetError: the machine is to stay offline, the server cannot be reached or refuses, or sends no config.
    """
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in _TRUE:
            raise TargetError(f"{model} is not in the hub cache, and {variable} forbids fetching it; unset {variable}")
    endpoint = (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    if not endpoint.startswith(("http://", "https://")):
        raise TargetError(f"HF_ENDPOINT {endpoint!r} is no address of a server; write for example {ENDPOINT}")
    address = f"{endpoint}/{quote(model.name)}/resolve/{quote(model.revision, safe='')}/{CONFIG_NAME}"
    try:
        content, commit = _answer(address)
    except HTTPError as refusal:
        raise TargetError(f"{endpoint} refuses {model}: {_refusal(refusal, model)}") from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise TargetError(f"{endpoint} cannot be reached: {reason}; check the network and HF_ENDPOINT") from None
    _require_config(content, address)
    if commit is None or not _COMMIT.fullmatch(commit):
        raise TargetError(f"{address} did not say of which commit it is ({COMMIT}); check HF_ENDPOINT")
    return _stored(model, commit, content)


class _Redirects(HTTPRedirectHandler):
    """Follows to other servers without the user's token, and keeps the commit that the first answer names."""

    commit: str | None = None

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request for the place that the answer points to."""
        self.commit = self.commit or headers.get(COMMIT)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.remove_header("Authorization")
        return request


def _answer(address: str) -> tuple[bytes, str | None]:
    """The content, and the commit it is of."""
    headers = {"User-Agent": "meshfit"}
    token = os.environ.get("HF_TOKEN", "").strip()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    redirects = _Redirects()
    opener = build_opener(redirects)
    response: HTTPResponse
    # the scheme was checked, and redirects lead to http and ftp alone
    with opener.open(Request(address, headers=headers), timeout=PATIENCE) as response:  # noqa: S310
        return _read(response, address), redirects.commit or response.headers.get(COMMIT)


def _read(response: HTTPResponse, address: str) -> bytes:
    ends = time.monotonic() + LIMIT
    parts: list[bytes] = []
    size = 0
    while part := response.read1(65536):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES or time.monotonic() > ends:
            raise TargetError(f"{address} sends more, or takes longer, than any config; check HF_ENDPOINT")
    return b"".join(parts)


def _refusal(refusal: HTTPError, model: HubId) -> str:
    if refusal.code in (401, 403):
        return f"{refusal.code} {refusal.reason}; it does not exist, or set HF_TOKEN to a token that may read it"
    if refusal.code == 404:
        return f"404 {refusal.reason}; no revision {model.revision!r} of it has a {CONFIG_NAME}: check the spelling"
    return f"{refusal.code} {refusal.reason}; try again later"


def _require_config(content: bytes, address: str) -> None:
    """A page of a portal or an error must not become a config in a cache that other tools share."""
    values: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        values = json.loads(content)
    if not isinstance(values, dict):
        raise TargetError(f"{address} is no JSON object; check HF_ENDPOINT")


def _stored(model: HubId, commit: str, content: bytes) -> Path:
    folder = repository_folder(model)
    path = folder / "snapshots" / commit / CONFIG_NAME
    try:
        _write(path, content)
        if model.revision != commit:
            _write(folder / "refs" / model.revision, commit.encode())
    except OSError as error:
        raise TargetError(
            f"{folder} cannot be written: {error.strerror}; name another folder by HF_HUB_CACHE"
        ) from None
    return path


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, also beside another process that fetches the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as draft:
        draft.write(content)
    Path(draft.name).replace(path)
