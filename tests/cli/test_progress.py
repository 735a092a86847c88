"""Progress: one line or bar per step, the time that remains, numbers of several threads, steps that end early."""

import io
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from partgate.cli.progress import StepBars, StepLines, say_seconds, shown_progress


class Told:
    """Lines with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[str] = []
        self.steps = StepLines(self.lines.append, lambda: self.now_s)

    def at(self, now_s: float, step: str, done: int, total: int) -> None:
        self.now_s = now_s
        self.steps(step, done, total)


def test_each_step_begins_with_a_line():
    told = Told()

    for done in (1, 2, 3):
        told.at(done, "features", done, 3)
    told.at(4, "export", 0, 1)
    told.at(5, "export", 1, 1)
    told.at(6, "something new", 1, 2)

    assert told.lines == ["looking at pictures (3) ...", "exporting (1) ...", "something new (2) ..."]


def test_long_step_tells_at_each_quarter_how_long_it_still_takes():
    told = Told()

    for done in range(1, 101):
        told.at(float(done), "fine-tuning", done, 100)  # a batch takes a second

    assert told.lines == [
        "fine-tuning (100) ...",
        "fine-tuning: 25 of 100, about 1 min left",
        "fine-tuning: 50 of 100, about 50 s left",
        "fine-tuning: 75 of 100, about 25 s left",
    ]


def test_short_step_is_not_worth_a_second_line():
    told = Told()

    for done in range(1, 101):
        told.at(done / 100, "fine-tuning", done, 100)

    assert told.lines == ["fine-tuning (100) ..."]


def test_training_that_is_gone_on_from_counts_only_its_own_time():
    told = Told()

    told.at(0.0, "fine-tuning", 41, 81)
    told.at(20.0, "fine-tuning", 42, 81)  # the quarter it began in is no news
    told.at(60.0, "fine-tuning", 61, 81)  # 20 in a minute, 20 are left

    assert told.lines == ["fine-tuning (81) ...", "fine-tuning: 61 of 81, about 1 min left"]


def test_number_that_comes_late_neither_begins_a_step_nor_goes_back():
    told = Told()

    for now_s, done in ((0, 2), (0, 1), (5, 4), (5, 3), (20, 30), (20, 28)):
        told.at(now_s, "fine-tuning", done, 40)

    assert told.lines == ["fine-tuning (40) ...", "fine-tuning: 30 of 40, about 7 s left"]


@pytest.mark.parametrize(
    ("numbers", "begun"),
    [
        ([(1, 3), (3, 3), (1, 3)], 2),
        ([(1, 3), (3, 3), (3, 3)], 1),
        ([(1, 3), (3, 3), (2, 3), (1, 3)], 2),
        ([(1, 3), (2, 3), (1, 5)], 2),
        ([(1, 900), (500, 900), (1, 900)], 2),
        ([(0, 1), (1, 1)], 1),
        ([(0, 1), (1, 1), (0, 1), (1, 1)], 2),
    ],
    ids=[
        "done-again",
        "last-number-twice",
        "late-number-then-again",
        "another-total",
        "ended-early-and-again",
        "one",
        "one-again",
    ],
)
def test_step_that_is_done_again_has_a_line_again(numbers: list[tuple[int, int]], begun: int):
    told = Told()

    for done, total in numbers:
        told.at(0.0, "features", done, total)

    assert len(told.lines) == begun


def test_step_without_anything_to_do_is_told_too():
    told = Told()

    told.at(0.0, "features", 0, 0)

    assert told.lines == ["looking at pictures (0) ..."]


def bars() -> tuple[Bars, StepBars]:
    shown = Bars(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        console=Console(file=io.StringIO(), force_terminal=True, width=100), auto_refresh=False,
    )  # fmt: skip
    return shown, StepBars(shown)


def test_bar_that_ends_before_its_last_number_is_closed_and_says_so():
    shown, step = bars()

    step("fine-tuning", 30, 60)
    step("export", 0, 1)
    step("export", 1, 1)
    step("proof", 1, 4)

    states = [(task.description, task.completed, task.total) for task in shown.tasks]
    assert states == [
        ("fine-tuning, ended early", 30, 30), ("exporting", 1, 1), ("proving exported = trained", 1, 4),
    ]  # fmt: skip


def test_bar_never_goes_back():
    shown, step = bars()

    for done in (1, 5, 3):
        step("features", done, 10)

    assert [task.completed for task in shown.tasks] == [5]


def test_step_done_again_has_a_bar_again():
    shown, step = bars()

    for done in (1, 2, 1, 2):
        step("features", done, 2)

    assert [(task.completed, task.total) for task in shown.tasks] == [(2, 2), (2, 2)]


def test_without_a_terminal_lines_go_to_stderr_and_many_threads_tell_one_step(capsys: pytest.CaptureFixture[str]):
    with shown_progress() as progress, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda done: progress("features", done, 200), range(1, 201)))

    out, error = capsys.readouterr()
    assert out == ""
    assert error == "looking at pictures (200) ...\n"


def test_on_a_terminal_bars_are_shown_and_what_is_printed_into_a_file_stays_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FORCE_COLOR", "1")  # stderr is taken for a terminal; stdout still is a file
    monkeypatch.setenv("TERM", "xterm")

    with shown_progress() as progress:
        progress("features", 1, 2)
        print("quick: told meanwhile")
        progress("features", 2, 2)

    out, error = capsys.readouterr()
    assert out == "quick: told meanwhile\n"
    assert "looking at pictures" in error
    assert re.search(r"2/2", error)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min"), (3569, "59 min"), (3600, "1 h 0 min"), (9000, "2 h 30 min")],
)
def test_time_is_said_as_people_say_it(seconds: float, said: str):
    assert say_seconds(seconds) == said
