"""What lies in an OUT: ledger, tables, duplicates, link rot, merging, status."""
