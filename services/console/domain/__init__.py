"""What the console decides: who may see which case, and what an event changes on the board."""
