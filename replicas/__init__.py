"""Local servers that answer as the real sources do, faults included.

For the demo, the tests and the benchmarks. Written from what is known of the sources (the ISIC
server is public code: https://github.com/ImageMarkup/isic), never from the spiders; imports
nothing else of the project.
"""
