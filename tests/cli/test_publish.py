"""``partgate publish test`` as a user types it: every mistake is one line, a message that arrived is said so."""

import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml


def station_file(folder: Path, *publish: dict[str, Any]) -> Path:
    content = {
        "name": "trial",
        "recipe": "none-yet",
        "camera": {"kind": "folder", "folder": "pictures"},
        "controller": {"kind": "memory"},
        "records": {"folder": "records"},
        "publish": list(publish),
    }
    path = folder / "station.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def publish_test(station: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "partgate", "publish", "test", str(station)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("publish", "says"),
    [
        ([], "publish: names nobody; see docs/guides/publish.md"),
        ([{"kind": "mqt"}], "publish.0: unknown kind 'mqt'; known kinds: mqtt, webhook; did you mean 'mqtt'?"),
        ([{"kind": "webhook", "url": "http://a:hunter2@b/"}], "publish.0.url: must hold no user, password"),
        ([{"kind": "webhook", "url": "http://127.0.0.1:1/"}], "test not taken ([Errno 111] Connection refused)"),
        (
            [{"kind": "webhook", "url": "http://127.0.0.1:1/", "token": {"env": "NOT_SET"}}],
            "(webhook http://127.0.0.1:1): environment variable NOT_SET: holds no password",
        ),
    ],
    ids=["nobody", "typo", "password", "not-there", "no-token"],
)
def test_mistake_of_the_user_is_one_line_and_exit_code_1(publish: list[dict[str, Any]], says: str, tmp_path: Path):
    done = publish_test(station_file(tmp_path, *publish))

    assert done.returncode == 1
    assert says in done.stderr
    assert "hunter2" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_message_that_arrived_is_said_so_beside_one_that_did_not(tmp_path: Path):
    posted: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        done = publish_test(
            station_file(
                tmp_path,
                {"kind": "webhook", "name": "MES", "url": f"http://127.0.0.1:{server.server_port}/"},
                {"kind": "webhook", "name": "nobody", "url": "http://127.0.0.1:1/"},
            )
        )
        server.shutdown()
        thread.join()

    first, second = done.stdout.splitlines()
    assert first.startswith(
        f"publisher 'MES' (webhook http://127.0.0.1:{server.server_port}): took the test message in "
    )
    assert second == "publisher 'nobody' (webhook http://127.0.0.1:1): FAILED"
    assert (done.returncode, posted[0]["message"], posted[0]["station"]) == (1, "test", "trial")
