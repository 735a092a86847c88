"""A station as its watcher sees it, without camera, engine and controller: python played_station.py BEHAVIOURS FOLDER.

The first start behaves as the first of the behaviours, and so on; the last one stays. What happens is noted in FOLDER.
"""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from partgate.station.notify import Alive


def main(behaviours: list[str], folder: Path) -> int:
    starts, stop = folder / "starts", threading.Event()
    before = len(starts.read_text().splitlines()) if starts.exists() else 0
    behaviour = behaviours[: before + 1][-1]

    def finish(*_: object) -> None:
        with (folder / "asked").open("a") as file:
            file.write("asked\n")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN if behaviour == "deaf" else finish)
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if behaviour in ("exit 1", "exit 2"):
        return int(behaviour[-1])
    if behaviour == "stranger":
        port = int(os.environ["PARTGATE_WATCH"].split(":")[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"guessed\nREADY=1", ("127.0.0.1", port))
    alive = Alive()
    if behaviour not in ("mute", "stranger"):
        alive.ready()
    if behaviour in ("crash", "end"):
        return 3 if behaviour == "crash" else 0
    while not stop.wait(0.05):
        if behaviour == "run":
            alive.beat("running")
    time.sleep(0.3)  # the part in hand
    (folder / "finished").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(","), Path(sys.argv[2])))
