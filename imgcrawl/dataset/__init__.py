"""The files of an OUT directory: ledger, tables, duplicates, link rot, merging, status."""
