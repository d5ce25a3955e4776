"""Names that columns have in published lists, by what they hold."""

from __future__ import annotations

import re
from functools import lru_cache

# Likeliest first; case, "_", "-" and blanks are ignored.
NAMES = {
    "url": (
        *("url", "imageurl", "imgurl", "originalurl", "cocourl", "flickrurl", "photourl"),
        *("fileurl", "downloadurl", "imagelink", "link", "imagesrc", "src", "uri", "href", "image"),
        *("accessuri", "identifier", "rowdata", "urls", "imageurls", "images", "associatedmedia"),
    ),
    "id": (
        *("id", "imageid", "recordid", "key", "uid", "asin", "photoid", "imgid", "objectid"),
        *("parentasin", "filename", "imagename", "imagefile", "imagefilename", "imagepath"),
        *("filepath", "file", "fname", "name"),
    ),
    "label": ("label", "labelid", "class", "classid", "category", "categoryid", "landmarkid"),
    "caption": ("caption", "text", "description", "title", "alttext"),
    "md5": ("md5", "originalmd5", "md5sum", "md5hash"),
    "sha256": ("sha256", "sha256sum", "sha256hash"),
}
_OF_URLS = ("url", "urls", "uri", "uris", "link", "links")
_KNOWN = {name for names in NAMES.values() for name in names}


@lru_cache(maxsize=4096)
def normalized(name: str) -> str:
    """Return a name of a column without case, blanks, hyphens and underscores."""
    return re.sub(r"[\s_@-]+", "", name).lower()


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words in the name of a column: of image_url, ImageURL and "Image URL" alike."""
    parts = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", name)
    return tuple(re.findall(r"[a-z]+", parts.lower()))


def is_url_name(name: str) -> bool:
    """Return True if columns of this name hold addresses."""
    bare = normalized(name)
    return bare in NAMES["url"] or bare.endswith(_OF_URLS)


def is_known_name(name: str) -> bool:
    """Return True if lists have columns of this name."""
    return normalized(name) in _KNOWN or is_url_name(name)
