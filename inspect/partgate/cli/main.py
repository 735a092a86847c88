"""The command ``partgate``: all topics in one place, errors of the user in one line.

Commands import what they need when they run: ``partgate --help`` is at once, and a line PC never meets torch.
"""

import os
import re
import sys
from typing import Annotated

import typer

from partgate import __version__
from partgate.cli import backbones, data, evaluate, learning_curve, predict, preview, records, run, simulate, train
from partgate.cli.accept import accept, seal
from partgate.cli.calibrate import calibrate, straighten
from partgate.cli.camera import app as camera_app
from partgate.cli.collect import collect
from partgate.cli.compare import compare
from partgate.cli.controller import app as controller_app
from partgate.cli.decide import decide
from partgate.cli.doctor import doctor
from partgate.cli.msa import msa
from partgate.cli.payback import payback
from partgate.cli.plan import plan
from partgate.cli.publish import app as publish_app
from partgate.cli.recipe import app as recipe_app
from partgate.cli.replay import replay
from partgate.cli.service import app as service_app
from partgate.cli.trigger import app as trigger_app
from partgate.cli.watch import watch
from partgate.errors import PartgateError

app = typer.Typer(
    name="partgate",
    help="Visual quality inspection: learn good and defect from pictures, judge parts, send the sort signal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(learning_curve.learning_curve)
app.command()(decide)
app.command()(predict.predict)
app.command()(plan)
app.command()(seal)
app.command()(accept)
app.command()(compare)
app.command()(msa)
app.command()(payback)
app.command()(collect)
app.command()(run.run)
app.command()(replay)
app.command()(watch)
app.command()(doctor)
app.command()(backbones.backbones)
data.app.command()(preview.preview)
app.add_typer(data.app, name="data")
camera_app.command()(calibrate)
camera_app.command()(straighten)
app.add_typer(camera_app, name="camera")
app.add_typer(controller_app, name="controller")
app.add_typer(publish_app, name="publish")
app.add_typer(recipe_app, name="recipe")
app.add_typer(records.app, name="records")
app.add_typer(service_app, name="service")
app.add_typer(simulate.app, name="simulate")
app.add_typer(trigger_app, name="trigger")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"partgate {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Visual quality inspection: learn good and defect from pictures, judge parts, send the sort signal."""


def expand_home(argument: str) -> str:
    """Return an argument with the home folder in the place of ``~``, where a shell leaves it: ``--out=~/x``, Windows.

    Example:
        >>> expand_home("--why=about ~3 parts"), expand_home("~3")
        ('--why=about ~3 parts', '~3')
    """
    found = re.fullmatch(r"([\w.-]+=)?(~(?:[/\\].*)?)", argument, re.DOTALL)
    return argument if found is None else (found[1] or "") + os.path.expanduser(found[2])


def main() -> None:
    """Run the command line: errors of the user in plain words and exit code 1, bugs with their traceback."""
    try:
        app(args=[expand_home(argument) for argument in sys.argv[1:]])
    except PartgateError as error:
        lines = str(error).splitlines()
        print("\n".join(f"partgate: {line}" for line in lines), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("partgate: stopped; a training goes on where it was when the same command runs again", file=sys.stderr)
        sys.exit(130)
