"""The documentation: pages for MkDocs, and the makers of what in them is derived."""
