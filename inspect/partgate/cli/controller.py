"""``partgate controller``: the way to the PLC or robot, tried before the first part."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from partgate.errors import ControllerError
from partgate.station.check_line import Answer

app = typer.Typer(help="The way to the PLC or robot, tried before the first part.", no_args_is_help=True)
_WARNING = (
    "--good: GOOD is sent for parts that nobody has looked at. Take the parts that come during the check out of the "
    "good lane afterwards, and keep clear of the actuator."
)
_ANSWERS = {"y": Answer.YES, "n": Answer.NO, "s": Answer.NOBODY}


@app.callback()
def _topic() -> None:
    """The way to the PLC or robot, tried before the first part."""


@app.command()
def check(
    station: Annotated[Path, typer.Argument(help="Station file, like those in configs/stations/; it must not run.")],
    good: Annotated[bool, typer.Option("--good", help="Send GOOD too; without, only rejects are sent.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nobody, for the simulator: what only eyes can see is not shown.")
    ] = False,
    wait: Annotated[float, typer.Option(min=1, help="Longest wait for a part, in seconds.")] = 60.0,
    out: Annotated[Path | None, typer.Option(help="Write the protocol, .md or .json.")] = None,
    lang: Annotated[Literal["en", "de"], typer.Option(help="Language of the protocol as .md.")] = "en",
) -> None:
    """Try the handshake step by step with the person at the controller; exit code 1 at the first step that fails."""
    from partgate.configfile import load_config
    from partgate.station.check import check_controller, check_protocol_path, write_protocol
    from partgate.station.config import StationConfig

    config = load_config(station, StationConfig)
    if out is not None:
        check_protocol_path(out)
    person = Nobody() if yes else Console()
    if good:
        print(f"warning: {_WARNING}", flush=True)
        if not yes and person.ask("Go on?") is not Answer.YES:
            raise ControllerError("controller check: not begun; without --good only rejects are sent")
    report = check_controller(config, person, good=good, wait_s=wait, say=lambda line: print(line, flush=True))
    if out is not None:
        write_protocol(report, out, lang)
        print(f"protocol: {out}")
    if failed := report.failed:
        raise ControllerError(f"{report.controller}: step '{failed.name}' failed: {failed.says('got', 'en')}")
    shown = len(report.steps) - len(report.not_shown)
    print(f"{shown} steps passed; not shown: {', '.join(report.not_shown) or 'none'}")


class Console:
    """The person at the keyboard."""

    def __init__(self) -> None:
        self._typed = b""

    def tell(self, sentence: str) -> None:
        """Print what is to be done."""
        print(f"-> {sentence}", flush=True)

    def ask(self, question: str) -> Answer:
        """Ask until the answer is one of y, n and s; nobody at the keyboard has not looked."""
        while True:
            print(f"?  {question} [y/n, s: cannot see it] ", end="", flush=True)
            typed = self._read_line()
            if typed is None:
                print()
                return Answer.NOBODY
            if answer := _ANSWERS.get(typed.strip().casefold()[:1]):
                return answer

    def _read_line(self) -> str | None:
        # Read beside Python's own buffer: a thread that waits in it would keep the program from ending at Ctrl-C.
        while b"\n" not in self._typed:
            more = os.read(0, 1024)
            if not more:
                return None
            self._typed += more
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode("utf-8", "replace")


class Nobody:
    """No person there."""

    def tell(self, sentence: str) -> None:
        """Say nothing: the simulator feeds parts by itself."""

    def ask(self, question: str) -> Answer:
        """Return that nobody looked."""
        return Answer.NOBODY
