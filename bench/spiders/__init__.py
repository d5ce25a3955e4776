"""The spider that the benchmarks run."""
