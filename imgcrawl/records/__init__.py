"""The words that all share: items, outcomes, errors, counts, quotas. Imports nothing above."""
