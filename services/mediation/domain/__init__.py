"""The rules of mediation, one file per group: how a case is offered, taken up, mediated, agreed and closed.

Pure: time, ids and reference data are passed in (`turn.Turn`). Which rule may run in which state is not
decided here but by the tables of `services.mediation.process`.
"""
