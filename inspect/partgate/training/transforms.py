"""Which albumentations transforms may stand under ``augment``, and what is wrong with one that may not.

Names come from albumentations 2.0.8; a test compares them with the installed library, so nothing new slips in.
"""

import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

import cv2
import numpy as np
from pydantic import ValidationError

from partgate.parts import Image

# They keep size and type of a colour picture, need nothing but that picture, and leave a defect in it.
_KEPT = (
    "AdditiveNoise AdvancedBlur Affine AutoContrast Blur CLAHE ChromaticAberration ColorJitter Defocus Downscale "
    "ElasticTransform Emboss Equalize FancyPCA GaussNoise GaussianBlur GlassBlur GridDistortion GridElasticDeform "
    "HueSaturationValue ISONoise Illumination ImageCompression MedianBlur MotionBlur MultiplicativeNoise NoOp "
    "OpticalDistortion Perspective PixelDropout PlanckianJitter PlasmaBrightnessContrast PlasmaShadow RGBShift "
    "RandomBrightnessContrast RandomGamma RandomShadow RandomToneCurve RingingOvershoot Rotate SafeRotate "
    "SaltAndPepper Sharpen ShotNoise ThinPlateSpline ToGray UnsharpMask ZoomBlur"
)
ALLOWED = tuple(_KEPT.split())
_REFUSED_BECAUSE = {
    "cuts a piece out, and a defect may lie outside; use Affine with scale": (
        "AtLeastOneBBoxRandomCrop BBoxSafeRandomCrop CenterCrop Crop CropAndPad CropNonEmptyMaskIfExists RandomCrop "
        "RandomCropFromBorders RandomCropNearBBox RandomResizedCrop RandomSizedBBoxSafeCrop RandomSizedCrop"
    ),
    "changes the size of the picture; set image_size_px": (
        "LongestMaxSize Pad PadIfNeeded RandomScale Resize SmallestMaxSize"
    ),
    "covers, moves or removes pieces, so a defect may vanish or appear; leave it out": (
        "ChannelDropout CoarseDropout ConstrainedCoarseDropout Erasing FrequencyMasking GridDropout Morphological "
        "RandomGridShuffle Superpixels TimeMasking XYMasking"
    ),
    "gives pictures that no camera takes of a part; leave it out": (
        "ChannelShuffle HEStain InvertImg Posterize RandomFog RandomGravel RandomRain RandomSnow RandomSunFlare "
        "Solarize Spatter ToSepia"
    ),
    "mirrors or turns by 90 degrees; where parts are symmetric, say so with flips: [left_right, up_down]": (
        "D4 HorizontalFlip RandomRotate90 SquareSymmetry TimeReverse Transpose VerticalFlip"
    ),
    "changes the type of the pixels, which the network does itself; leave it out": (
        "FromFloat Normalize ToFloat ToRGB ToTensor3D ToTensorV2"
    ),
    "needs more than the picture: other pictures, masks, boxes, files or code; leave it out": (
        "FDA HistogramMatching Lambda MaskDropout Mosaic OverlayElements PixelDistributionAdaptation TextImage"
    ),
    "is for volumes; leave it out": (
        "CenterCrop3D CoarseDropout3D CubicSymmetry Pad3D PadIfNeeded3D RandomCrop3D"
    ),
    "holds other transforms; list them one by one, each with its p": (
        "Compose OneOf OneOrOther RandomOrder ReplayCompose SelectiveChannelTransform Sequential SomeOf"
    ),
    "takes a second per picture; use ElasticTransform": "PiecewiseAffine",
    "is an old name; use Affine": "ShiftScaleRotate",
}  # fmt: skip
REFUSED = {name: reason for reason, names in _REFUSED_BECAUSE.items() for name in names.split()}

_NAMED_VALUES = {
    "border_mode": {
        "constant": cv2.BORDER_CONSTANT,
        "replicate": cv2.BORDER_REPLICATE,
        "reflect": cv2.BORDER_REFLECT,
        "reflect_101": cv2.BORDER_REFLECT_101,
        "wrap": cv2.BORDER_WRAP,
    },
    "interpolation": {
        "nearest": cv2.INTER_NEAREST,
        "linear": cv2.INTER_LINEAR,
        "cubic": cv2.INTER_CUBIC,
        "area": cv2.INTER_AREA,
        "lanczos4": cv2.INTER_LANCZOS4,
    },
}
_PLAIN_WORDS = {
    "tuple_type": "a list of values",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "dict_type": "keys and values",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "missing": "a list of more values",  # inside a list
    "too_long": "a list of fewer values",
}
_TRIAL = (64, 96, 3)  # each transform is tried once on a picture of this shape; not square, so that a turn shows

Parameters = Mapping[str, Any]


def build_transform(name: str, parameters: Parameters) -> tuple[Any, list[str]]:
    """Return albumentations' transform and what is wrong with it.

    Args:
        name: Its name in albumentations.
        parameters: Its parameters as they stand in the file.

    Returns:
        The transform, which works where nothing is wrong; and every problem, as what follows the entry's place:
        ``.rotat is not a parameter of Affine; did you mean 'rotate'?``
    """
    if name in REFUSED:
        return None, [f".transform: {name} {REFUSED[name]}"]
    if name not in ALLOWED:
        return None, [f".transform: {name!r} is not a known transform; {_nearest(name, ALLOWED)}"]
    import albumentations

    kind = getattr(albumentations, name)
    known = signature(kind).parameters
    values, problems = _read_values(name, parameters, known)
    transform = None
    with warnings.catch_warnings():
        # albumentations warns of some wrong values and goes on with others or with its defaults.
        warnings.simplefilter("error", UserWarning)
        try:
            transform = kind(**values)
            transform.set_random_seed(0)
            apply_transform(transform, np.random.default_rng(0).integers(0, 256, _TRIAL, np.uint8), force_apply=True)
        except Exception as error:  # pydantic's inside albumentations' own, a warning, or whatever the trial raises
            cause = error.__cause__
            if isinstance(cause, ValidationError):
                problems += _sentences(name, cause, parameters, known)
            elif not problems:
                problems.append(f": {name} does not work: {first_line(error)}; change its values or leave it out")
    return transform, problems


def apply_transform(transform: Any, image: Image, *, force_apply: bool = False) -> Image:
    """Return what a transform makes of a picture, shape (H, W, 3), uint8.

    Raises:
        Exception: Whatever albumentations raises; ``ValueError`` if shape or type are not kept.
    """
    result = transform(image=image, force_apply=force_apply)["image"]
    if result.shape != image.shape or result.dtype != np.uint8:
        raise ValueError(f"it makes a picture of shape {result.shape}, {result.dtype} of {image.shape}, uint8")
    return np.asarray(result, np.uint8)


def _read_values(name: str, given: Parameters, known: Mapping[str, Parameter]) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    problems = []
    for key, value in given.items():
        named = _NAMED_VALUES.get(key, {}) if isinstance(value, str) else {}
        if key not in known:
            problems.append(f".{key} is not a parameter of {name}; {_nearest(key, tuple(known))}")
        elif named and value not in named:
            problems.append(f".{key}: must be one of {', '.join(named)}, got {value!r}")
        elif isinstance(value, bool) and "bool" not in str(known[key].annotation):
            problems.append(f".{key}: must not be yes, no, on, off, true or false, got {value}")
        else:
            values[key] = named.get(value, value) if named else value
    return values, problems


def _nearest(name: str, known: Sequence[str]) -> str:
    by_folded = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return f"did you mean '{by_folded[near[0]]}'?" if near else f"known: {', '.join(sorted(known))}"


def _sentences(name: str, error: ValidationError, given: Parameters, known: Mapping[str, Parameter]) -> list[str]:
    """Return one sentence for each wrong parameter: pydantic tells each branch of a union as a problem of its own."""
    told: dict[str, list[str]] = {}
    for problem in error.errors():
        key = str(problem["loc"][0]) if problem["loc"] else ""
        is_absent = problem["type"] == "missing" and len(problem["loc"]) == 1
        plain = _PLAIN_WORDS.get(problem["type"], "")
        text = "is missing" if is_absent else f"must be {plain}" if plain else _plain(problem["msg"])
        told.setdefault(key, []).append(text)
    return [_sentence(name, key, list(dict.fromkeys(texts)), given, known) for key, texts in told.items()]


def _sentence(name: str, key: str, texts: list[str], given: Parameters, known: Mapping[str, Parameter]) -> str:
    text = " or ".join([texts[0], *(one.removeprefix("must be ") for one in texts[1:])])
    if key not in known:  # of several parameters together, or inside one
        return f": {name}: {text}"
    if key in given and ", got " not in text:
        text += f", got {given[key]!r}"
    default = known[key].default
    usual = "" if default in (None, Parameter.empty) else f"; by default {_as_in_yaml(default)}"
    return f".{key} of {name}: {text}{usual}"


def _plain(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return text[:1].lower() + text[1:].rstrip(".")


def _as_in_yaml(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)


def first_line(error: Exception) -> str:
    """Return what an error of a library says first; OpenCV's go on for lines."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
