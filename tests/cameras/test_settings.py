"""Settings written into a camera: both spellings, ranges and steps, what is read back, against a camera in memory."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from partgate.cameras.apply import apply_settings
from partgate.cameras.nodes import Node, NodeValue
from partgate.cameras.settings import AppliedSettings, CameraTriggerSettings, MachineVisionConfig, wanted_settings
from partgate.configfile import check_settings
from partgate.errors import CameraError, CameraLostError, ConfigError

TRIGGER = {
    "TriggerSelector": Node("AcquisitionStart", entries=("AcquisitionStart", "FrameStart")),
    "TriggerMode": Node("Off", entries=("Off", "On")),
    "TriggerSource": Node("Line1", entries=("Line1", "Line2", "Software")),
    "TriggerActivation": Node("RisingEdge", entries=("RisingEdge", "FallingEdge")),
}
REGION = {
    "Width": Node(640, low=16, high=640, step=16),
    "Height": Node(480, low=2, high=480, step=2),
    "OffsetX": Node(0, low=0, high=624, step=4),
    "OffsetY": Node(0, low=0, high=478, step=2),
}


class CameraInMemory:
    """Features that take what is written, except where it is said otherwise."""

    def __init__(self, nodes: dict[str, Node], makes: dict[str, NodeValue] | None = None) -> None:
        self.nodes, self.makes = dict(nodes), makes or {}
        self.written: list[tuple[str, NodeValue]] = []

    def names(self) -> Sequence[str]:
        return tuple(self.nodes)

    def read(self, name: str) -> Node | None:
        return self.nodes.get(name)

    def write(self, name: str, value: NodeValue) -> None:
        self.written.append((name, value))
        self.nodes[name] = replace(self.nodes[name], value=self.makes.get(name, value))


class SelectingCamera(CameraInMemory):
    """Keeps a trigger mode for each selector, as real cameras do."""

    def __init__(self) -> None:
        super().__init__(TRIGGER)
        self.modes: dict[NodeValue | None, NodeValue] = {"AcquisitionStart": "On", "FrameStart": "Off"}

    def read(self, name: str) -> Node | None:
        if name == "TriggerMode":
            return replace(self.nodes[name], value=self.modes[self.nodes["TriggerSelector"].value])
        return super().read(name)

    def write(self, name: str, value: NodeValue) -> None:
        super().write(name, value)
        if name == "TriggerMode":
            self.modes[self.nodes["TriggerSelector"].value] = value


def apply(camera: CameraInMemory, *, packets: bool = True, **keys: object) -> AppliedSettings:
    values = {"kind": "any", "trigger": {"mode": "free"}} | keys
    return apply_settings(camera, MachineVisionConfig.model_validate(values), "camera 'top'", packets=packets)


@pytest.mark.parametrize(
    ("nodes", "keys", "says"),
    [
        (
            {"ExposureTime": Node(9.0, low=10.0, high=500.0)},
            {"exposure_us": 501},
            "exposure_us: must be 10 to 500, got 501",
        ),
        (
            REGION,
            {"region": {"width_px": 100, "height_px": 480}},
            "region.width_px: must be 16 to 640 in steps of 16, got 100; nearest: 96 or 112",
        ),
        (
            REGION,
            {"region": {"width_px": 656, "height_px": 480}},
            "region.width_px: must be 16 to 640 in steps of 16, got 656",
        ),
        (
            {"PixelFormat": Node("Mono8", entries=("Mono8", "BayerRG8"))},
            {"pixel_format": "BayerGR8"},
            "pixel_format: must be one of Mono8, BayerRG8, got 'BayerGR8'; did you mean 'BayerRG8'?",
        ),
        (
            {"Gain": Node(0.0, is_writable=False)},
            {"gain_db": 3},
            "gain_db: cannot be changed in this camera now, it is 0",
        ),
        (
            {"GainRaw": Node(0, low=0, high=10)},
            {"gain_db": 3},
            "gain_db: this camera has none of Gain, GainAbs; it counts gain in its own unit: set gain_raw",
        ),
        (
            {"LineDebouncerTimeAbs": Node(1.0)},
            {"nodes": {"LineDebouncerTime": 5}},
            "this camera has no LineDebouncerTime; it has LineDebouncerTimeAbs",
        ),
        (
            {},
            {"trigger": {"mode": "software"}},
            "trigger.mode: this camera has no TriggerMode; it knows mode free only",
        ),
        (
            TRIGGER,
            {"trigger": {"mode": "line", "source": "Line9"}},
            "trigger.source: must be one of Line1, Line2, Software, got 'Line9'",
        ),
    ],
    ids=["range", "step", "largest", "format", "locked", "gain unit", "other name", "no trigger", "no such line"],
)
def test_what_the_camera_cannot_do_is_refused_with_what_it_can(
    nodes: dict[str, Node], keys: dict[str, object], says: str
):
    with pytest.raises(ConfigError) as refused:
        apply(CameraInMemory(nodes), **keys)

    assert str(refused.value).startswith("camera 'top': ")
    assert says in str(refused.value)


def test_all_problems_are_told_at_once():
    camera = CameraInMemory({"ExposureTime": Node(9.0, low=10.0, high=500.0), "Gain": Node(0.0, low=0.0, high=24.0)})

    with pytest.raises(ConfigError) as refused:
        apply(camera, exposure_us=501, gain_db=25)

    assert len(refused.value.problems) == 2


def test_camera_that_refuses_in_its_own_words_is_quoted():
    class Stubborn(CameraInMemory):
        def write(self, name: str, value: NodeValue) -> None:
            raise CameraError("locked by TLParamsLocked")

    with pytest.raises(ConfigError, match="Gain does not take 3: locked by TLParamsLocked"):
        apply(Stubborn({"Gain": Node(0.0)}), gain_db=3)


def test_camera_that_vanishes_meanwhile_is_lost_and_no_mistake_of_the_user():
    class Pulled(CameraInMemory):
        def write(self, name: str, value: NodeValue) -> None:
            raise CameraLostError("gone")

    with pytest.raises(CameraLostError, match="gone"):
        apply(Pulled({"Gain": Node(0.0)}), gain_db=3)


@pytest.mark.parametrize("name", ["ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw"])
def test_exposure_is_set_under_each_of_its_names_and_automatic_is_off(name: str):
    auto = Node("Continuous", entries=("Off", "Once", "Continuous"))
    camera = CameraInMemory({name: Node(1000.0), "ExposureAuto": auto})

    applied = apply(camera, exposure_us=2500)

    assert camera.nodes["ExposureAuto"].value == "Off"
    assert camera.written[-1] == (name, 2500)
    assert applied.found["exposure_us"] == 2500


def test_raw_exposure_is_counted_in_the_cameras_own_unit():
    camera = CameraInMemory({"ExposureTimeRaw": Node(1, low=1, high=4095), "ExposureTimeBaseAbs": Node(20.0)})

    applied = apply(camera, exposure_us=2500)

    assert camera.written == [("ExposureTimeRaw", 125)]  # of 20 µs
    assert applied.found["exposure_us"] == 2500


def test_packet_delay_is_counted_in_ticks_of_the_cameras_clock():
    camera = CameraInMemory({"GevSCPD": Node(0), "GevTimestampTickFrequency": Node(125_000_000)})

    applied = apply(camera, packet_delay_us=8)

    assert camera.written == [("GevSCPD", 1000)]
    assert applied.found["packet_delay_us"] == 8


def test_packets_are_left_to_a_driver_that_sets_them_itself():
    camera = CameraInMemory({"GevSCPSPacketSize": Node(1500)})

    assert "packet_size_bytes" not in apply(camera, packets=False, packet_size_bytes=9000).found
    assert camera.written == []


def test_frame_rate_is_switched_on_before_it_is_set():
    camera = CameraInMemory({"AcquisitionFrameRateAbs": Node(9.0), "AcquisitionFrameRateEnable": Node(False)})

    apply(camera, frame_rate=25)

    assert camera.written == [("AcquisitionFrameRateEnable", True), ("AcquisitionFrameRateAbs", 25)]


def test_value_that_the_camera_rounds_far_off_is_a_difference_and_a_little_is_none():
    nodes = {"ExposureTime": Node(1000.0), "Gain": Node(0.0)}
    camera = CameraInMemory(nodes, makes={"ExposureTime": 2490.0, "Gain": 2.5})

    applied = apply(camera, exposure_us=2500, gain_db=3)

    assert applied.differences == ("camera 'top': gain_db is 2.5, asked for 3",)
    assert applied.found == {"exposure_us": 2490.0, "gain_db": 2.5}


def test_offsets_go_to_zero_before_the_size_that_they_limit():
    camera = CameraInMemory(REGION | {"OffsetX": Node(320, low=0, high=624, step=4)})

    apply(camera, region={"offset_x_px": 8, "offset_y_px": 4, "width_px": 320, "height_px": 240})

    assert camera.written == [("OffsetX", 0), ("Width", 320), ("Height", 240), ("OffsetX", 8), ("OffsetY", 4)]


def test_region_that_leaves_the_sensor_is_refused_though_each_value_is_in_range():
    camera = CameraInMemory(REGION | {"WidthMax": Node(640)})

    with pytest.raises(ConfigError, match=r"offset and size must be within the sensor's 640, got 624 \+ 320"):
        apply(camera, region={"offset_x_px": 624, "width_px": 320, "height_px": 240})


@pytest.mark.parametrize(
    ("trigger", "modes", "source"),
    [
        ({"mode": "free"}, ["Off", "Off"], "Line1"),
        ({"mode": "software"}, ["Off", "On"], "Software"),
        ({"mode": "line", "source": "Line2", "activation": "falling"}, ["Off", "On"], "Line2"),
    ],
    ids=["free", "software", "line"],
)
def test_only_the_trigger_of_a_single_picture_is_on(trigger: dict[str, str], modes: list[str], source: str):
    camera = SelectingCamera()

    apply(camera, trigger=trigger)

    assert [camera.modes["AcquisitionStart"], camera.modes["FrameStart"]] == modes
    assert camera.nodes["TriggerSource"].value == source
    assert camera.nodes["TriggerActivation"].value == ("FallingEdge" if source == "Line2" else "RisingEdge")


@pytest.mark.parametrize(
    ("keeps", "trigger", "says"),
    [
        ({"TriggerMode": "Off"}, {"mode": "software"}, "trigger.mode: TriggerMode is Off, asked for On"),
        ({"TriggerMode": "On"}, {"mode": "free"}, "trigger of FrameStart: TriggerMode is On, asked for Off"),
        ({"TriggerSource": "Line1"}, {"mode": "software"}, "trigger.source: TriggerSource is Line1, asked for Soft"),
        ({"TriggerSource": "Software"}, {"mode": "line", "source": "Line2"}, "trigger.source: .* asked for Line2"),
        (
            {"TriggerActivation": "RisingEdge"},
            {"mode": "line", "source": "Line1", "activation": "falling"},
            "trigger.activation: TriggerActivation is RisingEdge, asked for FallingEdge",
        ),
        (
            {"TriggerSelector": "AcquisitionStart"},
            {"mode": "software"},
            "trigger: TriggerSelector is AcquisitionStart, asked for FrameStart",
        ),
    ],
    ids=["mode not on", "mode not off", "source not software", "source not the line", "activation", "selector"],
)
def test_camera_that_keeps_another_trigger_than_asked_for_is_refused(
    keeps: dict[str, NodeValue], trigger: dict[str, str], says: str
):
    nodes = TRIGGER | {name: replace(TRIGGER[name], value=value) for name, value in keeps.items()}

    with pytest.raises(ConfigError, match=says):
        apply(CameraInMemory(nodes, makes=keeps), trigger=trigger)


def test_word_that_yaml_reads_as_no_is_the_choice_it_stands_for():
    camera = CameraInMemory({"BalanceWhiteAuto": Node("Once", entries=("Off", "Once"))})

    apply(camera, nodes={"BalanceWhiteAuto": False})

    assert camera.written == [("BalanceWhiteAuto", "Off")]


@pytest.mark.parametrize(
    "trigger", [{"mode": "line"}, {"mode": "free", "source": "Line1"}, {"mode": "line", "source": "Software"}]
)
def test_input_of_the_camera_belongs_to_mode_line_alone(trigger: dict[str, str], tmp_path):
    with pytest.raises(ConfigError, match="source must name the camera's input for mode line, and for it only"):
        check_settings(trigger, CameraTriggerSettings, source="trigger", folder=tmp_path)


def test_wanted_settings_have_the_names_under_which_they_are_found():
    region = {"offset_x_px": 8, "offset_y_px": 4, "width_px": 320, "height_px": 240}
    camera = CameraInMemory(REGION | TRIGGER | {"ExposureTime": Node(10.0), "PixelFormat": Node("Mono8")})
    keys = {"region": region, "exposure_us": 100.0, "pixel_format": "Mono8", "trigger": {"mode": "software"}}

    found = apply(camera, **keys).found

    assert wanted_settings(MachineVisionConfig.model_validate({"kind": "any"} | keys)) == found
