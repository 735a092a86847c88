"""MQTT against a real broker: refused, lost, restarted, killed, and nothing lost or late beyond what is declared."""

import json
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partgate.configfile import check_settings
from partgate.errors import ConfigError, PublishError
from partgate.parts import Fault
from partgate.publish.messages import encode_result
from partgate.publish.mqtt import MqttConfig
from partgate.publish.outbox import Outbox
from partgate.publish.publishers import open_publishers, try_publishers

Call = Callable[..., Any]


def load(settings: dict[str, Any]) -> MqttConfig:
    return check_settings(settings, MqttConfig, source="station.yaml", folder=Path())


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"topic": "plant/#"}, r"topic: must be a topic such as plant/line-1: no \+ or #"),
        ({"topic": "$SYS/a"}, "no \\$ at its start"),
        ({"host": "mqtts://line:hunter2@broker"}, "host: must be a name or address alone"),
        ({"user": None, "password": {"env": "A"}}, "a password needs a user"),
        ({"password": "hunter2"}, "password: must not stand in this file"),
        ({"tls": {"cert": "a.pem"}}, "must name both cert and key"),
        ({"port": 70000}, "port: .*less than or equal to 65535"),
        ({"qos": 2}, "qos is not a known key"),
    ],
    ids=["wildcard", "system-topic", "address", "no-user", "password", "no-key", "port", "unknown"],
)
def test_wrong_setting_is_named_and_no_password_repeated(keys: dict[str, Any], told: str):
    with pytest.raises(ConfigError, match=told) as caught:
        load({"kind": "mqtt", "host": "broker", "topic": "plant/line-1"} | keys)

    assert "hunter2" not in str(caught.value)


def test_port_follows_tls_unless_it_is_given():
    plain = {"kind": "mqtt", "host": "broker", "topic": "t"}

    assert load(plain).address == ("broker", 1883)
    assert load(plain | {"tls": {}}).address == ("broker", 8883)
    assert load(plain | {"port": 99}).address == ("broker", 99)


def test_broker_that_is_not_there_is_named_with_the_next_step(free_port: int):
    config = load({"kind": "mqtt", "host": "127.0.0.1", "port": free_port, "topic": "t"})

    with pytest.raises(PublishError, match=rf"\(mqtt 127.0.0.1:{free_port}\): no connection .* does it want TLS\?"):
        config.open("line-1").__enter__()


def test_missing_library_is_told_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)

    with pytest.raises(PublishError, match=r"needs the library paho-mqtt: pip install 'partgate\[mqtt\]'"):
        load({"kind": "mqtt", "host": "127.0.0.1", "topic": "t"}).open("line-1").__enter__()


@pytest.mark.parametrize(
    ("server", "told"), [("expired", "certificate has expired"), ("other", "IP address mismatch")], ids=str
)
def test_certificate_that_is_expired_or_of_another_host_is_refused(make_broker: Call, server: str, told: str):
    broker = make_broker(server)

    with pytest.raises(PublishError, match=rf"its certificate is refused \(.*{told}.*tls\.ca") as caught:
        load(broker.settings()).open("line-1").__enter__()

    assert caught.value.is_refused
    assert "CONNECT" not in broker.log


def test_authority_of_its_own_must_be_named(broker: Any):
    with pytest.raises(PublishError, match=r"its certificate is refused \(.*; renew it, or set tls.ca"):
        load(broker.settings(tls={})).open("line-1").__enter__()


def test_wrong_password_makes_no_storm_of_attempts_and_is_told_once_without_the_password(
    broker: Any, wait_until: Call, caplog: pytest.LogCaptureFixture
):
    broker.password_file.write_text("wrong-hunter2", encoding="utf-8")
    pauses: list[float] = []
    go_on = threading.Event()

    def wait(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) >= 3:
            go_on.wait(20)

    outbox = Outbox(load(broker.settings()), "line-1", wait)
    outbox.start()
    wait_until(lambda: len(pauses) == 3)
    attempts = broker.log.count("not authorised") or broker.log.count("Sending CONNACK")
    problem = outbox.problem
    outbox._is_closing = True
    go_on.set()
    outbox.close()

    assert pauses == [30, 30, 30]
    assert attempts == 3
    assert problem is not None
    assert re.search(r"refuses user 'line', client id 'partgate-line-1': .*; look at user, password", problem)
    assert "hunter2" not in caplog.text + problem
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


def test_topic_without_the_right_to_publish_is_told_and_results_are_kept(
    broker: Any, make_record: Call, wait_until: Call
):
    outbox = Outbox(load(broker.settings(user="guest")), "line-1")
    outbox.start()
    outbox.put(make_record(1))
    wait_until(lambda: outbox.problem)
    problem, waiting = outbox.problem, outbox.waiting
    outbox.close()

    assert problem is not None
    assert "plant/line-1/result is refused (Not authorized); has user 'guest' the right to publish there?" in problem
    assert (waiting, outbox.counts.dropped) == (1, 1)


def test_frozen_broker_is_given_up_in_time(broker: Any, make_record: Call):
    with load(broker.settings(timeout_s=0.5)).open("line-1") as publisher:
        broker.freeze()
        with pytest.raises(PublishError, match=r"a result was not acknowledged within 0\.5 s; is this an MQTT 5"):
            publisher.publish(encode_result(make_record(1)), 60)
        broker.thaw()


def test_results_of_a_restarted_broker_arrive_all_in_order_and_the_status_is_said_again(
    broker: Any, listen: Call, make_record: Call, make_status: Call, wait_until: Call, caplog: pytest.LogCaptureFixture
):
    with (
        listen(broker, session_s=600) as listener,
        open_publishers([load(broker.settings())], "line-1") as publishers,
    ):
        publishers.status(make_status())
        for sequence in range(1, 21):
            publishers.result(make_record(sequence))
        wait_until(lambda: len(set(listener.sequences)) == 20)
        broker.stop()
        for sequence in range(21, 41):
            publishers.result(make_record(sequence))
        wait_until(lambda: publishers.problems)
        listener.messages.clear()
        broker.start()
        wait_until(lambda: 40 in listener.sequences and listener.contents("status"))
        found, online = list(dict.fromkeys(listener.sequences)), listener.contents("status")[-1]["online"]
        wait_until(lambda: not publishers.problems)

    assert [sequence for sequence in found if sequence > 20] == list(range(21, 41))
    assert online is True
    told = [record.getMessage() for record in caplog.records if record.name.startswith("partgate")]
    assert len(told) == 2, told
    assert "connection" in told[0]
    assert "is back; 0 results were lost meanwhile" in told[1]


def test_no_message_is_delivered_after_its_expiry(broker: Any, listen: Call, make_record: Call, wait_until: Call):
    with listen(broker, session_s=600):
        pass
    config = load(broker.settings(expire_after_s=600))
    with config.open("line-1") as publisher:
        publisher.publish(encode_result(make_record(1)), valid_s=1.9)  # the broker is told 1 s
        publisher.publish(encode_result(make_record(2)), valid_s=600)
    over = time.monotonic() + 2.1
    wait_until(lambda: time.monotonic() > over)  # what is tested is that time passes

    with listen(broker, session_s=600) as listener:
        wait_until(lambda: 2 in listener.sequences)

        assert listener.sequences == [2]
        left = next(m.properties.MessageExpiryInterval for m in listener.messages if m.topic.endswith("result"))
        assert 590 <= left <= 598


def test_killed_station_is_offline_for_everyone(broker: Any, listen: Call, wait_until: Call, tmp_path: Path):
    program = tmp_path / "station.py"
    program.write_text(
        "import json, sys, time\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from partgate.configfile import check_settings\n"
        "from partgate.parts import Fault, StationState, StationStatus\n"
        "from partgate.publish.mqtt import MqttConfig\nfrom partgate.publish.publishers import open_publishers\n"
        "config = check_settings(json.loads(sys.argv[1]), MqttConfig, source='', folder=Path())\n"
        "with open_publishers([config], 'line-1') as publishers:\n"
        "    publishers.status(StationStatus('line-1', datetime.now(UTC), StationState.READY, Fault.NONE, True, False,"
        " 'cover', 1))\n    time.sleep(600)\n",
        encoding="utf-8",
    )
    with listen(broker) as listener:
        with subprocess.Popen([sys.executable, program, json.dumps(broker.settings())]) as station:
            try:
                wait_until(lambda: listener.contents("status"), 60)
                station.send_signal(signal.SIGKILL)
                wait_until(lambda: len(listener.contents("status")) == 2)
            finally:
                station.kill()
        states = [content["online"] for content in listener.contents("status")]
    with listen(broker, "latecomer") as latecomer:
        wait_until(lambda: latecomer.contents("status"))
        kept = latecomer.contents("status")

    assert states == [True, False]
    assert kept == [{"schema": 1, "message": "status", "station": "line-1", "at": None, "online": False}]


def test_status_is_kept_for_latecomers_with_an_expiry_and_results_are_not(
    broker: Any, listen: Call, make_record: Call, make_status: Call, wait_until: Call
):
    with open_publishers([load(broker.settings(status_expire_after_s=60))], "line-1") as publishers:
        publishers.result(make_record(1))
        publishers.status(make_status(fault=Fault.CAMERA))
        outbox = publishers._outboxes[0]
        wait_until(lambda: outbox.counts.published == 1 and outbox._last_status)
        with listen(broker) as listener:
            wait_until(lambda: listener.messages)
            kept = list(listener.messages)

    assert [message.topic for message in kept] == ["plant/line-1/status"]
    assert kept[0].retain
    assert 1 <= kept[0].properties.MessageExpiryInterval <= 60


def test_station_that_ends_says_offline(broker: Any, listen: Call, make_status: Call, wait_until: Call):
    with listen(broker) as listener:
        with open_publishers([load(broker.settings())], "line-1") as publishers:
            publishers.status(make_status())
        wait_until(lambda: len(listener.contents("status")) == 2)

        assert [content["online"] for content in listener.contents("status")] == [True, False]


def test_message_from_outside_is_not_even_asked_for(broker: Any, listen: Call, make_record: Call, wait_until: Call):
    with open_publishers([load(broker.settings())], "line-1") as publishers:
        publishers.result(make_record(1))
        wait_until(lambda: publishers._outboxes[0].counts.published == 1)

    assert "Received PUBLISH from partgate-line-1" in broker.log
    assert "Received SUBSCRIBE from partgate-line-1" not in broker.log
    assert re.search(r"as partgate-line-1 \(p5, c1, k15, u'line'\)", broker.log)


def test_second_station_with_the_same_client_id_is_told(broker: Any, make_record: Call, wait_until: Call):
    first = Outbox(load(broker.settings()), "line-1")
    first.start()
    first.put(make_record(1))
    wait_until(lambda: first.counts.published == 1)

    with load(broker.settings()).open("line-1"):
        wait_until(lambda: first.problem)

    assert first.problem is not None
    assert "connection lost" in first.problem
    assert "is the client id 'partgate-line-1' that of this station alone?" in first.problem
    first.close()


def test_trial_disturbs_no_running_station(broker: Any, listen: Call, make_status: Call, wait_until: Call):
    config = load(broker.settings())
    with listen(broker) as listener, open_publishers([config], "line-1") as publishers:
        publishers.status(make_status())
        wait_until(lambda: listener.contents("status"))

        (trial,) = try_publishers([config], "line-1")
        wait_until(lambda: listener.contents("test"))

        assert trial.problem is None
        assert trial.publisher == f"publisher 'publisher' (mqtt 127.0.0.1:{broker.port})"
        assert [content["online"] for content in listener.contents("status")] == [True]
        assert publishers.problems == ()
        assert broker.log.count("Will message specified") == 1  # a trial that dies says nothing of the station


def test_closed_publisher_says_so(make_record: Call):
    publisher = load({"kind": "mqtt", "host": "127.0.0.1", "topic": "t"}).open("line-1")

    with pytest.raises(PublishError, match="is not connected"):
        publisher.publish(encode_result(make_record(1)), 60)
