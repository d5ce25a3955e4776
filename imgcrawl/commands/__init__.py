"""The sub-commands of ``scrapy``."""

from imgcrawl.crawl.unknown_command import name_the_nearest
from imgcrawl.text.streams import tolerate_broken_streams

# Scrapy imports this folder before it does anything else for a command.
tolerate_broken_streams()
name_the_nearest(__path__)
