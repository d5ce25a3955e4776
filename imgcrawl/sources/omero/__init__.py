"""OMERO servers: API, file lists, records."""
