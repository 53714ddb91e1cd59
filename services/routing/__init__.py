"""Routing: organisations, areas, and the ranked choice with its reasons."""
