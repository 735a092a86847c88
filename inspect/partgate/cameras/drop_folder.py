"""Takes each new picture file of a folder once: the drop folder of another vision system.

The folder is listed about 20 times a second while a part is waited for and 5 times in between (files on a network share
send no events), and less often where a listing takes long. Sub-folders and other files are not looked at. A name counts
once, and a renamed file is the same file; one that is written again under its name counts again in folders of at most
500 pictures, where every file is looked at each time. A file is taken when it stood still for ``settle_s`` and can be
decoded to its end; one whose bytes do not tell its end (BMP, TIFF) when its writer closed it, too, or when it stood
still for ``settle_unmarked_s``.

The verdict belongs to the part: a file that came before its trigger (more than ``early_s``) belongs to a part that is
gone. It is told and never judged, and so is a picture with the very bytes of one taken before, under whatever name.
A trigger without a file leaves one owed: the next file may be that one, come late. So it is put aside, the part that it
came at has no picture either, and its own file is owed from then on. A file between two triggers pays the debt, and so
does a silence of ``whole_within_s`` without trigger and file.
With ``takes_all`` every file is a part, in order of arrival: for lines where nothing is sorted by it.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from partgate.cameras.base import refuse_late
from partgate.cameras.writing import is_surely_closed, tells_its_end
from partgate.errors import CameraError, CameraLostError, DataError
from partgate.imaging import PICTURE_SUFFIXES, decode_picture
from partgate.parts import Frame, Image

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.05
_LISTING_SHARE = 0.2  # of the time at most goes into listing
_ALL_STATED = 500  # more files than that are told apart by name alone
_REMEMBERED = 100_000  # contents

_Stamp = tuple[int, int, int]  # size, modified (ns), inode


@dataclass(slots=True)
class _Waiting:
    """A file that came and was not taken yet."""

    name: str
    came_at: datetime  # UTC, when it was first seen
    since: float  # monotonic seconds of the same
    changed: float  # monotonic seconds of the last change seen


class DropFolder:
    """Watches one folder; opened, used and closed by one thread."""

    def __init__(
        self, name: str, folder: Path, *, done: Path | None, takes_all: bool, early_s: float, settle_s: float,
        settle_unmarked_s: float, whole_within_s: float,
    ) -> None:  # fmt: skip
        self._name, self._folder, self._done = name, folder, done
        self._takes_all, self._early_s = takes_all, early_s
        self._settle_s, self._settle_unmarked_s, self._whole_within_s = settle_s, settle_unmarked_s, whole_within_s
        self._identity: tuple[int, int] | None = None
        self._known: dict[str, _Stamp] = {}  # by name
        self._waiting: dict[str, _Waiting] = {}  # in order of arrival
        self._contents: dict[bytes, None] = {}  # digests of what was taken, oldest first
        self._pause_s = _LOOK_EVERY_S
        self._owed = 0  # files of triggers that got none
        self._stirred_at = 0.0  # monotonic seconds of the last file or trigger without one

    def __str__(self) -> str:
        return f"camera '{self._name}' (folder {self._folder})"

    def __enter__(self) -> Self:
        self._known, self._waiting = {}, {}
        if self._done is not None and not self._done.is_dir():
            raise CameraLostError(f"{self}: there is no folder {self._done} for taken files; make it")
        self._identity = self._identify()
        self._list()
        if not self._takes_all:
            self._waiting.clear()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._identity = None

    @property
    def differences(self) -> tuple[str, ...]:
        """Return nothing: files take every setting."""
        return ()

    def check(self) -> None:
        """Look whether the folder is still there, and for files that came without a trigger."""
        self._look()

    def grab(self, timeout_s: float, not_after: float | None = None) -> Frame:
        """Return the picture of the next file; one that came after this call, unless the settings allow more."""
        try:
            refuse_late(not_after, self)
        except CameraError:
            self._owe()
            raise
        called_at = time.monotonic()
        self._look()  # what is there now came before the call
        self._pass_over(called_at)
        self._forgive(called_at)
        while True:
            for file in list(self._waiting.values()):
                frame = self._try(file)
                if frame is not None:
                    return frame
            left = called_at + timeout_s - time.monotonic()
            if left <= 0:
                self._owe()
                raise CameraError(f"{self}: no new whole picture within {timeout_s:.3f} s")
            time.sleep(min(self._pause_s, left))
            self._look()

    def _pass_over(self, called_at: float) -> None:
        """Leave files aside that came too long before their trigger."""
        if self._takes_all:
            return
        for name, file in list(self._waiting.items()):
            if file.since < called_at - self._early_s or not self._early_s:
                logger.warning("%s: %s came before its trigger and is not judged", self, name)
                del self._waiting[name]
                self._owed = max(0, self._owed - 1)

    def _owe(self) -> None:
        """Note that the file of this trigger may still come."""
        if not self._takes_all:
            self._owed += 1
            self._stirred_at = time.monotonic()

    def _forgive(self, called_at: float) -> None:
        """Expect no file any more that did not come in a long silence."""
        if self._owed and called_at - self._stirred_at >= self._whole_within_s:
            logger.warning("%s: files that did not come: %d; none is waited for any more", self, self._owed)
            self._owed = 0

    def _try(self, file: _Waiting) -> Frame | None:
        """Return a file's picture once it is whole; None where it has to wait or was taken before."""
        now = time.monotonic()
        if now - file.changed < self._settle_s:
            return None
        path = self._folder / file.name
        is_closed = is_surely_closed(path)  # asked first: what is read then is all that was written
        try:
            data = path.read_bytes()
            if not (is_closed or tells_its_end(data)) and now - file.changed < self._settle_unmarked_s:
                return None
            image: Image = decode_picture(data)
        except FileNotFoundError:
            del self._waiting[file.name]
            return None
        except OSError as error:  # some systems lock a file while they write it
            problem = f"cannot be read: {error.strerror}"
        except DataError as error:
            problem = str(error)
        else:
            return self._take(file, data, image)
        if now - file.since < self._whole_within_s:
            return None
        self._put_aside(file)
        raise CameraError(f"{self}: {file.name} {problem}; it was waited for {self._whole_within_s} s")

    def _take(self, file: _Waiting, data: bytes, image: Image) -> Frame | None:
        self._put_aside(file)
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if digest in self._contents:
            logger.warning("%s: %s holds the very picture of a file taken before and is not judged", self, file.name)
            return None
        self._contents[digest] = None
        if len(self._contents) > _REMEMBERED:
            del self._contents[next(iter(self._contents))]
        if self._owed:  # it pays, and the file of this trigger is owed now
            raise CameraError(
                f"{self}: {file.name} may be the late file of a part before, so this part has none; "
                f"{self._whole_within_s:g} s without parts end this"
            )
        return Frame(image, file.came_at, self._name, source=file.name)

    def _put_aside(self, file: _Waiting) -> None:
        """Never look at a file again, before it is judged: a crash in between is a part without a verdict."""
        del self._waiting[file.name]
        if self._done is None:
            return
        path, done = self._folder / file.name, self._done
        try:
            path.rename(_free_name(done, path.name))
        except OSError as error:
            raise CameraError(f"{self}: {path.name} cannot be moved to {done}: {error.strerror}") from error
        self._known.pop(path.name, None)

    def _identify(self) -> tuple[int, int]:
        try:
            found = self._folder.stat()
        except OSError as error:
            raise CameraLostError(
                f"{self}: the folder is not there: {error.strerror}; is the share connected?"
            ) from error
        return found.st_dev, found.st_ino

    def _look(self) -> None:
        if self._identity is None:
            raise CameraLostError(f"{self}: is not open")
        if self._identify() != self._identity:
            raise CameraLostError(f"{self}: the folder is another one now; was the share disconnected?")
        self._list()

    def _list(self) -> None:
        began = time.monotonic()
        seen: dict[str, _Stamp] = {}
        came = [entry for entry in self._entries(seen) if entry[1] != self._known.get(entry[0], ())]
        gone = {stamp: name for name, stamp in self._known.items() if name not in seen} if came else {}
        for name, stamp in sorted(came, key=lambda entry: (entry[1][1], entry[0])):
            now = time.monotonic()
            if stamp in gone:  # the same file under another name
                if (file := self._waiting.pop(gone[stamp], None)) is not None:
                    file.name, self._waiting[name] = name, file
            elif name in self._waiting:
                self._waiting[name].changed = now
            else:
                self._waiting[name] = _Waiting(name, datetime.now(UTC), now, now)
                self._stirred_at = now
        self._known = seen
        for name in [name for name in self._waiting if name not in seen]:  # renamed or deleted before it was taken
            del self._waiting[name]
        self._pause_s = max(_LOOK_EVERY_S, (time.monotonic() - began) / _LISTING_SHARE)

    def _entries(self, seen: dict[str, _Stamp]) -> Iterator[tuple[str, _Stamp]]:
        """Yield name and stamp of the files that have to be looked at; note every name in ``seen``."""
        try:
            with os.scandir(self._folder) as listing:
                names = [entry.name for entry in listing if _is_picture(entry.name)]
        except OSError as error:
            raise CameraLostError(f"{self}: cannot be listed: {error.strerror}; is the share connected?") from error
        for name in names:
            if len(names) > _ALL_STATED and name in self._known and name not in self._waiting:
                seen[name] = self._known[name]
                continue
            try:
                found = (self._folder / name).stat()
            except OSError:  # gone between the two
                continue
            stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
            seen[name] = stamp
            yield name, stamp


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def _free_name(folder: Path, name: str) -> Path:
    """Return where a file of this name can go, numbered from 2 where names are used again; quick for any count."""
    stem, suffix = os.path.splitext(name)
    if not (folder / name).exists():
        return folder / name
    used, free = 1, 2
    while (folder / f"{stem}_{free}{suffix}").exists():
        used, free = free, 2 * free
    while free - used > 1:
        middle = (used + free) // 2
        if (folder / f"{stem}_{middle}{suffix}").exists():
            used = middle
        else:
            free = middle
    return folder / f"{stem}_{free}{suffix}"
