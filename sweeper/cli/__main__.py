"""``python -m sweeper.cli``."""

from sweeper.cli.commands import main

main()
