"""The chain under faults: what is done to it, what it was asked, and a checker of what came of it."""
