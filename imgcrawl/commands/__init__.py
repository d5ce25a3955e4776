"""The sub-commands of ``scrapy``."""

from imgcrawl.text.streams import tolerate_broken_streams

# Scrapy imports this folder before it does anything else for a command.
tolerate_broken_streams()
