"""Describe a lost picture by its URL: the host and the words in its path."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from imgcrawl.text.redact import without_secrets

MAX_WORDS = 12
_COMMON = {
    "jpg",
    "jpeg",
    "png",
    "gif",
    "webp",
    "bmp",
    "php",
    "html",
    "ashx",
    "http",
    "https",
    "www",
}
_FOLDERS = {
    *("images", "image", "img", "imgs", "upload", "uploads", "photos", "photo", "pictures", "pics"),
    *("media", "static", "public", "content", "files", "file", "data", "com", "cache"),
}


def url_words(url: str) -> str:
    """Return a text such as ``url: www.example.org: oak dining table``; "" if it is no URL."""
    try:
        parts = urlsplit(without_secrets(url))
        host = parts.hostname or ""
    except ValueError:
        return ""
    if not host:
        return ""
    path = unquote(f"{parts.path} {parts.query}")
    found = re.findall(r"[^\W\d_]+", re.sub(r"[0-9A-Fa-f]{8,}", " ", path))
    words = dict.fromkeys(
        word.lower() for word in found if (len(word) > 2 or not word.isascii()) and _is_word(word)
    )
    return f"url: {host}: {' '.join([*words][:MAX_WORDS])}".rstrip(": ")


def _is_word(word: str) -> bool:
    """Return True if letters may be a word: no code of mixed case, no common folder name."""
    low = word.lower()
    if low in _COMMON or low in _FOLDERS or len(word) > 24:
        return False
    plain = word in {low, word.upper(), word.capitalize()}
    return plain and (not word.isascii() or re.search("[aeiouy]", low) is not None)
