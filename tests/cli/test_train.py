"""Whose word holds in ``partgate train --from``: what is said now, else what the older run was told."""

import json
from collections.abc import Callable
from pathlib import Path

from partgate.cli.train import _load
from partgate.training.continuation import FACTS_FILE


def test_what_is_said_now_outweighs_what_the_older_run_was_told(make_folder: Callable[..., Path], tmp_path: Path):
    data, run = make_folder(tmp_path / "parts", {"good": 1, "spot": 1}), tmp_path / "old"
    run.mkdir()
    (run / FACTS_FILE).write_text(json.dumps({"config": {"preset": "quick", "good_class": "spot"}}), encoding="utf-8")

    assert _load(data, None, run, {}).good_class == "spot"
    assert _load(data, None, run, {"good_class": "good"}).good_class == "good"
