# mypy: ignore-errors
"""Run in an environment that has FiftyOne: its importer reads an export, and says what it found.

FiftyOne keeps datasets in MongoDB, and asks it as soon as it is imported; reading a folder needs
nothing of it. mongomock stands for it here.
"""

import json
import os
import sys

os.environ |= {
    "FIFTYONE_DATABASE_URI": "mongodb://localhost:27017/",
    "FIFTYONE_DATABASE_VALIDATION": "false",
    "FIFTYONE_DO_NOT_TRACK": "true",
}
import mongoengine
import mongomock
import pymongo


class Client(mongomock.MongoClient):
    """A server that is there."""

    _closed = False


pymongo.MongoClient = mongoengine.connection.MongoClient = Client

from fiftyone.types import FiftyOneImageClassificationDataset  # noqa: E402 - as above

importer = FiftyOneImageClassificationDataset().get_dataset_importer_cls()(
    dataset_dir=sys.argv[1], compute_metadata=True
)
with importer:
    print(json.dumps([importer.get_dataset_info()["classes"], len(importer)]))
    for path, metadata, label in importer:
        size = [metadata.width, metadata.height, metadata.size_bytes]
        print(json.dumps([path, size, None if label is None else label.label]))
