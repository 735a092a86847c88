"""Webhook against a real HTTP server: refused, hung, redirected, encrypted; the token is shown nowhere."""

import http.server
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from partgate.configfile import check_settings
from partgate.errors import ConfigError, PublishError
from partgate.publish.messages import encode_result
from partgate.publish.outbox import Outbox
from partgate.publish.publishers import try_publishers
from partgate.publish.webhook import WebhookConfig

Call = Callable[..., Any]


def load(**settings: Any) -> WebhookConfig:
    return check_settings({"kind": "webhook"} | settings, WebhookConfig, source="station.yaml", folder=Path())


class Receiver(http.server.ThreadingHTTPServer):
    """Notes what is posted and answers with the next of its statuses, then 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.statuses: list[int] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/parts"

    @property
    def sequences(self) -> list[int]:
        return [content["sequence"] for _, _, content in self.posted]

    def handle_error(self, *_: Any) -> None:
        """A client that refuses the certificate is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, dict(self.headers), json.loads(body)))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if status // 100 == 3:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(tls: Any = None) -> Iterator[Receiver]:
    with Receiver() as server:
        if tls is not None:
            server.socket, server.scheme = tls.wrap_socket(server.socket, server_side=True), "https"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(*pieces: bytes, then_wait: bool = False) -> Iterator[str]:
    """A server of its own kind: sends these bytes to the first who comes, and hangs up or goes on waiting."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                received = b""
                while not received.endswith(b"}"):  # what is not read would end the connection by a reset
                    received += line.recv(65536)
                for piece in pieces:
                    line.sendall(piece)
                if then_wait:
                    over.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()
            thread.join(20)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"url": "mes:99999/"}, "url: must be an address such as"),
        ({"url": "https://anna:hunter2@mes/"}, "must hold no user, password, query or fragment"),
        ({"url": "http://mes/", "tls": {"ca": "ca.pem"}}, "tls needs an address that begins with https://"),
        ({"url": "https://mes/", "token_header": "X Key:"}, "token_header: .*pattern"),
        ({}, "url: is missing"),
    ],
    ids=["address", "password", "tls", "header", "missing"],
)
def test_wrong_setting_is_named_and_no_password_repeated(keys: dict[str, Any], told: str):
    with pytest.raises(ConfigError, match=told) as caught:
        load(**keys)

    assert "hunter2" not in str(caught.value)


def test_receiver_that_is_not_there_is_named(free_port: int, make_record: Call):
    config = load(url=f"http://127.0.0.1:{free_port}/parts")

    with (
        config.open("line-1") as publisher,
        pytest.raises(PublishError, match=rf"\(webhook http://127.0.0.1:{free_port}\): result not taken .*refused"),
    ):
        publisher.publish(encode_result(make_record(1)), 60)


@pytest.mark.parametrize(
    ("status", "told", "is_refused", "drops"),
    [
        (301, "answered 301, the result is dropped; name the address it leads to", False, True),
        (307, "answered 307, the result is dropped", False, True),
        (400, "answered 400, the result is dropped; look at url and the receiver's log", False, True),
        (401, "answered 401, the result is dropped; look at the token", True, True),
        (403, "look at the token", True, True),
        (408, "answered 408; the result is sent again", False, False),
        (429, "is sent again", False, False),
        (500, "answered 500; the result is sent again", False, False),
        (503, "is sent again", False, False),
    ],
)
def test_each_answer_but_2xx_is_told_and_has_its_consequence(
    status: int, told: str, is_refused: bool, drops: bool, make_record: Call
):
    with receiving() as server, load(url=server.url).open("line-1") as publisher:
        server.statuses = [status]
        with pytest.raises(PublishError, match=told) as caught:
            publisher.publish(encode_result(make_record(1)), 60)

        assert (caught.value.is_refused, caught.value.drops_message) == (is_refused, drops)
        assert len(server.posted) == 1  # no redirect was followed


def test_answers_of_the_server_decide_what_is_repeated(
    make_record: Call, wait_until: Call, caplog: pytest.LogCaptureFixture
):
    pauses: list[float] = []
    with receiving() as server:
        server.statuses = [500, 503, 200, 422, 201]
        outbox = Outbox(load(url=server.url), "line-1", pauses.append)
        for sequence in (1, 2, 3):
            outbox.put(make_record(sequence))
        outbox.start()
        wait_until(lambda: outbox.counts.published == 2 and outbox.problem is None)
        outbox.close()

    assert server.sequences == [1, 1, 1, 2, 3]
    assert pauses == [0.5, 1]
    assert outbox.counts.refused == 1
    assert len({content["id"] for _, _, content in server.posted}) == 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING] * 2


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ((), "it hung up without an answer"),
        ((b"220 mail ready\r\n",), "its answer is not HTTP"),
        ((b"HTTP/1.1 2",), "it hung up without an answer"),
        ((b"x" * 20000,), "its answer is not HTTP"),
    ],
    ids=["nothing", "mail-server", "half-a-line", "endless"],
)
def test_answer_that_is_no_http_is_told(pieces: tuple[bytes, ...], told: str, make_record: Call):
    with answering(*pieces) as url, load(url=url).open("l") as publisher, pytest.raises(PublishError, match=told):
        publisher.publish(encode_result(make_record(1)), 60)


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 100 Continue\r\n\r\n",)], ids=["silent", "only-100"])
def test_receiver_that_hangs_is_given_up_in_time(pieces: tuple[bytes, ...], make_record: Call):
    with (
        answering(*pieces, then_wait=True) as url,
        load(url=url, timeout_s=0.3).open("line-1") as publisher,
        pytest.raises(PublishError, match=r"result not taken \(.*time"),
    ):
        publisher.publish(encode_result(make_record(1)), 60)


def test_receiver_that_drips_is_given_up_in_time(make_record: Call, wait_until: Call):
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            line, _ = listener.accept()
            with line:
                while not over.wait(0.05):
                    try:
                        line.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        config = load(url=f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout_s=0.3)
        with config.open("line-1") as publisher, pytest.raises(PublishError, match="result not taken"):
            publisher.publish(encode_result(make_record(1)), 60)  # 16384 bytes at this pace are a quarter of an hour
        over.set()
        thread.join()


def test_early_hints_before_the_answer_are_passed_over_and_are_none_themselves(make_record: Call):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"

    with answering(hints + b"HTTP/1.1 200 OK\r\n\r\n") as url, load(url=url).open("line-1") as publisher:
        publisher.publish(encode_result(make_record(1)), 60)
    with answering(hints) as url, load(url=url).open("line-1") as publisher, pytest.raises(PublishError):
        publisher.publish(encode_result(make_record(1)), 60)


def test_message_arrives_as_json_with_the_token_in_its_header(make_record: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MES_TOKEN", "hunter2")
    for header, sent in (("Authorization", "Bearer hunter2"), ("X-Api-Key", "hunter2")):
        with receiving() as server:
            config = load(url=server.url, token={"env": "MES_TOKEN"}, token_header=header)
            with config.open("l") as publisher:
                publisher.publish(encode_result(make_record(17)), 60)

        ((path, headers, content),) = server.posted
        assert (path, headers[header], headers["Content-Type"]) == ("/parts", sent, "application/json")
        assert (content["message"], content["sequence"]) == ("result", 17)
        assert "hunter2" not in f"{publisher} {config!r}"


def test_token_that_no_header_can_carry_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MES_TOKEN", "hunter2\r\nX-Admin: yes")

    with pytest.raises(ConfigError, match="the token must be printable ASCII") as caught:
        load(url="https://mes/", token={"env": "MES_TOKEN"}).open("line-1").__enter__()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("server", "told"), [("expired", "certificate has expired"), ("other", "IP address mismatch")], ids=str
)
def test_certificate_that_is_expired_or_of_another_host_is_refused(
    server: str, told: str, certificates: Any, make_record: Call
):
    with receiving(certificates.server_context(server)) as receiver:
        config = load(url=receiver.url, tls={"ca": str(certificates.ca)})
        with (
            config.open("line-1") as publisher,
            pytest.raises(PublishError, match=rf"its certificate is refused \(.*{told}") as caught,
        ):
            publisher.publish(encode_result(make_record(1)), 60)

    assert caught.value.is_refused
    assert receiver.posted == []


def test_message_arrives_encrypted_where_the_certificate_is_right(certificates: Any, make_record: Call):
    with receiving(certificates.server_context("good")) as receiver:
        config = load(url=receiver.url, tls={"ca": str(certificates.ca)})
        with config.open("line-1") as publisher:
            publisher.publish(encode_result(make_record(1)), 60)

    assert receiver.sequences == [1]


def test_proxy_of_the_environment_is_not_used(make_record: Call, monkeypatch: pytest.MonkeyPatch, free_port: int):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port}")

    with receiving() as server, load(url=server.url).open("line-1") as publisher:
        publisher.publish(encode_result(make_record(1)), 60)
        assert server.sequences == [1]


def test_trial_posts_one_message_that_is_no_result():
    with receiving() as server:
        (trial,) = try_publishers([load(url=server.url, name="MES")], "line-1")

    assert trial.problem is None
    assert trial.publisher == f"publisher 'MES' (webhook http://127.0.0.1:{server.server_port})"
    assert [content["message"] for _, _, content in server.posted] == ["test"]
    assert trial.took_ms < 1000 * time.monotonic()
