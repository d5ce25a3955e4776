"""imgcrawl: downloads image datasets, and accounts for every record that they promise."""

import gc
import os

__version__ = "0.2.0"

# What a record is made of goes by itself. To look for cycles after every 700 new objects, as Python
# does, takes a twelfth of the time of a crawl.
gc.set_threshold(50_000, 20, 50)
# Nothing here multiplies matrices, and numpy's threads for that spin while they wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
