"""What mediation does: `cases` decides and is the contents page, `desk` serves the doors, `sealing` keeps
words shut, `sweeping` hands clocks that ran out to their cases."""
