"""Spiders as Scrapy's documentation writes them, which know nothing of datasets."""
