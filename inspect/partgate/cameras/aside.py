"""A vendor's library in a process of its own: what it hangs or breaks, the station leaves behind and starts anew.

Some libraries hang, some keep Python's lock while they wait, so a thread does not help: the heartbeat would stand still
with them. A question is one JSON line into the process, an answer one JSON line and, where it says so, the bytes of a
picture. A question that is not answered in time ends the process; so does an end of the station, even where the library
hangs (a timer that does not need Python's lock). What the library prints, and its logging, is not looked at.

Figures: 20 MB come over in 6 ms (own measurement on two cores).
"""

import contextlib
import faulthandler
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any, Protocol

from partgate.errors import CameraError, CameraLostError, ConfigError, DamagedPictureError

_LAST_S = 5.0  # how much longer than asked for a process may live whose station is gone
_CLOSE_WITHIN_S = 2.0


class Session(Protocol):
    """What runs in the process: one camera, asked by one question after another."""

    def answer(self, do: str, question: Mapping[str, Any]) -> tuple[Mapping[str, Any], memoryview]:
        """Return facts and bytes; it may raise CameraError, CameraLostError and ConfigError."""
        ...

    def tidy(self) -> None:
        """Do what the next question needs, after the answer has gone out."""
        ...

    def close(self) -> None:
        """Give the camera back."""
        ...


class Aside:
    """The station's end: starts the process, asks, ends it.

    Not thread-safe. After a :class:`CameraLostError` only :meth:`close` is of use.
    """

    def __init__(self, module: str, who: str) -> None:
        """Start the process.

        Args:
            module: What to run in it; it calls :func:`serve`.
            who: How messages call the camera.
        """
        self._who = who
        self._answers: queue.Queue[tuple[dict[str, Any], bytearray] | None] = queue.Queue()
        # -P: a folder of the same name where the station was started is not taken for a library
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._reader = threading.Thread(target=self._read, name=f"answers of {who}", daemon=True)
        self._reader.start()

    @property
    def process_id(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Tell whether the process was found ended, or was ended since it did not answer."""
        return self._process.returncode is not None

    def ask(self, do: str, within_s: float, **values: Any) -> tuple[dict[str, Any], bytearray]:
        """Return the answer to one question.

        Args:
            do: What the session shall do.
            within_s: Longest wait; after it the process is ended.
            **values: What it needs for it, as JSON.

        Raises:
            ConfigError: If the camera cannot take a setting.
            CameraError: If this picture cannot be had; DamagedPictureError where one came.
            CameraLostError: If the camera is gone, or the process does not answer or has ended.
        """
        question = json.dumps({"do": do, "within_s": within_s, **values}).encode() + b"\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(question)
            answer = self._answers.get(timeout=within_s)
        except queue.Empty:
            self._end()
            raise CameraLostError(
                f"{self._who}: the vendor's library did not answer within {within_s:.3g} s; it is started anew"
            ) from None
        except (OSError, ValueError):  # the pipe is closed: the process has ended, now or before
            answer = None
        if answer is None:
            code = self._end()
            raise CameraLostError(f"{self._who}: the vendor's library ended its process (code {code}); started anew")
        facts, data = answer
        problem = facts.get("problem")
        if problem == "config":
            raise ConfigError(facts["lines"])
        if problem in ("frame", "damaged"):
            raise (CameraError if problem == "frame" else DamagedPictureError)(facts["lines"][0])
        if problem is not None:
            who = f"{self._who}: the vendor's library failed: " if problem == "bug" else ""
            raise CameraLostError(who + facts["lines"][0])
        return facts, data

    def close(self) -> None:
        """Let the session give the camera back; end the process if that takes too long."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_WITHIN_S)
        self._end()

    def _end(self) -> int:
        self._process.kill()
        code = self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while head := _read_line(self._process.stdout):
                facts = json.loads(head)
                data = bytearray(facts["bytes"])
                if not _fill(self._process.stdout, memoryview(data)):
                    break
                self._answers.put((facts, data))
        self._answers.put(None)


def serve(session: Session) -> None:
    """Answer questions in the process until the station closes the line; the process's end of :class:`Aside`."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    with answers, contextlib.suppress(BrokenPipeError):
        for line in sys.stdin.buffer:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the station's; a library may have taken it over
            question = json.loads(line)
            _end_after(question["within_s"] + _LAST_S)
            facts, data = _answer(session, question)
            answers.write(json.dumps({**facts, "bytes": len(data)}).encode() + b"\n")
            answers.write(data)
            answers.flush()
            with contextlib.suppress(CameraError):  # the next question meets it again and tells
                session.tidy()
            faulthandler.cancel_dump_traceback_later()
        _end_after(_LAST_S)
        session.close()


def _end_after(seconds: float) -> None:
    """End this process then, whatever it hangs in; once per call, and each call replaces the one before."""
    faulthandler.dump_traceback_later(seconds, exit=True)


def _answer(session: Session, question: Mapping[str, Any]) -> tuple[Mapping[str, Any], memoryview]:
    nothing = memoryview(b"")
    try:
        return session.answer(question["do"], question)
    except ConfigError as error:
        return {"problem": "config", "lines": error.problems}, nothing
    except CameraLostError as error:
        return {"problem": "lost", "lines": [str(error)]}, nothing
    except CameraError as error:
        what = "damaged" if isinstance(error, DamagedPictureError) else "frame"
        return {"problem": what, "lines": [str(error)]}, nothing
    except Exception as error:  # a library's own errors are many; the camera is opened anew after each
        return {"problem": "bug", "lines": [f"{type(error).__name__}: {error}"]}, nothing


def _read_line(pipe: IO[bytes]) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = pipe.read(1)
        if not byte:
            return b""
        line += byte
    return bytes(line)


def _fill(pipe: IO[bytes], wanted: memoryview) -> bool:
    filled = 0
    while filled < len(wanted):
        count = pipe.readinto(wanted[filled:])  # type: ignore[attr-defined]  # an unbuffered pipe has it
        if not count:
            return False
        filled += count
    return True
