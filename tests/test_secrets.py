"""Passwords come from the environment or a guarded file, and are shown nowhere."""

from pathlib import Path

import pytest

from partgate.configfile import Settings, check_settings
from partgate.errors import ConfigError
from partgate.secrets import SecretSource


class Login(Settings):
    password: SecretSource


def load(value: object, folder: Path = Path()) -> SecretSource:
    return check_settings({"password": value}, Login, source="station.yaml", folder=folder).password


def make_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "password"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_password_in_the_station_file_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="must not stand in this file") as caught:
        load("hunter2")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", [{}, {"env": "A", "file": "b"}], ids=["none", "both"])
def test_exactly_one_place_is_named(value: dict[str, str]):
    with pytest.raises(ConfigError, match="must name one place, env or file"):
        load(value)


def test_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LINE_PASSWORD", raising=False)

    with pytest.raises(ConfigError, match="environment variable LINE_PASSWORD: holds no password"):
        load({"env": "LINE_PASSWORD"}).read()


def test_password_of_the_environment_is_read_and_hidden_in_print(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LINE_PASSWORD", "hunter2")

    secret = load({"env": "LINE_PASSWORD"}).read()

    assert secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(secret)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_file_that_others_can_read_is_refused_with_the_cure(tmp_path: Path, mode: int):
    path = make_file(tmp_path, b"hunter2\n", mode)

    with pytest.raises(ConfigError, match=rf"its mode is {mode:04o}; run: chmod 600 {path}") as caught:
        load({"file": "password"}, tmp_path).read()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_file_holds_the_password_with_or_without_a_line_feed(tmp_path: Path, end: bytes):
    make_file(tmp_path, b" hunter 2" + end)

    assert load({"file": "password"}, tmp_path).read().get_secret_value() == " hunter 2"


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"x" * 5000], ids=["empty", "line-feed", "two", "long"])
def test_file_that_holds_no_single_line_is_refused(tmp_path: Path, content: bytes):
    make_file(tmp_path, content)

    with pytest.raises(ConfigError, match="must hold one line of at most 4096 bytes"):
        load({"file": "password"}, tmp_path).read()


def test_file_that_is_no_text_or_missing_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="password: cannot be read: No such file"):
        load({"file": "password"}, tmp_path).read()
    make_file(tmp_path, b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no UTF-8 text"):
        load({"file": "password"}, tmp_path).read()


def test_credential_that_systemd_guards_is_read_whatever_its_mode_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = make_file(tmp_path, b"hunter2", 0o440)
    with pytest.raises(ConfigError, match="its mode is 0440"):
        load({"file": str(path)}).read()

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert load({"file": str(path)}).read().get_secret_value() == "hunter2"
