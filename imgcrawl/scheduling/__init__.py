"""Crawls every night: cron, systemd timers, Scrapyd."""
