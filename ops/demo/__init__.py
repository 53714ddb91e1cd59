"""`make demo`: the sample cases played from the first call to the citizen's rating, and compared with what
must come of them.

`__main__` plays, `script.json` says who does what, `compare` decides. Whatever acts knows a case's `input`
alone; what is expected of it is read when everything has happened (`samples`).
"""
