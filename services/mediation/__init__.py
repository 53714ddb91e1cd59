"""Mediation: the life of a case from its acceptance to its close, and the organisations that work on it."""
