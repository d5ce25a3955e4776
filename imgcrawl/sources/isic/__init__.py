"""The ISIC Archive: query language, records, masks."""
