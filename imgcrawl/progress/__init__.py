"""How far a crawl is, told to a terminal, a log or the process that started it."""
