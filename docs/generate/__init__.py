"""Makers of what in docs/ is derived from the code: tables, the map of the rooms, pictures.

`make docs-tables` and `make docs-pictures` run them; tests/docs/ holds the results to the code.
"""
