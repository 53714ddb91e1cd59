"""`python -m ops` is the command `heshi`."""

from ops.cli import main

main()
