"""Local servers that answer as the real sources do, faults included.

For the demo, the tests and the benchmarks. Written from the sources' documentation, public code and
recorded answers, never from the spiders; they import nothing else of the project. README.md says
from what each module is written.
"""
