"""What is known of each source: its API, its records, its query language."""
