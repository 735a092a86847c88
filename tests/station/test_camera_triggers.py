"""Which trigger of a camera goes with which trigger of its station; pictures of other parts are never judged."""

from pathlib import Path

import pytest

from partgate.configfile import load_config
from partgate.errors import ConfigError
from partgate.station.config import StationConfig

from .test_triggers import CONTROLLERS, FOLDER, LINE, TRIGGERS, write_station

CAMERAS = {
    "folder": FOLDER,
    "stream": "{kind: stream, name: top, url: http://h/v}",
    "software": "{kind: gige, name: top}",
    "free": "{kind: genicam, name: top, producer: p.cti, trigger: {mode: free}}",
    "line": LINE,
}


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_camera_that_would_give_pictures_of_other_parts_is_refused_with_a_next_step(tmp_path, trigger, camera):
    controller = CONTROLLERS["none" if trigger in ("timer", "presence") else "modbus"]
    path = write_station(tmp_path, TRIGGERS[trigger], controller, camera=CAMERAS[camera])

    if (camera == "line") == (trigger == "camera_line"):
        config = load_config(path, StationConfig)
        assert (config.trigger.kind, config.camera_names) == (trigger, ("top",))
    else:
        remedy = "take kind gige" if camera in ("folder", "stream") else r"write trigger: \{"
        with pytest.raises(ConfigError, match=rf"trigger '{trigger}' .*'top'.*{remedy}.*trigger"):
            load_config(path, StationConfig)


def test_every_camera_of_a_station_is_looked_at(tmp_path: Path):
    path = write_station(tmp_path, "{kind: controller}", "{kind: modbus, host: h}")
    text = path.read_text().replace(
        f"camera: {FOLDER}", f"cameras: [{CAMERAS['software']}, {LINE.replace('top', 'side')}]"
    )
    path.write_text(text)

    with pytest.raises(ConfigError, match="camera 'side', which has trigger mode 'line'"):
        load_config(path, StationConfig)
