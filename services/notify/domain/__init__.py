"""The rules of messages: which are due, which may not go out, what became of them. Pure."""
