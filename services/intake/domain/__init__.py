"""The rules of intake, one file per group of rules. Pure: no clock, no chance, no driver, no framework."""
