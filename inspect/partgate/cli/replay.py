"""``partgate replay``: archived pictures of the records, judged again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from partgate.cli.progress import shown_progress
from partgate.errors import RecordError

if TYPE_CHECKING:
    from partgate.replay.replay import Source

_STOPPED = 130


def replay(
    station: Annotated[Path, typer.Argument(help="Station file; or a records folder, together with --recipe.")],
    begins: Annotated[str | None, typer.Option("--from", help="First moment, like '2026-11-23 06:00'.")] = None,
    ends: Annotated[str | None, typer.Option("--to", help="End, not included.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of --from and --to, like Europe/Berlin.")] = "UTC",
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            help="Another recipe file or run folder, for all cameras; or CAMERA=FILE, once for each camera. Without, "
            "each record's own recipe: every verdict must be the same, to the bit."
        ),
    ] = None,
    verdict: Annotated[str | None, typer.Option(help="Only good, reject or recheck.")] = None,
    lot: Annotated[str | None, typer.Option(help="Only of this lot.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for replay.html and replay.json; without, only the screen.")
    ] = None,
    lang: Annotated[
        Literal["en", "de"], typer.Option(help="What the page shows first; the only one in the PDF.")
    ] = "en",
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write replay.pdf (needs partgate\\[pdf]).")] = False,
) -> None:
    """Judge archived pictures again; exit code 1 where the same recipe says anything else than it did on the line."""
    from partgate.records.read import Wanted
    from partgate.records.reconcile import read_span, read_zone
    from partgate.replay.replay import replay as judge_again
    from partgate.replay.summary import say_differences, summarise

    verdicts = ("good", "recheck", "reject")
    if verdict is not None and verdict.lower() not in verdicts:
        raise RecordError(f"--verdict: must be one of {', '.join(verdicts)}, got '{verdict}'")
    if pdf and out is None:
        raise RecordError("--pdf: needs --out FOLDER, where the PDF goes")
    first, last = read_span(begins, ends, read_zone(zone))
    source = _source(station, recipe or [])
    wanted = Wanted(source.station, first, last, verdict.upper() if verdict else None, lot)
    try:
        with shown_progress() as progress:
            done = judge_again(source, wanted, out, language=lang, pdf=pdf, progress=progress)
    except KeyboardInterrupt:
        typer.echo("partgate: stopped; nothing was written", err=True)
        raise typer.Exit(_STOPPED) from None
    print("\n".join(summarise(done.facts)))
    for path in done.files:
        print(f"page: {path}" if path.suffix == ".html" else f"file: {path}")
    if differences := say_differences(done.facts):
        raise RecordError("\n".join(differences))


def _source(place: Path, named: list[str]) -> "Source":
    """Return what is judged again and by what, from a station file or a records folder."""
    from partgate.configfile import load_config
    from partgate.records.config import RecordsConfig
    from partgate.replay.replay import Source
    from partgate.station.config import StationConfig

    if place.suffix == ".sqlite" and place.is_file():
        raise RecordError(f"{place}: is the database itself; name its folder {place.parent}, or the station file")
    if place.suffix in (".yaml", ".yml"):
        config = load_config(place, StationConfig)
        if named:
            gates = [_named_files(named, config.camera_names, str(place))]
        else:
            gates = [config.recipe_files(number) for number in config.recipe_numbers or (None,)]
        return Source(config.records, config.name, tuple(gates), bool(named), config.threads)
    if not place.exists():
        raise RecordError(f"{place}: no such station file or records folder")
    if not named:
        raise RecordError(
            f"{place}: a records folder does not tell the recipes; name the station file, or add --recipe FILE"
        )
    return Source(RecordsConfig(folder=place), None, (_named_files(named, None, str(place)),), is_named=True)


def _named_files(named: list[str], cameras: tuple[str, ...] | None, place: str) -> dict[str, Path]:
    """Return the recipe of each camera as a person named them.

    Args:
        named: FILE for all cameras, or CAMERA=FILE.
        cameras: Of the station; ``None`` where they are not known.
        place: For messages.
    """
    from partgate.replay.gates import ANY_CAMERA

    files: dict[str, Path] = {}
    for one in named:
        camera, sign, path = one.partition("=")
        is_for_one = bool(sign) and not Path(one).exists()
        name, file = (camera, Path(path)) if is_for_one else (ANY_CAMERA, Path(one))
        if name in files:
            raise RecordError(f"--recipe {one}: a recipe for {f'camera {name!r}' if is_for_one else 'all cameras'} "
                              "was named before; name one for each")  # fmt: skip
        if is_for_one and cameras is not None and name not in cameras:
            raise RecordError(f"--recipe {one}: {place} has no camera '{name}'; it has {', '.join(cameras)}")
        files[name] = file
    if cameras is None:
        return files
    lacking = [camera for camera in cameras if camera not in files and ANY_CAMERA not in files]
    if lacking:
        raise RecordError(f"--recipe: names none for camera '{lacking[0]}'; add --recipe {lacking[0]}=FILE")
    return {camera: files.get(camera, files.get(ANY_CAMERA, Path())) for camera in cameras}
