"""Run the command as ``python -m hemadose``."""

from hemadose.cli import main

main()
