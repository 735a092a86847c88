"""The handshake tried step by step with the person at the controller, up to the first step that fails.

Silence means reject: only rejects are sent unless the person asked for GOOD, and a failed step leaves the block empty.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from partgate import __version__
from partgate.configfile import write_atomically
from partgate.controllers.base import Controller
from partgate.controllers.reduced import ReducedConfig
from partgate.errors import ConfigError, ControllerError, ControllerPausedError, RecordError
from partgate.glossary import text
from partgate.recipe import load_recipe
from partgate.station.check_line import Line, Person
from partgate.station.check_steps import NEEDS_THE_BLOCK, STEPS, Finding, Outcome, Visit
from partgate.station.config import StationConfig

STEP_NAMES = ("connect", *STEPS)
_CONNECT_WITHIN_S = 10.0
_TRY_AGAIN_S = 0.2
_MARK = {Outcome.PASSED: "passed", Outcome.FAILED: "FAILED", Outcome.NOT_SHOWN: "not shown"}


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step that was tried."""

    name: str
    finding: Finding

    def says(self, what: str, language: str) -> str:
        """Return ``title``, ``expected`` or ``next`` of the step, or what it ``got``."""
        if what == "got":
            return text(f"check.got.{self.finding.got}", language, **self.finding.values)
        about = self.finding.got.split(".")[0]  # a step can fail at what an earlier one showed: no part came
        cure = "connect" if about == "error" else about if about in STEP_NAMES else self.name
        return text(f"check.{what}.{cure if what == 'next' else self.name}", language)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was tried and found, in order; the last one failed, or all steps are there."""

    station: str
    controller: str  # as messages call it
    at: datetime  # UTC
    good: bool
    steps: list[StepResult] = field(default_factory=list)

    @property
    def failed(self) -> StepResult | None:
        """Return the step that failed."""
        return next((step for step in self.steps if step.finding.outcome is Outcome.FAILED), None)

    @property
    def not_shown(self) -> list[str]:
        """Return the names of the steps that nobody or nothing could show."""
        return [step.name for step in self.steps if step.finding.outcome is Outcome.NOT_SHOWN]

    def to_json(self) -> str:
        """Return the protocol as JSON."""
        steps = [
            {
                "step": step.name, "outcome": str(step.finding.outcome), "values": dict(step.finding.values),
                **{what: step.says(what, "en") for what in ("expected", "got")},
            }
            for step in self.steps
        ]  # fmt: skip
        facts = {key: value for key, value in asdict(self).items() if key not in ("steps", "at")}
        content = {"partgate": __version__, "at": self.at.isoformat(), **facts, "steps": steps}
        content["not_tried"] = list(STEP_NAMES[len(self.steps) :])
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def to_markdown(self, language: str) -> str:
        """Return the protocol as a page for the commissioning file, with lines to sign."""
        at = self.at.strftime("%Y-%m-%d %H:%M UTC")
        facts = {"station": self.station, "controller": self.controller, "at": at, "version": __version__}
        lines = [f"# {text('check.page.title', language)}", "", text("check.page.facts", language, **facts), ""]
        lines += [text("check.page.with_good" if self.good else "check.page.without_good", language), ""]
        lines += [text("check.page.head", language), "|---|---|---|---|---|"]
        for number, step in enumerate(self.steps, 1):
            outcome = text(f"check.outcome.{step.finding.outcome}", language)
            cells = (str(number), *(step.says(what, language) for what in ("title", "expected")), outcome)
            lines.append("| " + " | ".join(_cell(one) for one in (*cells, step.says("got", language))) + " |")
        for number, name in enumerate(STEP_NAMES[len(self.steps) :], len(self.steps) + 1):
            untried = (text(f"check.{what}.{name}", language) for what in ("title", "expected"))
            lines.append(f"| {number} | {' | '.join(untried)} | {text('check.outcome.not_tried', language)} | |")
        if self.failed:
            lines += ["", text("check.page.next", language, next=self.failed.says("next", language))]
        return "\n".join([*lines, "", text("check.page.sign", language), ""])


def check_controller(
    config: StationConfig, person: Person, *, good: bool, wait_s: float, say: Callable[[str], None],
    connect_within_s: float = _CONNECT_WITHIN_S,
) -> CheckReport:  # fmt: skip
    """Try the handshake with a station's controller, up to the first step that fails.

    Args:
        config: The station file; neither camera nor model is opened.
        person: At the controller.
        good: GOOD may be sent, for parts that nobody has looked at.
        wait_s: Longest wait for a part, in seconds.
        say: Takes a line about each step.
        connect_within_s: Longest wait for the connection; a controller that connects to the station takes its time.
    """
    controller = config.controller.open()
    report = CheckReport(config.name, str(controller), datetime.now(UTC), good)
    own_recipes = _recipe_numbers(config)
    try:
        line = _connect(controller, person, next(iter(own_recipes), 0), wait_s, connect_within_s)
    except ControllerError as error:
        _note(report, "connect", _failure(error, report), say)
        return report
    words = line.words
    got = {"boot": words.boot, "sequence": words.trigger_sequence, "acknowledged": words.acknowledged}
    _note(report, "connect", Finding(Outcome.PASSED, "connect.passed", got), say)
    try:
        _try_all(Visit(line, own_recipes, good), isinstance(config.controller, ReducedConfig), report, say)
    finally:
        with suppress(ControllerError):  # a connection that is gone cannot be left in order
            line.leave()
        controller.__exit__(None, None, None)
    return report


def _connect(controller: Controller, person: Person, recipe: int, wait_s: float, within_s: float) -> Line:
    """Open and read; a failed attempt is repeated, for nothing has been written yet."""
    deadline = time.monotonic() + within_s
    why: ControllerError | None = None
    while True:
        try:
            controller.__enter__()
            return Line(controller, person, recipe, wait_s)
        except ControllerError as error:
            controller.__exit__(None, None, None)
            if why is None or not isinstance(error, ControllerPausedError):  # that tells only when, not why
                why = error
            if time.monotonic() >= deadline:
                raise why from None
            time.sleep(_TRY_AGAIN_S)


def _try_all(visit: Visit, is_reduced: bool, report: CheckReport, say: Callable[[str], None]) -> None:
    for name, step in STEPS.items():
        if is_reduced and name in NEEDS_THE_BLOCK:
            finding = Finding(Outcome.NOT_SHOWN, "reduced")
        else:
            try:
                finding = step(visit)
            except ControllerError as error:
                finding = _failure(error, report)
        _note(report, name, finding, say)
        if finding.outcome is Outcome.FAILED:
            return


def _failure(error: ControllerError, report: CheckReport) -> Finding:
    """Return what the controller did; whose protocol it is stands above it."""
    return Finding(Outcome.FAILED, "error", {"detail": str(error).removeprefix(f"{report.controller}: ")})


def _note(report: CheckReport, name: str, finding: Finding, say: Callable[[str], None]) -> None:
    step = StepResult(name, finding)
    report.steps.append(step)
    say(f"{len(report.steps):>2} {name:<12} {_MARK[finding.outcome]:<10} {step.says('got', 'en')}")
    if finding.outcome is Outcome.FAILED:
        for what in ("expected", "next"):
            say(f"   {what + ':':<10} {step.says(what, 'en')}")


def _recipe_numbers(config: StationConfig) -> Sequence[int]:
    """Return the numbers of the station's recipes; the line may be wired before anything was learned."""
    if config.recipe_numbers:
        return config.recipe_numbers
    try:
        return [load_recipe(path).number for path in config.recipe_files(None).values()][:1]
    except ConfigError:
        return []


def write_protocol(report: CheckReport, path: Path, language: str) -> None:
    """Write the protocol, as JSON or as a Markdown page.

    Raises:
        RecordError: If it cannot be written.
    """
    content = report.to_json() if path.suffix == ".json" else report.to_markdown(language)
    try:
        write_atomically(path, content.encode())
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror}; name a folder with free space") from error


def check_protocol_path(path: Path) -> None:
    """Refuse a protocol that could not be written at the end, before the person begins.

    Raises:
        RecordError: If the suffix or the folder is wrong.
    """
    if path.suffix not in (".json", ".md"):
        raise RecordError(f"--out {path}: must end in .json or .md, got '{path.suffix}'")
    if not path.parent.is_dir():
        raise RecordError(f"--out {path}: no folder {path.parent}; make it, or name another path")


def _cell(content: str) -> str:
    return content.replace("|", "\\|").replace("\n", " ")
