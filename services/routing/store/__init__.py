"""All SQL of routing: cases and the board they are decided on, the registry, the needs, the views."""
