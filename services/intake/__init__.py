"""Intake: what the citizen said, and what was decided of it before anybody acts on the matter."""
