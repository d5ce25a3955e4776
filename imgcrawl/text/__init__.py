"""Text that people read: safe cells, redaction, file names, sizes, times. Imports nothing."""
