"""How far a crawl is: shown at a terminal, logged, or sent to the process that started it."""
