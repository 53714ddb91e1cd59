"""Labelled texts, and what is learned from them and measured by them: `python -m tests.suggestions`."""
