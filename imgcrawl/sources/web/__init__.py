"""Web pages: their links, the addresses in their scripts, their text."""
