"""imgcrawl: downloads image datasets, and accounts for every record that they promise."""

__version__ = "0.1.0"
