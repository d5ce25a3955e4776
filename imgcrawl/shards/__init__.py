"""One crawl over many cores or machines (Dask)."""
