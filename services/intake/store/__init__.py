"""All SQL of intake."""
