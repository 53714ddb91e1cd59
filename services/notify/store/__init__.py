"""All SQL of notify: cases with their messages, contacts, replies, and the views of loops and doors."""
