"""`python -m backprop_cli` is the command `backprop`."""

from backprop_cli.cli import main

main()
