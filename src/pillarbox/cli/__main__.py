"""`python -m pillarbox.cli`: the same as the `pillarbox` program."""

from pillarbox.cli import main

main()
