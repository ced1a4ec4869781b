"""One POST to a server of somebody else: to a checked address, once, within a time, following nothing."""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from trials.outbound.addresses import AddressRefusedError, Target, look_up, target_of

LONGEST_SECONDS = 10.0
MOST_OF_AN_ANSWER = 16_384
"""How many bytes of an answer's body are read. Nothing of it is kept."""


@dataclass(frozen=True)
class Posted:
    """How a POST went: the status answered, or what failed in one word, and how long it took."""

    status: int | None
    failure: str
    milliseconds: int


def post(url: str, body: str, headers: Mapping[str, str], *, allow_local: bool = False) -> Posted:
    """Post a body; never raises for what the other side does. A redirect is an answer like any other.

    Ten seconds are for all of it after the name's look-up; an answer that drips in byte by byte is cut off.
    """
    began = time.monotonic()
    status, failure = None, ""
    try:
        status = _answer(target_of(url, allow_local=allow_local), body, headers, allow_local)
    except AddressRefusedError:
        failure = "address_refused"
    except TimeoutError:
        failure = "timeout"
    except ssl.SSLError:
        failure = "tls"
    except socket.gaierror:
        failure = "name_unknown"
    except ConnectionRefusedError:
        failure = "connection_refused"
    except (OSError, HTTPException, UnicodeError):
        failure = "connection_lost"
    return Posted(status, failure, round((time.monotonic() - began) * 1000))


def _answer(target: Target, body: str, headers: Mapping[str, str], allow_local: bool) -> int:
    addresses = look_up(target, allow_local=allow_local)
    deadline = time.monotonic() + LONGEST_SECONDS
    plain, late = _connected(target, addresses, deadline), threading.Event()
    with _wrapped(target, plain) as connected:
        watch = threading.Timer(max(0.0, deadline - time.monotonic()), _cut_off, (connected, late))
        watch.start()
        try:
            if isinstance(connected, ssl.SSLSocket):
                connected.do_handshake()
            status = _exchange(target, connected, body, headers)
        except (OSError, HTTPException):
            if not late.is_set():
                raise
        finally:
            watch.cancel()
        if late.is_set():
            raise TimeoutError  # also where a status had arrived: the end of what drips looks like an end
        return status


def _connected(target: Target, addresses: list[str], deadline: float) -> socket.socket:
    """Connect to the first address that takes it. These are addresses, not names: nothing is looked up again."""
    failure: OSError = TimeoutError()
    for address in addresses:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        try:
            return socket.create_connection((address, target.port), timeout=remaining)
        except OSError as error:
            failure = error
    raise failure


def _wrapped(target: Target, plain: socket.socket) -> socket.socket:
    """Return the socket with TLS: the certificate must be that of the name, whichever address was connected to."""
    if not target.is_tls:
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)


def _exchange(target: Target, connected: socket.socket, body: str, headers: Mapping[str, str]) -> int:
    connection = HTTPConnection(target.host, target.port)
    connection.sock = connected
    connection.request("POST", target.path, body.encode(), {"Host": target.host_header, **headers})
    with connection.getresponse() as answer:
        answer.read(MOST_OF_AN_ANSWER)
        return answer.status


def _cut_off(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):  # it is closed already
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not that of TLS, which would say goodbye first
