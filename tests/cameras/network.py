"""Starts network cameras as processes, for the tests of the stream driver."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

from ..needed import need


def need_ffmpeg() -> None:
    need("ffmpeg", shutil.which("ffmpeg"), "apt-get install ffmpeg")


class Network:
    """Starts cameras and kills what is left of them."""

    def __init__(self, pictures: Path) -> None:
        self.pictures = pictures
        self.sent = pictures / "sent"
        self.sent.write_bytes(b"%08d" % 0)
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, kind: str, *options: str, port: int = 0) -> int:
        """Start an HTTP or RTSP camera and return its port."""
        if "--h264" in options:
            need_ffmpeg()
        program = [sys.executable, str(Path(__file__).with_name("network_camera.py")), kind, str(port)]
        process = self._run([*program, str(self.pictures), "--tell", str(self.sent), *options])
        assert process.stdout is not None
        return int(process.stdout.readline())

    def serve_by_ffmpeg(self, *codec: str) -> str:
        """Let ffmpeg serve the pictures over HTTP and return the address; it starts to listen some time later."""
        need_ffmpeg()
        with socket.create_server(("127.0.0.1", 0)) as free:
            url = f"http://127.0.0.1:{free.getsockname()[1]}/video"
        source = ["-re", "-stream_loop", "-1", "-framerate", "20", "-i", str(self.pictures / "%02d.jpg")]
        self._run(["ffmpeg", "-loglevel", "error", *source, *codec, "-listen", "1", url])
        return url

    def signal(self, number: int) -> None:
        """Send a signal to the camera started last."""
        self.processes[-1].send_signal(number)

    def _run(self, command: list[str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.processes.append(process)
        return process
