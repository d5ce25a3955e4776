"""A file from the disk into one of Scrapy's object stores, in pieces and in constant memory.

The stores' own `persist_file` wants the whole of it in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.pipelines.files import GCSFilesStore, S3FilesStore

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 16 << 20  # bytes


def upload(store: Any, file: Path, name: str) -> None:
    """Put a file into a store under a name. Blocks: call it in a thread.

    Raises what the store's client raises, and TypeError for a store that is none of Scrapy's.
    """
    if isinstance(store, S3FilesStore):
        _to_s3(store, file, name)
    elif isinstance(store, GCSFilesStore):
        blob = store.bucket.blob(f"{store.prefix}{name}", chunk_size=PIECE)
        blob.upload_from_filename(str(file), predefined_acl=store.POLICY)
    else:
        raise TypeError(f"{type(store).__name__} takes no files from the disk")


def _to_s3(store: Any, file: Path, name: str) -> None:
    """By multipart upload, which nobody sees before it is complete."""
    client, place = store.s3_client, {"Bucket": store.bucket, "Key": f"{store.prefix}{name}"}
    if file.stat().st_size <= PIECE:
        client.put_object(**place, ACL=store.POLICY, Body=file.read_bytes())
        return
    made = client.create_multipart_upload(**place, ACL=store.POLICY)
    place["UploadId"] = made["UploadId"]
    parts: list[dict[str, Any]] = []
    try:
        with file.open("rb") as source:
            while data := source.read(PIECE):
                number = len(parts) + 1
                answer = client.upload_part(**place, PartNumber=number, Body=data)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    except BaseException:
        client.abort_multipart_upload(**place)
        raise
