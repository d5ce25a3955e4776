"""One run of one spider: back-pressure, what is in flight, lifecycle, summary."""
