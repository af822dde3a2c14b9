"""``python -m sweeper.cli``."""

from sweeper.cli.main import main

main()
