"""Chromium: launch, guarded proxy, download handler, links of a rendered page."""
