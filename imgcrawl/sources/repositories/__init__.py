"""Research data repositories with an API: a client each, and what they have in common."""
