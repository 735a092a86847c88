"""What stands in a message, and what never does."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from partgate.parts import Fault, Frame, Reason, Record, StationState, StationStatus, Verdict
from partgate.publish.messages import encode_offline, encode_result, encode_status, encode_test


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None], ids=str)
def test_score_that_is_no_number_is_null_and_the_message_is_json(make_record: Callable[..., Record], score: object):
    content = json.loads(encode_result(make_record(1, defect_score=score)).body, parse_constant=pytest.fail)

    assert content["defect_score"] is None


def test_text_that_is_no_unicode_is_still_sent(make_record: Callable[..., Record]):
    content = json.loads(encode_result(make_record(1, part_id="A\udcff")).body.decode("utf-8"))

    assert content["part_id"] == "A?"


def test_picture_its_path_and_its_true_class_are_never_in_a_message(make_record: Callable[..., Record]):
    picture = np.full((2, 2, 3), 201, np.uint8)
    frame = Frame(picture, datetime(2026, 3, 1, tzinfo=UTC), "side")
    record = make_record(1, image=picture, more_frames=(frame,), source="/home/anna/parts/7.png", true_class="scratch")

    body = encode_result(record).body.decode()

    assert "201" not in body
    assert "anna" not in body
    assert "scratch" not in body
    assert json.loads(body)["played"] is True


def test_result_carries_names_and_numbers_times_in_utc_and_an_id(make_record: Callable[..., Record]):
    summer = timezone(timedelta(hours=2))
    record = make_record(
        17,
        at=datetime(2026, 7, 1, 8, 0, 0, 123456, tzinfo=summer),
        verdict=Verdict.REJECT,
        reason=Reason.UNKNOWN_PATTERN,
        class_number=65535,
        defect_class="Kratzer",
        defect_score=0.98765432,
        part_id="0815-17",
        lot="Süd",
        latency_ms=15.12345,
    )

    message = encode_result(record)
    content = json.loads(message.body)

    assert message.kind == "result"
    assert (content["schema"], content["message"]) == (1, "result")
    assert content["id"] == "line-1/2026-07-01T06:00:00.123Z/9/17"
    assert content["at"] == "2026-07-01T06:00:00.123Z"
    assert (content["verdict"], content["verdict_number"]) == ("reject", 2)
    assert (content["reason"], content["reason_number"]) == ("unknown_pattern", 2)
    assert (content["defect_score"], content["latency_ms"]) == (0.987654, 15.123)
    assert (content["class_number"], content["part_id"], content["lot"]) == (65535, "0815-17", "Süd")
    assert (content["result_at"], content["camera"], content["played"]) == (None, None, False)


def test_message_sent_again_has_the_same_id_and_the_same_bytes(make_record: Callable[..., Record]):
    assert encode_result(make_record(7)) == encode_result(make_record(7))
    assert encode_result(make_record(7)) != encode_result(make_record(7, boot=10))


def test_status_says_state_and_fault_by_name_and_number(make_status: Callable[..., StationStatus]):
    status = make_status(
        state=StationState.SINGLE_EXECUTION, fault=Fault.CAMERA, warnings=("disk nearly full",), problem="camera lost"
    )

    content = json.loads(encode_status(status).body)

    assert content["online"] is True
    assert (content["state"], content["state_number"]) == ("single_execution", 5)
    assert (content["fault"], content["fault_number"]) == ("camera", 1)
    assert (content["warnings"], content["problem"]) == (["disk nearly full"], "camera lost")


def test_will_says_offline_and_claims_no_time():
    message = encode_offline("line-1")

    assert json.loads(message.body) == {
        "schema": 1, "message": "status", "station": "line-1", "at": None, "online": False
    }  # fmt: skip


def test_trial_is_neither_result_nor_status():
    message = encode_test("line-1", datetime(2026, 3, 1, tzinfo=UTC))

    assert message.kind == json.loads(message.body)["message"] == "test"
