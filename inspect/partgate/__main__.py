"""``python -m partgate``: the same as the command ``partgate``."""

from partgate.cli.main import main

main()
