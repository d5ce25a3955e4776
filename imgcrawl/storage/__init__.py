"""Where bytes go: local files, object stores, locks, the layout of OUT."""
