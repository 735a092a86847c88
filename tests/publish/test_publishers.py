"""All publishers of a station: what is passed on, and that nothing keeps a station from starting."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partgate.configfile import check_settings
from partgate.parts import Fault, Frame, StationState
from partgate.publish.mqtt import MqttConfig
from partgate.publish.publishers import Publishers, open_publishers, try_publishers
from partgate.publish.webhook import WebhookConfig


class NotedOutbox:
    def __init__(self) -> None:
        self.said: list[Any] = []
        self.problem: str | None = None

    def put_status(self, status: Any) -> None:
        self.said.append(status)


def test_station_starts_without_password_library_or_broker(free_port: int, make_record: Callable[..., Any]):
    keys = {"kind": "mqtt", "host": "127.0.0.1", "port": free_port, "topic": "t"}
    nobody = check_settings(keys, MqttConfig, source="", folder=Path())
    no_password = check_settings(
        keys | {"user": "a", "password": {"env": "NOT_SET"}}, MqttConfig, source="", folder=Path()
    )

    with open_publishers([nobody, no_password], "line-1") as publishers:
        publishers.result(make_record(1))

    assert [outbox.counts.dropped for outbox in publishers._outboxes] == [1, 1]


def test_trial_says_for_each_publisher_what_is_wrong(free_port: int):
    keys = {"kind": "mqtt", "host": "127.0.0.1", "port": free_port, "topic": "t", "user": "a"}
    configs = [
        check_settings(keys, MqttConfig, source="", folder=Path()),
        check_settings(keys | {"password": {"env": "NOT_SET"}}, MqttConfig, source="", folder=Path()),
    ]

    nobody, no_password = try_publishers(configs, "line-1")

    assert "no connection" in (nobody.problem or "")
    assert "environment variable NOT_SET: holds no password" in (no_password.problem or "")


def test_pictures_do_not_wait_in_memory(make_record: Callable[..., Any]):
    publishers = open_publishers([WebhookConfig(kind="webhook", url="https://192.0.2.1/")], "line-1")
    picture = np.zeros((2, 2, 3), np.uint8)

    publishers.result(make_record(1, image=picture, more_frames=(Frame(picture, datetime.now(UTC), "side"),)))

    kept = publishers._outboxes[0]._results[0].content
    assert (kept.image, kept.more_frames) == (None, ())


def test_station_without_publishers_publishes_nothing(make_record: Callable[..., Any], make_status: Callable[..., Any]):
    with open_publishers([], "line-1") as publishers:
        publishers.result(make_record(1))
        publishers.status(make_status())

        assert publishers.problems == ()


@pytest.mark.parametrize(
    ("change", "is_news"),
    [
        ({"fault": Fault.CAMERA}, True),
        ({"problem": "locked"}, True),
        ({"warnings": ("disk nearly full",)}, True),
        ({"recipe_number": 2}, True),
        ({"is_shadow": True}, True),
        ({"state": StationState.HALTED}, True),
        ({"state": StationState.SINGLE_EXECUTION, "trigger_ready": False}, False),
        ({"triggers": 7, "results": 6, "misses": 1}, False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_status_is_passed_on_where_it_is_news(change: dict[str, Any], is_news: bool, make_status: Callable[..., Any]):
    outbox = NotedOutbox()
    publishers = Publishers([outbox], 10.0, lambda: 0.0)  # type: ignore[list-item]

    publishers.status(make_status())
    publishers.status(make_status(**change))

    assert len(outbox.said) == (2 if is_news else 1)


def test_status_is_renewed_three_times_in_its_life(make_status: Callable[..., Any], free_port: int):
    now = [0.0]
    keys = {"kind": "mqtt", "host": "127.0.0.1", "port": free_port, "topic": "t", "status_expire_after_s": 30}
    publishers = open_publishers([check_settings(keys, MqttConfig, source="", folder=Path())], "line-1", lambda: now[0])
    noted = NotedOutbox()
    publishers._outboxes = [noted]  # type: ignore[list-item]

    for second in range(31):
        now[0] = float(second)
        publishers.status(make_status(triggers=second))

    assert [status.triggers for status in noted.said] == [0, 10, 20, 30]


@pytest.mark.parametrize(
    ("config", "is_told"),
    [
        (MqttConfig(kind="mqtt", host="192.0.2.1", topic="t", user="a", password={"env": "A"}), True),
        (MqttConfig(kind="mqtt", host="192.0.2.1", topic="t", user="a", password={"env": "A"}, tls={}), False),
        (MqttConfig(kind="mqtt", host="127.0.0.1", topic="t", user="a", password={"env": "A"}), False),
        (MqttConfig(kind="mqtt", host="192.0.2.1", topic="t"), False),
        (WebhookConfig(kind="webhook", url="http://192.0.2.1/", token={"env": "A"}), True),
        (WebhookConfig(kind="webhook", url="https://192.0.2.1/", token={"env": "A"}), False),
    ],
    ids=["mqtt", "mqtt-tls", "mqtt-loopback", "mqtt-no-password", "http", "https"],
)
def test_password_that_would_travel_readable_is_told(config: Any, is_told: bool, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)

    open_publishers([config], "line-1")

    assert ("travels readable over the network; use TLS" in caplog.text) == is_told
