"""A library in a process of its own: what the station's end makes of answers, failures, and an end of the process."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from partgate.cameras.aside import Aside
from partgate.errors import CameraError, CameraLostError, ConfigError

LONG_S = 60.0  # a time-out that only a hanging test reaches

SESSION = """
import os, sys, time
from partgate.cameras.aside import serve
from partgate.errors import CameraError, CameraLostError, ConfigError

class Session:
    is_dirty = False

    def answer(self, do, question):
        if do == "hang":
            time.sleep(600)
        if do == "exit":
            os._exit(3)
        if do == "config":
            raise ConfigError(["width: too wide", "height: too high"])
        if do == "frame":
            self.is_dirty = True
            raise CameraError("not whole")
        if do == "lost":
            raise CameraLostError("was removed")
        if do == "bug":
            raise KeyError("Width")
        print("words of a library", flush=True)
        return {"value": question.get("value"), "is_dirty": self.is_dirty}, memoryview(bytes(question.get("size", 0)))

    def tidy(self):
        if self.is_dirty:
            self.is_dirty = False
            raise CameraError("the next question meets it again")

    def close(self):
        open(os.environ["CLOSED"], "w").close()

serve(Session())
"""


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once the session has given its camera back."""
    (tmp_path / "played_session.py").write_text(SESSION)
    folders = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, folders)))
    monkeypatch.setenv("CLOSED", str(tmp_path / "closed"))
    return tmp_path / "closed"


@pytest.fixture
def aside(closed: Path) -> Iterator[Aside]:
    aside = Aside("played_session", "camera 'top'")
    yield aside
    aside.close()


def test_question_that_is_not_answered_in_time_ends_the_process(aside: Aside):
    aside.ask("value", LONG_S)
    assert not aside.has_ended

    with pytest.raises(CameraLostError, match=r"camera 'top': the vendor's library did not answer within 0\.2 s"):
        aside.ask("hang", 0.2)

    assert aside.has_ended
    assert not psutil.pid_exists(aside.process_id)


def test_process_that_stands_still_is_ended_like_one_that_hangs(aside: Aside):
    aside.ask("value", LONG_S)
    psutil.Process(aside.process_id).suspend()

    with pytest.raises(CameraLostError, match="did not answer"):
        aside.ask("value", 0.2)

    assert not psutil.pid_exists(aside.process_id)


def test_process_that_ends_by_itself_is_noticed_before_the_time_is_over(aside: Aside):
    with pytest.raises(CameraLostError, match=r"ended its process \(code 3\)"):
        aside.ask("exit", LONG_S)
    with pytest.raises(CameraLostError, match=r"ended its process \(code 3\)"):
        aside.ask("value", LONG_S)


def test_killed_process_is_noticed_before_the_time_is_over(aside: Aside):
    aside.ask("value", LONG_S)
    timer = threading.Timer(0.2, psutil.Process(aside.process_id).kill)
    timer.start()

    with pytest.raises(CameraLostError, match=r"ended its process \(code -9\)"):
        aside.ask("hang", LONG_S)


@pytest.mark.parametrize(
    ("do", "kind", "message"),
    [
        ("frame", CameraError, "^not whole$"),
        ("lost", CameraLostError, "^was removed$"),
        ("bug", CameraLostError, "camera 'top': the vendor's library failed: KeyError: 'Width'"),
        ("config", ConfigError, "width: too wide\nheight: too high"),
    ],
)
def test_what_goes_wrong_in_the_process_is_the_same_error_at_the_station(
    aside: Aside, do: str, kind: type[Exception], message: str
):
    with pytest.raises(kind, match=message) as caught:
        aside.ask(do, LONG_S)

    assert type(caught.value) is kind
    assert aside.ask("value", LONG_S, value=7)[0]["value"] == 7  # the process goes on


def test_session_is_tidied_after_its_answer_and_a_failure_of_it_is_left_to_the_next_question(aside: Aside):
    with pytest.raises(CameraError):
        aside.ask("frame", LONG_S)

    facts, _ = aside.ask("value", LONG_S)

    assert facts["is_dirty"] is False


def test_big_picture_comes_whole(aside: Aside):
    facts, data = aside.ask("value", LONG_S, size=60_000_000)

    assert len(data) == facts["bytes"] == 60_000_000


def test_closing_lets_the_session_give_its_camera_back(closed: Path):
    aside = Aside("played_session", "camera 'top'")
    aside.ask("value", LONG_S)

    aside.close()

    assert closed.exists()
    assert aside.has_ended


@pytest.mark.parametrize("how", [Aside.close, lambda aside: psutil.Process(aside.process_id).kill()])
def test_question_after_the_end_is_a_lost_camera(closed: Path, how: Callable[[Aside], None]):
    aside = Aside("played_session", "camera 'top'")
    aside.ask("value", LONG_S)
    how(aside)

    with pytest.raises(CameraLostError, match="ended its process"):
        aside.ask("value", LONG_S)
    aside.close()


def test_closing_does_not_wait_for_a_session_that_stands_still(aside: Aside):
    aside.ask("value", LONG_S)
    psutil.Process(aside.process_id).suspend()

    aside.close()

    assert aside.has_ended
