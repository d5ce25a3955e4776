"""The progress of a crawl: shown at a terminal, logged, or sent to the process that started it."""
