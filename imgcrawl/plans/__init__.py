"""Many crawls side by side (`scrapy crawlall`)."""
