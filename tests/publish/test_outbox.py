"""The queue in front of a publisher: never in the loop's way, bounded, honest about what was lost."""

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, Self

import pytest

from partgate.errors import ConfigError, PublishError
from partgate.publish.base import PublisherConfig
from partgate.publish.messages import Message
from partgate.publish.outbox import Outbox

Call = Callable[..., Any]
AWAY = PublishError("away")
TOLD = {"bug": "OSError"}


class Receiver:
    """What a publisher talks to in these tests: says no, hangs, or takes what comes."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.answers: list[Exception | None] = []  # of the next calls; then everything is taken
        self.opened = 0
        self.valid_s: list[float] = []
        self.is_up = True
        self.stands_still = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def __enter__(self) -> Self:
        self.opened += 1
        if not self.is_up:
            raise PublishError("publisher 'publisher' (test): is away")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def publish(self, message: Message, valid_s: float) -> None:
        self.stands_still.set()
        self.goes_on.wait(20)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.valid_s.append(valid_s)
        self.taken.append(message)

    def tend(self) -> None:
        if not self.is_up:
            raise PublishError("publisher 'publisher' (test): went away")

    @property
    def sequences(self) -> list[int]:
        return [json.loads(m.body)["sequence"] for m in self.taken if m.kind == "result"]

    @property
    def kinds(self) -> list[str]:
        return [message.kind for message in self.taken]


class ReceiverConfig(PublisherConfig):
    kind: str = "test"
    RECEIVERS: ClassVar[dict[str, Receiver]] = {}

    def open(self, station: str, *, is_trial: bool = False) -> Receiver:
        return self.RECEIVERS[self.name]


class FickleConfig(ReceiverConfig):
    SOUND_AFTER_S: ClassVar[float] = 1000


def make_outbox(receiver: Receiver, model: type[ReceiverConfig] = ReceiverConfig, **other: Any) -> Outbox:
    ReceiverConfig.RECEIVERS["publisher"] = receiver
    wait = other.pop("wait", None)
    return Outbox(model(**other), "line-1", wait)


def test_hung_publisher_never_holds_up_the_loop(make_record: Call):
    receiver = Receiver()
    receiver.goes_on.clear()
    outbox = make_outbox(receiver)
    outbox.start()
    outbox.put(make_record(1))
    assert receiver.stands_still.wait(20)

    for sequence in range(2, 12):  # would never return
        outbox.put(make_record(sequence))

    assert outbox.waiting == 10
    receiver.goes_on.set()
    outbox.close()
    assert receiver.sequences == list(range(1, 12))


def test_full_outbox_drops_the_oldest_and_counts_them(make_record: Call):
    receiver = Receiver()
    outbox = make_outbox(receiver, outbox_size=3)

    for sequence in range(1, 8):
        outbox.put(make_record(sequence))
    assert outbox.counts.dropped == 4
    outbox.start()
    outbox.close()

    assert receiver.sequences == [5, 6, 7]
    assert (outbox.counts.given, outbox.counts.published, outbox.counts.dropped) == (7, 3, 4)


def test_result_that_failed_and_finds_the_outbox_full_is_the_oldest(make_record: Call, wait_until: Call):
    receiver = Receiver()
    receiver.answers = [PublishError("gone")]
    receiver.goes_on.clear()
    outbox = make_outbox(receiver, outbox_size=2, wait=lambda pause_s: None)
    outbox.start()
    outbox.put(make_record(1))
    assert receiver.stands_still.wait(20)
    for sequence in (2, 3):
        outbox.put(make_record(sequence))

    receiver.goes_on.set()
    wait_until(lambda: outbox.counts.published == 2)
    outbox.close()

    assert receiver.sequences == [2, 3]
    assert outbox.counts.dropped == 1


def test_result_too_old_is_dropped_and_counted_and_the_rest_of_its_life_is_passed_on(
    make_record: Call, wait_until: Call
):
    receiver = Receiver()
    outbox = make_outbox(receiver, expire_after_s=3)
    outbox.put(make_record(1))
    given = time.monotonic()
    wait_until(lambda: time.monotonic() - given > 2.1)  # less than a second of life is left
    outbox.put(make_record(2))
    outbox.start()
    outbox.close()

    assert receiver.sequences == [2]
    assert outbox.counts.expired == 1
    assert 1 < receiver.valid_s[0] <= 3


@pytest.mark.parametrize(
    ("model", "answers", "expected"),
    [
        (ReceiverConfig, [AWAY] * 8 + [None, AWAY], [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5]),
        (FickleConfig, [AWAY, None] * 2, [0.5, 1]),
    ],
    ids=["begin-anew-after-a-success", "stay-long-while-no-connection-holds"],
)
def test_pauses_double_up_to_30_s(
    model: type[ReceiverConfig], answers: list[Any], expected: list[float], make_record: Call, wait_until: Call
):
    receiver, pauses = Receiver(), []
    receiver.answers = answers.copy()
    outbox = make_outbox(receiver, model, wait=pauses.append)
    for sequence in (1, 2):
        outbox.put(make_record(sequence))
    outbox.start()
    wait_until(lambda: outbox.counts.published == 2)
    outbox.close()

    assert pauses == expected
    assert receiver.sequences == [1, 2]
    assert receiver.opened == len(pauses) + 1


@pytest.mark.parametrize(
    ("trouble", "refused"),
    [
        (PublishError("no", is_refused=True), 0),
        (PublishError("answered 401", is_refused=True, drops_message=True), 2),
        (ConfigError(["environment variable A: holds no password"]), 0),
        (OSError("bug"), 0),
    ],
    ids=["refused", "refused-and-dropped", "no-password", "bug"],
)
def test_what_only_a_person_can_mend_is_tried_every_30_s(
    trouble: Exception, refused: int, make_record: Call, wait_until: Call, caplog: pytest.LogCaptureFixture
):
    receiver, pauses = Receiver(), []
    receiver.answers = [trouble, trouble]
    outbox = make_outbox(receiver, wait=pauses.append)
    for sequence in (1, 2, 3):
        outbox.put(make_record(sequence))
    outbox.start()
    wait_until(lambda: outbox.counts.published == 3 - refused)
    outbox.close()

    assert pauses == [30, 30]
    assert receiver.sequences == [1, 2, 3][refused:]
    assert outbox.counts.refused == refused
    assert len([r for r in caplog.records if TOLD.get(str(trouble), str(trouble)) in r.getMessage()]) == 1


def test_message_that_is_never_wanted_is_not_repeated_and_the_next_one_is_sent(
    make_record: Call, caplog: pytest.LogCaptureFixture
):
    receiver = Receiver()
    receiver.answers = [PublishError("answered 400", drops_message=True)] * 2
    outbox = make_outbox(receiver)
    for sequence in (1, 2, 3):
        outbox.put(make_record(sequence))
    outbox.start()
    outbox.close()

    assert receiver.sequences == [3]
    assert (outbox.counts.refused, receiver.opened) == (2, 1)
    assert caplog.text.count("answered 400") == 1


def test_status_that_gets_through_does_not_say_that_results_do(make_record: Call, make_status: Call, wait_until: Call):
    receiver = Receiver()
    receiver.answers = [PublishError("results refused", drops_message=True)]
    outbox = make_outbox(receiver)
    outbox.start()
    outbox.put(make_record(1))
    wait_until(lambda: outbox.problem)
    outbox.put_status(make_status())
    wait_until(lambda: receiver.kinds == ["status"])
    problem = outbox.problem
    outbox.put(make_record(2))
    wait_until(lambda: outbox.problem is None)
    outbox.close()

    assert problem == "results refused"


def test_loss_is_told_once_and_return_once_with_what_was_lost(
    make_record: Call, wait_until: Call, caplog: pytest.LogCaptureFixture
):
    receiver, tries = Receiver(), []
    receiver.is_up = False

    def wait(pause_s: float) -> None:
        tries.append(pause_s)
        receiver.is_up = len(tries) > 5

    outbox = make_outbox(receiver, outbox_size=2, wait=wait)
    outbox.put(make_record(1))
    outbox.start()
    wait_until(lambda: outbox.counts.published == 1)
    wait_until(lambda: outbox.problem is None)
    outbox.close()

    told = [record for record in caplog.records if record.name == "partgate.publish.outbox"]
    assert [record.levelno for record in told] == [logging.ERROR, logging.WARNING]
    assert "is away (results wait in the outbox, at most 2)" in told[0].getMessage()
    assert told[1].getMessage() == "publisher 'publisher' is back; 0 results were lost meanwhile, 0 wait"


def test_idle_connection_that_goes_away_is_noticed_and_the_last_status_said_again(make_status: Call, wait_until: Call):
    receiver = Receiver()

    def wait(pause_s: float) -> None:
        receiver.is_up = True

    outbox = make_outbox(receiver, wait=wait)
    outbox.start()
    outbox.put_status(make_status())
    wait_until(lambda: receiver.kinds == ["status"])
    receiver.is_up = False
    wait_until(lambda: receiver.kinds == ["status", "status"])
    outbox.close()

    assert receiver.taken[0] == receiver.taken[1]


def test_of_the_status_only_the_newest_waits(make_status: Call):
    outbox = make_outbox(receiver := Receiver())

    for recipe_number in (1, 2, 3):
        outbox.put_status(make_status(recipe_number=recipe_number))
    outbox.start()
    outbox.close()

    assert len(receiver.taken) == 1
    assert b'"recipe_number": 3' in receiver.taken[0].body


def test_what_is_left_at_the_end_is_counted_and_told(make_record: Call, caplog: pytest.LogCaptureFixture):
    receiver = Receiver()
    receiver.is_up = False
    outbox = make_outbox(receiver)
    outbox.start()
    outbox.put(make_record(1))
    outbox.put(make_record(2))

    outbox.close()

    assert outbox.counts.dropped == 2
    assert "publisher 'publisher': 2 results were not published before the end" in caplog.text
