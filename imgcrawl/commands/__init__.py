"""The sub-commands of ``scrapy``."""

import atexit
import gc

from imgcrawl.crawl.unknown_command import name_the_nearest
from imgcrawl.text.streams import tolerate_broken_streams

# Scrapy imports this folder before it does anything else for a command.
tolerate_broken_streams()
name_the_nearest(__path__)
# At the end Python looks for cycles among all that was imported, more than once: that takes a
# quarter of the processor time of a short crawl, and the system frees the memory anyway.
atexit.register(gc.freeze)
