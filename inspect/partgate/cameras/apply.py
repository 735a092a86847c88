"""Settings written into a camera, read back and compared.

Source:
    EMVA, GenICam Standard Features Naming Convention (SFNC) 2.7: chapters on image format, acquisition, analog control.
"""

from dataclasses import dataclass
from difflib import get_close_matches

from partgate.cameras.nodes import NodeMap, NodeValue, as_entry, find_problem, is_same, show
from partgate.cameras.settings import AppliedSettings, CameraTriggerSettings, MachineVisionConfig, RegionSettings
from partgate.errors import CameraError, CameraLostError, ConfigError

_ACTIVATIONS = {
    "rising": "RisingEdge",
    "falling": "FallingEdge",
    "any": "AnyEdge",
    "high": "LevelHigh",
    "low": "LevelLow",
}
_OTHERS = "so it would not take its pictures when parts are there; switch it off and on, or set it by its vendor's tool"
_SELECTORS = ("FrameStart", "AcquisitionStart", "ExposureStart")  # the one that starts a single picture, by preference


@dataclass(frozen=True, slots=True)
class _Number:
    """A number in the config and where cameras keep it."""

    key: str
    names: tuple[str, ...]  # the first that the camera has
    before: tuple[tuple[str, NodeValue], ...] = ()  # written first, where the camera has it


_SIZES = (
    _Number("region.width_px", ("Width",)),
    _Number("region.height_px", ("Height",)),
    _Number("region.offset_x_px", ("OffsetX",)),
    _Number("region.offset_y_px", ("OffsetY",)),
)
_NUMBERS = (
    _Number(
        "exposure_us",
        ("ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw"),
        (("ExposureAuto", "Off"), ("ExposureMode", "Timed")),
    ),
    _Number("gain_db", ("Gain", "GainAbs"), (("GainAuto", "Off"),)),
    _Number("gain_raw", ("GainRaw",), (("GainAuto", "Off"),)),
    _Number(
        "frame_rate",
        ("AcquisitionFrameRate", "AcquisitionFrameRateAbs"),
        (
            ("AcquisitionFrameRateAuto", "Off"),
            ("AcquisitionFrameRateEnable", True),
            ("AcquisitionFrameRateEnabled", True),
        ),
    ),
)
_TEXTS = (("pixel_format", "PixelFormat"), ("trigger", "TriggerMode"), ("trigger_source", "TriggerSource"))
_PACKETS = (_Number("packet_size_bytes", ("GevSCPSPacketSize",)), _Number("packet_delay_us", ("GevSCPD",)))


def apply_settings(nodes: NodeMap, config: MachineVisionConfig, who: str, *, packets: bool = True) -> AppliedSettings:
    """Write the settings into a camera that does not acquire, read them back and compare.

    Args:
        nodes: The camera's features.
        config: What is wanted.
        who: How messages call the camera, as ``str(camera)`` gives it.
        packets: Also packet size and delay; off where the library's stream writes them.

    Returns:
        What was read back, and a sentence for each difference.

    Raises:
        ConfigError: If the camera does not have a setting or cannot take its value: every problem, with what it can.
        CameraLostError: If the camera stopped answering.
    """
    writer = _Writer(nodes, who)
    for name, value in config.nodes.items():
        writer.write_node(f"nodes.{name}", name, value)
    if config.pixel_format is not None:
        writer.write_node("pixel_format", "PixelFormat", config.pixel_format)
    if config.region is not None:
        writer.write_region(config.region)
    for number in (*_NUMBERS, *(_PACKETS if packets else ())):
        wanted = getattr(config, number.key)
        if wanted is not None:
            writer.write_number(number, wanted)
    writer.write_trigger(config.trigger)
    if writer.problems:
        raise ConfigError(writer.problems)
    writer.read_back(packets)
    return AppliedSettings(writer.found, tuple(writer.differences))


class _Writer:
    """Writes settings one by one, and collects what the camera could not do or did otherwise."""

    def __init__(self, nodes: NodeMap, who: str) -> None:
        self._nodes, self._who = nodes, who
        self.problems: list[str] = []
        self.differences: list[str] = []
        self.found: dict[str, float | str] = {}

    def write_node(self, key: str, name: str, value: NodeValue, *, must: bool = False) -> None:
        """Write one feature, and tell where the camera has another value afterwards; refuse it where it must be so."""
        node = self._nodes.read(name)
        if node is None:
            self._refuse(key, f"this camera has no {name}{self._near(name)}; 'partgate camera settings' shows all")
        elif problem := find_problem(node, value):
            self._refuse(key, problem)
        else:
            self._write(key, name, as_entry(node, value), must=must)

    def write_number(self, number: _Number, wanted: float) -> None:
        """Write a number by whichever of its names the camera has."""
        name = self._name_of(number)
        if name is None:
            cure = (
                "; it counts gain in its own unit: set gain_raw" if self._lacks_db(number) else self._near(number.key)
            )
            self._refuse(number.key, f"this camera has none of {', '.join(number.names)}{cure}")
            return
        for before, value in number.before:
            node = self._nodes.read(before)
            if node is not None and node.value != value and not find_problem(node, value):
                self._try_write(number.key, before, value)
        node, factor = self._nodes.read(name), self._factor(name)
        if node is None:
            self._refuse(number.key, f"{name} is not available in this mode of the camera")
            return
        if problem := find_problem(node, wanted, factor):
            self._refuse(number.key, problem)
            return
        raw = wanted / factor
        self._write(number.key, name, round(raw) if isinstance(node.value, int) else raw, factor)

    def write_region(self, region: RegionSettings) -> None:
        """Write size and place: the offsets go to 0 first, since they limit the size in most cameras."""
        for name in ("OffsetX", "OffsetY"):
            node = self._nodes.read(name)
            if node is not None and node.value and node.is_writable:
                self._try_write("region", name, 0)
        known = len(self.problems)
        for number in _SIZES:
            wanted = getattr(region, number.key.removeprefix("region."))
            if wanted or self._name_of(number):  # an offset of 0 is what a camera without offsets has
                self.write_number(number, wanted)
        if len(self.problems) > known:
            return
        self._check_corner("Width", region.offset_x_px, region.width_px)
        self._check_corner("Height", region.offset_y_px, region.height_px)

    def _check_corner(self, side: str, offset_px: int, size_px: int) -> None:
        """Refuse a region that leaves the sensor: some cameras take it and send what they like."""
        sensor = self._nodes.read(f"Sensor{side}") or self._nodes.read(f"{side}Max")
        if sensor is not None and isinstance(sensor.value, int) and offset_px + size_px > sensor.value:
            problem = f"offset and size must be within the sensor's {sensor.value}, got {offset_px} + {size_px}"
            self._refuse(f"region.{side.lower()}_px", problem)

    def write_trigger(self, trigger: CameraTriggerSettings) -> None:
        """Switch the one trigger on that starts a picture, and all others off."""
        mode = self._nodes.read("AcquisitionMode")
        if mode is not None and mode.value != "Continuous" and "Continuous" in mode.entries:
            self._try_write("trigger", "AcquisitionMode", "Continuous")
        if self._nodes.read("TriggerMode") is None:
            if trigger.mode != "free":
                self._refuse(
                    "trigger.mode", f"this camera has no TriggerMode; it knows mode free only, got {trigger.mode}"
                )
            return
        selector = self._nodes.read("TriggerSelector")
        entries = selector.entries if selector is not None else ()
        chosen = next((name for name in _SELECTORS if name in entries), None)
        for entry in (*(name for name in entries if name != chosen), chosen):
            if entry is not None:
                self._try_write("trigger", "TriggerSelector", entry)
            self._switch_off("trigger.mode" if entry is None else f"trigger of {entry}",
                             must=entry != chosen or trigger.mode == "free")  # fmt: skip
        if chosen is not None and (difference := self._find_difference("TriggerSelector", chosen)):
            self._refuse("trigger", f"TriggerSelector {difference}; {_OTHERS}")
        if trigger.mode != "free":
            self._switch_on(trigger)

    def _switch_off(self, key: str, *, must: bool) -> None:
        """Switch the selected trigger off where that can be done; one to be switched on again may keep its state."""
        node = self._nodes.read("TriggerMode")
        if node is None or node.value == "Off" or not node.is_writable:
            return
        if must:
            self.write_node(key, "TriggerMode", "Off", must=True)
        else:
            self._try_write(key, "TriggerMode", "Off")

    def _switch_on(self, trigger: CameraTriggerSettings) -> None:
        source = "Software" if trigger.mode == "software" else str(trigger.source)
        self.write_node("trigger.source", "TriggerSource", source, must=True)
        if trigger.mode == "line":
            activation = _ACTIVATIONS[trigger.activation]
            self.write_node("trigger.activation", "TriggerActivation", activation, must=True)
        self.write_node("trigger.mode", "TriggerMode", "On", must=True)

    def read_back(self, packets: bool) -> None:
        """Read all that is known by a name of ours, whether it was asked for or not."""
        for number in (*_SIZES, *_NUMBERS, *(_PACKETS if packets else ())):
            name = self._name_of(number)
            node = self._nodes.read(name) if name else None
            if name and node is not None and isinstance(node.value, int | float):
                factor = self._factor(name)
                value = node.value if factor == 1.0 else node.value * factor
                self.found[number.key.removeprefix("region.")] = round(value, 6) if isinstance(value, float) else value
        for key, name in (
            ("pixel_format", "PixelFormat"),
            ("trigger", "TriggerMode"),
            ("trigger_source", "TriggerSource"),
        ):
            node = self._nodes.read(name)
            if node is not None and isinstance(node.value, str):
                self.found[key] = node.value

    def _write(self, key: str, name: str, value: NodeValue, factor: float = 1.0, *, must: bool = False) -> None:
        if not self._try_write(key, name, value):
            return
        difference = self._find_difference(name, value, factor)
        if difference and must:
            self._refuse(key, f"{name} {difference}; {_OTHERS}")
        elif difference:
            self.differences.append(f"{self._who}: {key} {difference}")

    def _find_difference(self, name: str, value: NodeValue, factor: float = 1.0) -> str | None:
        node = self._nodes.read(name)
        if node is None or node.value is None:
            return f"cannot be read back, asked for {show(value, factor)}"
        if is_same(node.value, value):
            return None
        return f"is {show(node.value, factor)}, asked for {show(value, factor)}"

    def _try_write(self, key: str, name: str, value: NodeValue) -> bool:
        try:
            self._nodes.write(name, value)
        except CameraLostError:
            raise
        except CameraError as error:
            self._refuse(key, f"{name} does not take {show(value)}: {error}")
            return False
        return True

    def _refuse(self, key: str, problem: str) -> None:
        self.problems.append(f"{self._who}: {key}: {problem}")

    def _name_of(self, number: _Number) -> str | None:
        return next((name for name in number.names if self._nodes.read(name) is not None), None)

    def _lacks_db(self, number: _Number) -> bool:
        return number.key == "gain_db" and self._nodes.read("GainRaw") is not None

    def _factor(self, name: str) -> float:
        """Return what one count of a node is in our unit."""
        if name == "ExposureTimeRaw":
            base = self._nodes.read("ExposureTimeBaseAbs")
            return float(base.value) if base is not None and isinstance(base.value, int | float) and base.value else 1.0
        if name == "GevSCPD":
            clock = self._nodes.read("GevTimestampTickFrequency")
            if clock is not None and isinstance(clock.value, int | float) and clock.value:
                return 1e6 / clock.value
        return 1.0

    def _near(self, name: str) -> str:
        near = get_close_matches(name, self._nodes.names(), n=3, cutoff=0.5)
        return f"; it has {', '.join(near)}" if near else ""
