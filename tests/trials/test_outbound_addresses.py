"""The platform posts to the public internet and to nothing of its own, whatever a name says or comes to say."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.outbound import addresses, posting
from trials.outbound.addresses import AddressRefusedError, is_public, look_up, target_of
from trials.outbound.posting import post

OURS = [
    "0.0.0.0",  # noqa: S104 - to be refused
    "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::127.0.0.1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:5601:5601", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
    "64:ff9b:1::1", "100::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "193.190.0.1", "2001:4860:4860::8888", "2a00:1450::1", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", OURS)
def test_what_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_reached(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_nothing_local_is_reached_in_the_disguise_of_ipv6(inner: IPv4Address) -> None:
    number = int(inner)
    mapped = IPv6Address((0xFFFF << 32) | number)
    assert not is_public(mapped)
    for disguised in (IPv6Address((0x2002 << 112) | (number << 80)), IPv6Address((0x64FF9B << 96) | number)):
        assert is_public(inner) or not is_public(disguised)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "https://", "https:///path", "example.org", "", "https://[::1]/",
        "https://user@example.org/", "https://user:secret@example.org/", "https://example.org/#part",
        "https://example.org:99999/", "https://example.org:x/", "https://10.0.0.1/", "https://169.254.169.254/latest/",
        "https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/", "https://exa mple.org/",
        "https://example.org/\r\nX: 1", "https://exämple.org/", "https://example.org/" + "a" * 500, "https://[::1/",
        "http://127.0.0.1/", "http://localhost/",
    ],
)  # fmt: skip
def test_an_address_that_is_not_https_to_a_public_host_is_refused(url: str) -> None:
    with pytest.raises(AddressRefusedError):
        target_of(url)


def test_an_address_is_taken_to_pieces() -> None:
    target = target_of("https://hooks.example.org:8443/a/b?c=d")
    assert (target.is_tls, target.host, target.port, target.path) == (True, "hooks.example.org", 8443, "/a/b?c=d")
    assert target.host_header == "hooks.example.org:8443"
    assert target_of("https://example.org").host_header == "example.org"
    assert target_of("https://[2a00:1450::1]/").host_header == "[2a00:1450::1]"


def test_in_local_mode_this_machine_is_reached_without_tls_and_nothing_else_is() -> None:
    for url in ("http://127.0.0.1:8000/", "http://localhost/", "http://[::1]/", "https://127.0.0.1/"):
        assert target_of(url, allow_local=True)
    for url in ("http://example.org/", "http://10.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/"):
        with pytest.raises(AddressRefusedError):
            target_of(url, allow_local=True)


def named(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names mean these addresses, one list a look-up; return the names that were asked for."""
    asked, left = [], list(answers)

    def resolve(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in left.pop(0)]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize("found", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_has_an_address_of_ours_is_refused(monkeypatch, found: list[str]) -> None:
    named(monkeypatch, found)
    with pytest.raises(AddressRefusedError):
        look_up(target_of("https://rebinding.example.org/"))


def test_a_name_is_looked_up_once_and_connected_to_where_it_was_checked(monkeypatch) -> None:
    """The second answer would be the metadata service: it is never asked for."""
    asked, connected = named(monkeypatch, ["8.8.8.8"], ["169.254.169.254"]), []

    def connect(place, timeout):
        connected.append(place)
        raise ConnectionRefusedError

    monkeypatch.setattr(posting.socket, "create_connection", connect)
    assert post("https://rebinding.example.org/hook", "{}", {}).failure == "connection_refused"
    assert (asked, connected) == (["rebinding.example.org"], [("8.8.8.8", 443)])


class Receiver(BaseHTTPRequestHandler):
    """Answers as the path says, and notes what it got."""

    got: list[tuple[str, dict[str, str], bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/ok")
        elif self.path == "/huge":
            self.send_response(200)
            self.send_header("Content-Length", str(10**12))
        else:
            self.send_response(204)
        self.end_headers()
        if self.path == "/huge":
            self.wfile.write(b"x" * 20_000)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver():
    Receiver.got = []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_body_arrives_with_its_headers_as_utf_8(receiver: str) -> None:
    posted = post(f"{receiver}/hook?a=b", '{"é": 1}', {"webhook-id": "msg_1"}, allow_local=True)
    assert (posted.status, posted.failure) == (204, "")
    ((path, headers, body),) = Receiver.got
    assert (path, headers["webhook-id"], body) == ("/hook?a=b", "msg_1", '{"é": 1}'.encode())


def test_a_redirect_is_not_followed(receiver: str) -> None:
    assert post(f"{receiver}/redirect", "{}", {}, allow_local=True).status == 302
    assert [path for path, *_ in Receiver.got] == ["/redirect"]


def test_of_a_huge_answer_only_the_beginning_is_read(receiver: str) -> None:
    assert post(f"{receiver}/huge", "{}", {}, allow_local=True).status == 200


def test_what_is_not_there_is_said_in_one_word(receiver: str, monkeypatch) -> None:
    assert post("https://127.0.0.1/", "{}", {}).failure == "address_refused"
    assert post("http://127.0.0.1:1/", "{}", {}, allow_local=True).failure == "connection_refused"
    assert post(receiver.replace("http:", "https:"), "{}", {}, allow_local=True).failure == "tls"
    monkeypatch.setattr(posting, "look_up", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror()))
    assert post("https://nowhere.invalid/", "{}", {}).failure == "name_unknown"


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_who_is_silent_or_drips_is_cut_off(monkeypatch, drip: bytes) -> None:
    monkeypatch.setattr(posting, "LONGEST_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = threading.Event()

        def serve() -> None:
            connected, _ = listening.accept()
            with connected:
                connected.sendall(drip)
                while not stop.wait(0.05):
                    try:
                        connected.sendall(b"X-A: b\r\n" if drip else b"")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        posted = post(f"http://127.0.0.1:{listening.getsockname()[1]}/", "{}", {}, allow_local=True)
        stop.set()
        thread.join()
    assert (posted.status, posted.failure) == (None, "timeout")
