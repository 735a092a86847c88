"""``partgate backbones``: which pretrained networks there are, what they cost here, and who may use them."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from partgate.cli.progress import shown_progress

if TYPE_CHECKING:
    from partgate.models.registry import BackboneSpec

_NEEDED = ("torch", "torchvision", "timm", "onnx", "onnxscript")
_INSTALL = "pip install 'partgate[train]'"


def backbones(
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these; timm/NAME for any of timm's. Without: all of the registry.")
    ] = None,
    measure: Annotated[
        bool, typer.Option(help="Measure what is not yet known of this machine; about 10 seconds for each.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """List pretrained networks: parameters, input size, time per picture on this machine, weights, licence."""
    from partgate.models.registry import BACKBONES, find_backbone

    specs = [find_backbone(name) for name in names] if names else list(BACKBONES.values())
    missing = [name for name in _NEEDED if find_spec(name) is None]
    costs_ms = {} if missing or not measure else _costs_ms(specs)
    rows = [_row(spec, costs_ms.get(spec.name)) for spec in specs]
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    print(f"{'name':<20} {'parameters':>10} {'input':>7} {'cost':>9}  {'weights':<16} licence of the weights")
    for row in rows:
        cost = "-" if row["cost_ms"] is None else f"{row['cost_ms']:.1f} ms"
        print(
            f"{row['name']:<20} {row['parameters_m']:>8.1f} M {row['input_px']:>4} px {cost:>9}  {row['weights']:<16} "
            f"{row['licence']}"
        )
    if costs_ms:
        print("cost: one picture of that size on this machine, ONNX Runtime, one thread, processor time of 20 runs")
    elif missing:
        print(f"cost: not measured; it needs {', '.join(missing)}: {_INSTALL}")
    else:
        print("cost: not measured; leave out --no-measure")
    print(
        "weights: 'file' is named in the training file with weights: and weights_sha256:, 'download' needs "
        f"download: true, 'missing' needs {_INSTALL}"
    )


def _row(spec: "BackboneSpec", cost_ms: float | None) -> dict[str, Any]:
    if spec.package is not None:
        weights = "installed" if spec.is_present else "missing"
    else:
        weights = "file or download" if spec.published else "file"
    return {
        "name": spec.name,
        "parameters_m": spec.parameters_m,
        "input_px": spec.input_px,
        "cost_ms": cost_ms,
        "weights": weights,
        "present": spec.is_present,
        "licence": spec.licence,
        "source": spec.source,
    }


def _costs_ms(specs: Sequence["BackboneSpec"]) -> dict[str, float]:
    """Return the cost of each backbone, from the cache where this machine knows it."""
    from partgate.cache import cached_bytes
    from partgate.models.cost import known_cost_ms

    costs: dict[str, float] = {}
    with shown_progress() as progress:
        for place, spec in enumerate(specs):
            progress("measuring backbones", place, len(specs))
            costs[spec.name] = known_cost_ms(spec, cached_bytes)
        progress("measuring backbones", len(specs), len(specs))
    return costs
