"""``partgate service``: a station that starts with the PC, as a service of systemd."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="A station that starts with the PC (Linux with systemd).", no_args_is_help=True)

_Folder = Annotated[Path, typer.Option(help="Where units lie.", hidden=True)]
_SYSTEM = Path("/etc/systemd/system")


@app.command()
def install(
    station: Annotated[Path, typer.Argument(help="Station file.")],
    user: Annotated[str, typer.Option(help="Who runs it: an ordinary user of this PC.")],
    show_only: Annotated[bool, typer.Option("--print", help="Print the unit and write nothing.")] = False,
    start: Annotated[bool, typer.Option("--start", help="Also start it, now and at each boot.")] = False,
    folder: _Folder = _SYSTEM,
) -> None:
    """Write the unit of a station: watched, restarted, in a sandbox. Says what to type next."""
    from partgate.station.service import RELOAD, describe_service, install_service, is_usable_by, run_systemctl

    service = describe_service(station, user, folder)
    if show_only:
        print(service.text, end="")
        return
    print(f"{service.path}: {'replaced' if install_service(service) else 'written'}")
    steps = [RELOAD, service.enable]
    if not is_usable_by(service):
        steps.insert(0, ("chown", "-R", user, str(service.records)))
    if start:
        run_systemctl([RELOAD, service.enable])
        print("started, now and at each boot")
    else:
        print("type next:")
        for step in steps:
            print(f"  sudo {shlex.join(step)}")
    print(f"passwords:  {service.passwords}, if the station file names variables of the environment")
    print(f"to look:    systemctl status {shlex.quote(service.name)}")
    print(f"its log:    journalctl -u {shlex.quote(service.name)} -f")


@app.command()
def uninstall(
    station: Annotated[str, typer.Argument(help="Station file, or the station's name.")],
    stop: Annotated[bool, typer.Option("--stop", help="First stop it, now and at each boot.")] = False,
    folder: _Folder = _SYSTEM,
) -> None:
    """Remove the unit of a station; its records stay. Says what to type next."""
    from partgate.station.service import RELOAD, installed_unit, run_systemctl, uninstall_service

    if stop:
        run_systemctl([("systemctl", "disable", "--now", installed_unit(station, folder)[0])])
    name = uninstall_service(station, folder)
    print(f"{folder / name}: removed")
    if stop:
        run_systemctl([RELOAD])
        return
    print("type next:")
    for step in (("systemctl", "disable", name), ("systemctl", "stop", name), RELOAD):
        print(f"  sudo {shlex.join(step)}")


@app.command()
def show(
    station: Annotated[str, typer.Argument(help="Station file, or the station's name.")],
    folder: _Folder = _SYSTEM,
) -> None:
    """Show the unit of a station as it is installed. Exit code 1: it is not."""
    from partgate.station.service import installed_unit

    name, path, text = installed_unit(station, folder)
    if text is None:
        print(f"{path}: not installed; partgate service install STATION --user USER writes it")
        raise typer.Exit(1)
    print(f"# {path}; how it is doing: systemctl status {shlex.quote(name)}\n{text}", end="")
