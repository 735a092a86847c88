"""Augmentation: only changes that a line can produce, checked before anything runs, the same for the same seed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from inspect import isclass
from pathlib import Path
from random import Random
from threading import Barrier

import cv2
import numpy as np
import pytest
import yaml

from partgate.configfile import Settings, check_settings
from partgate.errors import ConfigError, TrainingError
from partgate.parts import Image
from partgate.training import augment
from partgate.training.augment import (
    DEFAULT_TRANSFORMS,
    Augmenter,
    Transform,
    check_transforms,
    flip_picture,
    flip_ways,
)
from partgate.training.transforms import ALLOWED, REFUSED

# Parameters that have no default.
NEEDED = {"GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 5}}


class File(Settings):
    augment: tuple[Transform, ...] = ()


def listed(text: str) -> tuple[Transform, ...]:
    return check_settings({"augment": yaml.safe_load(text)}, File, source="cover.yaml", folder=Path()).augment


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as found:
        check_transforms(listed(text), "cover.yaml")
    return found.value.problems


def coloured(height: int = 64, width: int = 96) -> Image:
    rough = np.random.default_rng(0).integers(40, 216, (8, 12, 3), np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def grey() -> Image:
    return np.repeat(coloured()[..., :1], 3, axis=2)


def flat(level: int) -> Image:
    return np.full((32, 48, 3), level, np.uint8)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{transform: GausNoise}", ".transform: 'GausNoise' is not a known transform; did you mean 'GaussNoise'?"),
        (
            "{transform: gauss_noise}",
            ".transform: 'gauss_noise' is not a known transform; did you mean 'GaussNoise'?",
        ),
        ("{transform: Affine, rotat: 3}", ".rotat is not a parameter of Affine; did you mean 'rotate'?"),
        (
            "{transform: MedianBlur, blur_limt: 3}",
            ".blur_limt is not a parameter of MedianBlur; did you mean 'blur_limit'?",
        ),
        ("{transform: Affine, p: 2}", ".p of Affine: must be less than or equal to 1, got 2; by default 0.5"),
        (
            "{transform: Affine, rotate: far}",
            ".rotate of Affine: must be a list of values or a number, got 'far'; by default 0.0",
        ),
        ("{transform: Affine, scale: {x: far}}", ".scale of Affine: must be a list of values or a number, got "
         "{'x': 'far'}; by default [1.0, 1.0]"),
        ("{transform: Affine, rotate: yes}", ".rotate: must not be yes, no, on, off, true or false, got True"),
        (
            "{transform: Affine, border_mode: mirror}",
            ".border_mode: must be one of constant, replicate, reflect, reflect_101, wrap, got 'mirror'",
        ),
        (
            "{transform: GaussNoise, std_range: [0.1]}",
            ".std_range of GaussNoise: must be a list of more values, got [0.1]; by default [0.2, 0.44]",
        ),
        (
            "{transform: GaussNoise, std_range: [0.1, 2]}",
            ".std_range of GaussNoise: all values in (0.1, 2.0) must be >= 0 and <= 1, got [0.1, 2]; by default "
            "[0.2, 0.44]",
        ),
        (
            "{transform: AdditiveNoise, noise_type: pink}",
            ".noise_type of AdditiveNoise: must be 'uniform', 'gaussian', 'laplace' or 'beta', got 'pink'; by "
            "default uniform",
        ),
        ("{transform: GridElasticDeform, magnitude: 3}", ".num_grid_xy of GridElasticDeform: is missing"),
        (
            "{transform: Affine, translate_px: 1, translate_percent: 0.1}",
            ": Affine: expected either translate_percent or translate_px to be provided, but both were provided",
        ),
        (
            "{transform: RandomCrop, height: 9}",
            ".transform: RandomCrop cuts a piece out, and a defect may lie outside; use Affine with scale",
        ),
        (
            "{transform: HorizontalFlip}",
            ".transform: HorizontalFlip mirrors or turns by 90 degrees; where parts are symmetric, say so with "
            "flips: [left_right, up_down]",
        ),
    ],
    ids=lambda value: value if value.startswith("{") else "",
)  # fmt: skip
def test_wrong_entry_is_told_in_one_sentence(entry: str, sentence: str):
    assert problems_of(f"[{entry}]") == (f"cover.yaml: augment.0{sentence}",)


def test_every_wrong_entry_is_told_at_once():
    told = problems_of("[{transform: Afine}, {transform: Blur}, {transform: GaussNoise, std: 1, p: -1}]")

    assert [line.split(" ")[1] for line in told] == ["augment.0.transform:", "augment.2.std", "augment.2.p"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("{transform: ToGray, num_output_channels: 1}", r"it makes a picture of shape \(64, 96\)"),
        ("{transform: Perspective, keep_size: false}", "it makes a picture of shape"),
        ("{transform: Equalize, mask_params: [mask]}", "missing keys"),
        ("{transform: MotionBlur, blur_limit: [2, 4]}", "Values less than 3 are not allowed"),
    ],
    ids=["one-channel", "other-size", "needs-a-mask", "value-that-the-library-would-change"],
)
def test_entry_that_only_its_parameters_make_unfit_is_refused(entry: str, reason: str):
    with pytest.raises(ConfigError, match=rf"cover.yaml: augment.0: \w+ does not work: .*{reason}.*leave it out$"):
        check_transforms(listed(f"[{entry}]"), "cover.yaml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[Affine]", "augment.0: must hold keys and values, got 'Affine'"),
        ("[{rotate: 3}]", "augment.0.transform: is missing"),
        ("[{transform: Affine, rotate: .nan}]", "augment.0.rotate.float: input should be a finite number, got nan"),
        ("[{transform: Affine, rotate: 2020-01-01}]", "augment.0.rotate: input was not a valid JSON value"),
    ],
    ids=["a-name-alone", "no-name", "not-a-number", "date"],
)
def test_entry_that_is_no_mapping_of_plain_values_is_refused_when_the_file_loads(text: str, sentence: str):
    with pytest.raises(ConfigError, match="cover.yaml: " + sentence):
        listed(text)


def test_each_transform_of_the_installed_library_is_either_allowed_or_refused_with_a_reason():
    import albumentations
    from albumentations.core.composition import BaseCompose
    from albumentations.core.transforms_interface import BasicTransform

    bases = {"BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D", "BaseCompose"}
    found = {
        name
        for name, kind in vars(albumentations).items()
        if isclass(kind) and issubclass(kind, BasicTransform | BaseCompose) and name not in bases
    }

    assert found == {*ALLOWED, *REFUSED}
    assert not set(ALLOWED) & set(REFUSED)


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed_transform_keeps_shape_and_type_and_grey_and_gives_the_same_view_twice(name: str):
    entry = Transform.model_validate({"transform": name, "p": 1, **NEEDED.get(name, {})})
    image, mono = coloured(), grey()
    augmenter, other = Augmenter([entry], 3), Augmenter([entry], 3)

    view, mono_view = augmenter.view(image, "a", 0), augmenter.view(mono, "a", 0)

    assert (view.shape, view.dtype) == (image.shape, np.uint8)
    assert np.array_equal(image, coloured())
    assert not np.shares_memory(view, image)
    assert np.ptp(mono_view, axis=2).max() == 0
    other.view(mono, "b", 7)
    assert np.array_equal(other.view(image, "a", 0), view)


def test_view_depends_on_seed_picture_and_number_and_on_nothing_else():
    image = coloured()
    augmenter = Augmenter(DEFAULT_TRANSFORMS, 0)

    views = [augmenter.view(image, picture, number) for picture in ("a", "b") for number in range(3)]
    again = [augmenter.view(image, picture, number) for picture in ("b", "a") for number in (2, 1, 0)]

    assert len({view.tobytes() for view in views}) == 6
    assert all(np.array_equal(one, two) for one, two in zip(views, reversed(again), strict=True))
    assert not np.array_equal(Augmenter(DEFAULT_TRANSFORMS, 1).view(image, "a", 0), views[0])


def test_threads_that_work_at_the_same_moment_get_the_views_that_one_gets(monkeypatch: pytest.MonkeyPatch):
    class Meeting:
        """Draws only when all threads have set their random state: what they share would now be the last one's."""

        barrier = Barrier(1)

        def set_random_state(self, generator: np.random.Generator, other: Random) -> None:
            self.generator = generator

        def __call__(self, image: Image, force_apply: bool) -> dict[str, Image]:
            self.barrier.wait(20)
            return {"image": np.full_like(image, self.generator.integers(256))}

    monkeypatch.setattr(augment, "build_transform", lambda name, parameters: (Meeting(), []))
    augmenter = Augmenter([Transform(transform="Meeting")], 0)
    alone = [augmenter.view(flat(1), "a", number)[0, 0, 0] for number in range(4)]

    Meeting.barrier = Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: augmenter.view(flat(1), "a", number)[0, 0, 0], range(4)))

    assert len(set(alone)) == 4
    assert together == alone


def test_transforms_of_one_list_do_not_draw_the_same_numbers():
    half = "[{transform: RandomBrightnessContrast, brightness_limit: [0.2, 0.2], contrast_limit: [0, 0], p: 0.5},"
    half += " {transform: RandomBrightnessContrast, brightness_limit: [0, 0], contrast_limit: [0.5, 0.5], p: 0.5}]"
    augmenter = Augmenter(listed(half), 0)

    levels = {int(augmenter.view(flat(100), "a", number)[0, 0, 0]) for number in range(40)}

    assert levels == {100, 151, 150, 226}  # neither; + 0.2 * 255; * 1.5; both: 151 * 1.5 = 226.5, cut to whole levels


def test_default_keeps_levels_within_ten_percent_and_three_of_a_hundred_and_makes_no_black_border():
    augmenter = Augmenter(DEFAULT_TRANSFORMS, 0)

    views = [augmenter.view(flat(100), "a", number).astype(int) for number in range(50)]

    assert all(90 - 8.65 <= view.mean() <= 110 + 8.65 for view in views)  # 0.03 * 255 = 7.65, and 1 for rounding
    assert min(view.min() for view in views) > 60


def test_names_of_borders_mean_what_the_numbers_of_opencv_mean():
    turned = "[{transform: Affine, rotate: [20, 20], interpolation: %s, border_mode: %s, p: 1}]"

    by_name = Augmenter(listed(turned % ("cubic", "replicate")), 0).view(coloured(), "a", 0)

    assert np.array_equal(by_name, Augmenter(listed(turned % (2, 1)), 0).view(coloured(), "a", 0))
    assert not np.array_equal(by_name, Augmenter(listed(turned % (2, 0)), 0).view(coloured(), "a", 0))


def test_transform_that_fails_on_a_picture_is_named():
    augmenter = Augmenter(listed("[{transform: GridDistortion, p: 1}]"), 0)

    with pytest.raises(TrainingError, match=r"^augment: GridDistortion failed on picture bolt-7: division by zero; "):
        augmenter.view(coloured(4, 4), "bolt-7", 0)


def test_flips_mirror_columns_and_rows():
    one, two, three, four = ([level] * 3 for level in (1, 2, 3, 4))
    image = np.array([[one, two], [three, four]], np.uint8)

    mirrored = [flip_picture(image, way)[..., 0].tolist() for way in flip_ways(("left_right", "up_down"))]

    assert mirrored == [[[1, 2], [3, 4]], [[2, 1], [4, 3]], [[3, 4], [1, 2]], [[4, 3], [2, 1]]]
    assert flip_ways(()) == ((),)


def test_reading_a_training_file_does_not_load_albumentations_and_using_it_looks_nothing_up():
    code = """
import socket, sys, os
def refuse(*a, **k): print('network:', a); sys.stdout.flush(); os._exit(99)
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
os.environ.pop('NO_ALBUMENTATIONS_UPDATE', None)
from partgate.training.augment import Augmenter, DEFAULT_TRANSFORMS
print([name for name in ('albumentations', 'torch') if name in sys.modules])
import numpy as np
Augmenter(DEFAULT_TRANSFORMS, 0).view(np.zeros((32, 32, 3), np.uint8), 'a', 0)
print('albumentations' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "[]\nTrue\n"), done.stderr
