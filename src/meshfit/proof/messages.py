"""JSON over a socket, one message after the other, each preceded by its length."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any, Final

__all__ = ["Gone", "receive", "send"]

_LENGTH: Final = struct.Struct("!Q")
_CHUNK: Final = 1 << 20


class Gone(Exception):  # noqa: N818 - what happened, no user's mistake
    """The other end is closed."""


def send(link: socket.socket, message: Any) -> None:
    """Send one message.

    Raises:
        Gone: the other end is closed.
        TypeError: the message is no JSON.
    """
    data = json.dumps(message).encode()
    try:
        link.sendall(_LENGTH.pack(len(data)) + data)
    except OSError as fault:
        raise Gone from fault


def receive(link: socket.socket, seconds: float | None = None) -> Any:
    """The next message.

    Args:
        link: a socket.
        seconds: to wait for its end; None waits for ever.

    Raises:
        Gone: the other end is closed.
        TimeoutError: the message did not come in time.
    """
    until = None if seconds is None else time.monotonic() + seconds
    (size,) = _LENGTH.unpack(_exactly(link, _LENGTH.size, until))
    return json.loads(_exactly(link, size, until))


def _exactly(link: socket.socket, size: int, until: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        link.settimeout(None if until is None else max(until - time.monotonic(), 0.001))
        try:
            piece = link.recv(min(size - len(data), _CHUNK))
        except TimeoutError:
            raise
        except OSError as fault:
            raise Gone from fault
        finally:
            link.settimeout(None)
        if not piece:
            raise Gone
        data += piece
    return bytes(data)
