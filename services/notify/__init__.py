"""Notify: tells citizens by SMS what happened to their case, and hears what they answer."""
