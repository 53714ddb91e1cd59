"""Files that strangers send: what they really are, made harmless or refused; kept as objects; scanned.

`checking.examine` is the rule, `apart.examined` runs it in a process of its own. What a kind of file is taken
for, and what of it is left out, stands in `images`, `media` and `documents`.
"""
