"""``calibration.yaml``: what a camera's pictures go through before anybody sees them, kept in a folder of its own."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from partgate.configfile import Settings, dump_yaml, load_hashed, write_atomically
from partgate.errors import ConfigError, DataError
from partgate.imaging import encode_png, read_picture
from partgate.parts import Image

CALIBRATION_FILE = "calibration.yaml"
_FLAT_FILE, _DARK_FILE = "flat.png", "dark.png"
_ID_DIGITS = 12
_COMMENT = "Calibration of one camera, lens and mounting, by 'partgate camera calibrate'. Keys: docs/reference/files.md"

Matrix = NDArray[np.float64]
"""Homogeneous transform between pixel planes, shape (3, 3)."""


class Lens(Settings):
    """The pinhole camera with radial and tangential distortion.

    Source:
        Brown (1966), "Decentering distortion of lenses"; Zhang (2000), "A flexible new technique for camera
        calibration", IEEE PAMI 22(11); as OpenCV computes it.
    """

    focal_x_px: float = Field(gt=0, description="focal length in pixel widths")
    focal_y_px: float = Field(gt=0, description="focal length in pixel heights")
    centre_x_px: float = Field(description="where the optical axis meets the picture")
    centre_y_px: float = Field(description="the same, downward")
    distortion: tuple[float, float, float, float, float] = Field(description="k1, k2, p1, p2, k3")

    @property
    def matrix(self) -> Matrix:
        """Return the camera matrix, shape (3, 3)."""
        return np.array(
            [[self.focal_x_px, 0, self.centre_x_px], [0, self.focal_y_px, self.centre_y_px], [0, 0, 1]], float
        )


class ReferencePicture(Settings):
    """A picture beside ``calibration.yaml``, by its hash."""

    file: str = Field(pattern=r"^[\w.-]+$", description="name in the calibration's folder")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the file's bytes")


class FlatField(Settings):
    """Reference pictures for even light."""

    flat: ReferencePicture = Field(description="mean picture of a matt, even surface under the lamp")
    dark: ReferencePicture | None = Field(default=None, description="mean picture with the lens covered; null = 0")


class Calibration(Settings):
    """What a camera's pictures go through: even light, then lens, plane and rotation in one step.

    The order of the steps is fixed. Each of them may be left out; rotation alone can be written by hand.
    """

    camera_width_px: int = Field(ge=1, description="width of the pictures as the camera gives them")
    camera_height_px: int = Field(ge=1, description="their height")
    width_px: int = Field(ge=1, description="width of the straightened picture before it is turned")
    height_px: int = Field(ge=1, description="its height")
    rotation_degrees: float = Field(
        default=0, ge=-360, le=360, description="turned counter-clockwise; multiples of 90 lose nothing"
    )
    lens: Lens | None = Field(default=None, description="null: its distortion is left as it is")
    plane: tuple[float, ...] | None = Field(
        default=None, min_length=9, max_length=9,
        description="3 x 3 transform, by rows, from pixels without distortion to straightened ones; null: none",
    )  # fmt: skip
    px_per_mm: float | None = Field(default=None, gt=0, description="scale of the plane that the parts lie on")
    flat_field: FlatField | None = Field(default=None, description="null: the light is left as it is")
    note: str = Field(default="", description="how good it is: pictures, error")

    @model_validator(mode="after")
    def _plane_can_be_undone(self) -> Self:
        if self.plane is not None and abs(np.linalg.det(np.reshape(self.plane, (3, 3)))) < 1e-12:
            raise ValueError("plane: its 3 x 3 transform cannot be undone (its determinant is 0); calibrate again")
        if self.plane is None and self.px_per_mm is not None:
            raise ValueError("px_per_mm: only a plane has a scale; calibrate with --plane")
        if not self._is_warped and (self.width_px, self.height_px) != (self.camera_width_px, self.camera_height_px):
            raise ValueError(
                f"width_px and height_px must be the camera's {self.camera_width_px} and {self.camera_height_px} "
                f"without lens and plane, got {self.width_px} and {self.height_px}"
            )
        return self

    @property
    def _is_warped(self) -> bool:
        return self.lens is not None or self.plane is not None

    @property
    def quarter_turns(self) -> int:
        """Return the whole quarter turns of the rotation, 0 to 3, counter-clockwise."""
        return round(self.rotation_degrees / 90) % 4

    @property
    def rest_degrees(self) -> float:
        """Return what is left of the rotation beside the quarter turns, -45 to 45."""
        return self.rotation_degrees - 90 * round(self.rotation_degrees / 90)

    @property
    def size_px(self) -> tuple[int, int]:
        """Return height and width of the straightened picture, turned."""
        size = (self.height_px, self.width_px)
        return size if self.quarter_turns % 2 == 0 else (size[1], size[0])

    def describe(self) -> str:
        """Return what the straightened pictures have in common, whichever camera took them.

        Two calibrations with the same words give pictures that one model can judge. A camera that was moved is
        calibrated again, and its pictures are what they were.

        Example:
            >>> Calibration(camera_width_px=64, camera_height_px=48, width_px=64, height_px=48,
            ...             rotation_degrees=90).describe()
            '48 x 64 px, turned by 90 degrees'
        """
        height, width = self.size_px
        words = [f"{width} x {height} px"]
        if self.px_per_mm is not None:
            words.append(f"from above, {self.px_per_mm:g} px/mm")
        elif self.plane is not None:
            words.append("plane")
        if self.lens is not None:
            words.append("lens corrected")
        if self.flat_field is not None:
            words.append("even light")
        if self.rotation_degrees % 360:
            words.append(f"turned by {self.rotation_degrees % 360:g} degrees")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class LoadedCalibration:
    """A calibration with its reference pictures, as read from a folder."""

    settings: Calibration
    id: str  # first digits of the hash of calibration.yaml, which pins the reference pictures by theirs
    flat: Image | None = None  # (H, W, 3) of the camera's picture
    dark: Image | None = None


def load_calibration(folder: Path) -> LoadedCalibration:
    """Return the calibration of a folder, every byte of its reference pictures checked.

    Args:
        folder: Holds ``calibration.yaml``; the file itself may be named, too.

    Raises:
        ConfigError: If there is none, anything in it is wrong, or a reference picture is missing, was changed or has
            another size.
    """
    path = folder / CALIBRATION_FILE if folder.is_dir() or folder.suffix != ".yaml" else folder
    if not path.is_file():
        raise ConfigError([f"{folder}: no calibration there; make one with 'partgate camera calibrate'"])
    settings, sha256 = load_hashed(path, Calibration)
    found = settings.flat_field
    flat = _read_reference(path, settings, found.flat) if found else None
    dark = _read_reference(path, settings, found.dark) if found and found.dark else None
    return LoadedCalibration(settings, sha256[:_ID_DIGITS], flat, dark)


def _read_reference(path: Path, settings: Calibration, reference: ReferencePicture) -> Image:
    file = path.parent / reference.file
    try:
        picture = read_picture(file)
    except DataError as error:
        raise ConfigError([f"{path}: {error}; calibrate again"]) from error
    if hashlib.sha256(file.read_bytes()).hexdigest() != reference.sha256:
        raise ConfigError([f"{file}: is not the picture that {path.name} names; copy the folder again or calibrate"])
    if picture.shape[:2] != (settings.camera_height_px, settings.camera_width_px):
        raise ConfigError([
            f"{file}: is {picture.shape[1]} x {picture.shape[0]} px, the camera's pictures are "
            f"{settings.camera_width_px} x {settings.camera_height_px} px; calibrate again"
        ])  # fmt: skip
    return picture


def save_calibration(
    folder: Path, settings: Calibration, flat: Image | None = None, dark: Image | None = None
) -> LoadedCalibration:
    """Write a calibration and its reference pictures, the YAML file last; return it as it reads.

    Args:
        folder: Exists.
        settings: Its ``flat_field`` is filled in here.
        flat: Mean white picture, shape (H, W, 3), uint8.
        dark: Mean dark picture; needs ``flat``.

    Raises:
        DataError: If the folder is not writable or the disk is full.
    """
    references = {}
    try:
        for name, file, picture in (("flat", _FLAT_FILE, flat), ("dark", _DARK_FILE, dark)):
            if picture is not None:
                content = encode_png(picture)
                write_atomically(folder / file, content)
                references[name] = ReferencePicture(file=file, sha256=hashlib.sha256(content).hexdigest())
        if references:
            settings = settings.model_copy(update={"flat_field": FlatField.model_validate(references)})
        data = settings.model_dump(mode="json", exclude_none=True)
        write_atomically(folder / CALIBRATION_FILE, dump_yaml(data, comment=_COMMENT))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}; free some space or name another") from error
    return load_calibration(folder)
