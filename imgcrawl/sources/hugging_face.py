"""Tables of datasets on the Hugging Face Hub.

``hf://datasets/OWNER/NAME`` is all Parquet of a dataset, as the Hub converts it, and
``hf://datasets/OWNER/NAME/PATH`` one file of its repository, the address being that of its own
client: https://huggingface.co/docs/huggingface_hub/guides/hf_file_system. What has been converted:
https://huggingface.co/docs/dataset-viewer/parquet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from imgcrawl.records.errors import ArgumentError, SourceError

_ADDRESS = re.compile(
    r"hf://datasets/([\w.-]+/[\w.-]+?)(?:@([\w./~-]+?))?(?:/(.+))?/?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A dataset, or one file of it at a revision."""

    dataset: str
    revision: str
    path: str

    @classmethod
    def of(cls, text: str) -> HubAddress:
        """Return the address that a text is. Raises ArgumentError."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ArgumentError(f"{text}: type hf://datasets/OWNER/NAME, or that and /PATH")
        return cls(match[1], match[2] or "main", match[3] or "")

    def url(self, base: str) -> str:
        """Return what is asked for: the file, or which Parquet the dataset has."""
        if not self.path:
            return f"{base}/api/datasets/{self.dataset}/parquet"
        revision = quote(self.revision, safe="")
        return f"{base}/datasets/{self.dataset}/resolve/{revision}/{quote(self.path)}"


def parquet_of(answer: Any, dataset: str) -> dict[str, str]:
    """Return the addresses of the Parquet of a dataset, each with its split.

    answer: {configuration: {split: [address]}}; of several configurations the default one, or the
            first, is taken
    Raises SourceError if there is none.
    """
    if isinstance(answer, dict) and answer:
        splits = answer.get("default", next(iter(answer.values())))
        if isinstance(splits, dict):
            found = {str(url): str(split) for split, urls in splits.items() for url in urls}
            if found:
                return found
    raise SourceError(f"The Hub has no Parquet of {dataset}.")
