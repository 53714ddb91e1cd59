"""Speed and size of the whole stack, measured from outside: `make bench`."""
