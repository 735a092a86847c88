"""A camera with a calibration: what leaves it is straightened, and names the calibration."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from partgate.calibration.file import Calibration, load_calibration, save_calibration
from partgate.calibration.straighten import Straightener
from partgate.cameras import straightened
from partgate.cameras.folder import FolderCameraConfig
from partgate.cameras.straightened import StraightenedCamera, camera_opener, describe_pictures, measure_straightening
from partgate.errors import CameraError, CameraLostError, ConfigError

SIZE = {"camera_width_px": 30, "camera_height_px": 20, "width_px": 30, "height_px": 20}


@pytest.fixture
def config(tmp_path: Path) -> FolderCameraConfig:
    part = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "parts").mkdir()
    cv2.imwrite(str(tmp_path / "parts" / "a.png"), part)
    cv2.imwrite(str(tmp_path / "parts" / "b.png"), part[:10])
    (tmp_path / "cal").mkdir()
    save_calibration(tmp_path / "cal", Calibration.model_validate(SIZE | {"rotation_degrees": 10}), part // 2 + 100)
    return FolderCameraConfig(kind="folder", name="top", folder=tmp_path / "parts", calibration=tmp_path / "cal")


def test_missing_calibration_is_told_before_the_camera_opens(config: FolderCameraConfig, tmp_path: Path):
    lost = config.model_copy(update={"calibration": tmp_path / "nowhere"})

    with pytest.raises(ConfigError, match=r"nowhere: no calibration there"):
        camera_opener(lost)


def test_picture_of_another_size_is_never_handed_out(config: FolderCameraConfig):
    with camera_opener(config)() as camera:
        camera.grab(1)
        with pytest.raises(
            CameraError, match=r"camera 'top' \(folder .*: picture of 30 x 10 px does not fit calibration"
        ):
            camera.grab(1)


def test_frame_is_the_camera_picture_straightened_and_names_its_calibration(config: FolderCameraConfig):
    with config.open() as camera:
        raw = camera.grab(1)
    with camera_opener(config)() as camera:
        frame = camera.grab(1)

    assert config.calibration is not None
    calibration = load_calibration(config.calibration)
    np.testing.assert_array_equal(frame.image, Straightener(calibration).straighten(raw.image))
    assert not np.array_equal(frame.image, raw.image)
    assert frame.settings["calibration"] == calibration.id
    assert (frame.camera, frame.source) == ("top", "a.png")


def test_camera_without_a_calibration_is_opened_as_its_driver_opens_it(config: FolderCameraConfig):
    plain = config.model_copy(update={"calibration": None})

    assert type(camera_opener(plain)()).__name__ == "FolderCamera"
    assert describe_pictures(plain) is None
    assert describe_pictures(config) == "30 x 20 px, even light, turned by 10 degrees"


def test_calibration_that_is_exchanged_while_the_station_runs_stays_the_one_it_started_with(config: FolderCameraConfig):
    open_camera = camera_opener(config)
    with open_camera() as camera:
        before = camera.grab(1)

    assert config.calibration is not None
    save_calibration(config.calibration, Calibration.model_validate(SIZE | {"rotation_degrees": 45}))
    with open_camera() as camera:
        after = camera.grab(1)

    np.testing.assert_array_equal(before.image, after.image)


def test_promises_of_the_camera_itself_are_passed_on(config: FolderCameraConfig):
    camera = camera_opener(config)()

    assert str(camera).startswith("camera 'top' (folder")
    with camera:
        assert camera.differences == ()
        camera.check()
        for path in config.folder.iterdir():
            path.unlink()
        config.folder.rmdir()
        with pytest.raises(CameraLostError, match="the folder is gone"):
            camera.check()


class Asked:
    """Stands where a camera does and remembers how long it was to wait at most."""

    def __init__(self) -> None:
        self.timeouts_s: list[float] = []
        self.not_after: float | None = None

    def grab(self, timeout_s: float, not_after: float | None = None) -> None:
        self.timeouts_s.append(timeout_s)
        self.not_after = not_after
        raise CameraError("no picture")


def test_camera_gets_so_much_less_time_as_straightening_takes_and_never_none_at_all():
    asked: Any = Asked()
    unused: Any = None
    camera = StraightenedCamera(asked, unused, takes_s=0.05)

    for timeout_s in (0.2, 0.051, 0.01):
        with pytest.raises(CameraError):
            camera.grab(timeout_s)

    assert asked.timeouts_s == pytest.approx([0.15, 0.01, 0.01])


def test_camera_hears_until_when_the_part_may_be_exposed():
    asked: Any = Asked()
    unused: Any = None

    with pytest.raises(CameraError):
        StraightenedCamera(asked, unused).grab(0.2, 17.5)

    assert asked.not_after == 17.5


def test_opened_camera_leaves_the_time_that_was_measured(config: FolderCameraConfig, monkeypatch: pytest.MonkeyPatch):
    asked: Any = Asked()
    monkeypatch.setattr(FolderCameraConfig, "open", lambda self: asked)
    monkeypatch.setattr(straightened, "measure_straightening", lambda straightener: 0.07)

    with pytest.raises(CameraError):
        camera_opener(config)().grab(0.2)

    assert asked.timeouts_s == pytest.approx([0.13])


def test_time_of_straightening_is_near_the_slowest_trial_and_slow_ones_are_tried_less_often(
    config: FolderCameraConfig, monkeypatch: pytest.MonkeyPatch
):
    clock = iter(range(1000))
    monkeypatch.setattr(straightened.time, "perf_counter", lambda: 0.4 * next(clock))
    assert config.calibration is not None
    slow = Straightener(load_calibration(config.calibration))

    assert measure_straightening(slow) == pytest.approx(0.4)
    assert next(clock) == 10  # five trials of 0.4 s, two looks at the clock each
