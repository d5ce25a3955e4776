"""Addresses without what changes from day to day: signatures, expiry, and who may read.

Two addresses that differ in nothing else ask for the same file. Only parameters whose meaning is
documented are left out, each with its kin: a mere ``token`` may be all that names a picture.

Sources: AWS Signature 2 and 4 and CloudFront's signed URLs, Google Cloud Storage's V2 and V4,
Azure's shared access signatures, Alibaba OSS, Tencent COS, Akamai's tokens, nginx's secure_link.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import SplitResult, unquote_plus, urlsplit

from imgcrawl.text.secrets import replace_secrets
from imgcrawl.text.spelling import decode_unreserved, without_default_port

MAX_ID = 500  # characters

_ALWAYS = re.compile(
    r"x-(amz|goog)-.*|x-(oss|cos)-(?!process).*|q-(ak|key-time|sign-.*|signature|.*-list)"
    r"|hdnt[sl]|hdnea|__(gda|token)__"
)
_WITH_SIGNATURE = frozenset(
    {"signature", "expires", "key-pair-id", "policy", "security-token", "awsaccesskeyid"}
    | {"googleaccessid", "ossaccesskeyid"}
)
_WITH_SIG = frozenset(
    {"sig", "se", "st", "sp", "sv", "sr", "spr", "si", "sip", "srt", "ss", "sdd"}
    | {"skoid", "sktid", "skt", "ske", "sks", "skv"}
)
_EXPIRY = frozenset({"expires", "expire", "expiry", "exp", "e", "validto", "valid_until", "ttl"})
_GRANTS = frozenset(
    {"token", "hash", "md5", "sign", "signature", "sig", "auth", "hmac", "verify", "h", "s"}
)
_A_TIME = re.compile(r"\d{9,13}|\d{4}-?\d\d-?\d\d(T[\d:.]+Z?)?")
_DIGEST = re.compile(r"~[0-9a-f]{12}")
# Nothing in these is left out or spelt otherwise: they need not be taken apart.
_PLAIN = re.compile(r"https?:(//[a-z0-9.-]+(:(?!80/|443/)\d+)?/[^%?#\s]*)")


def stable_address(url: str) -> str:
    """Return what an address asks for: host, path and query in one spelling.

    http and https, the case of the host, a default port, escaped letters, credentials, signatures
    and a fragment, which is not sent, make no difference. A text that is no address is returned as
    it is.
    """
    if plain := _PLAIN.fullmatch(url):
        return plain[1]
    try:
        parts = urlsplit(url.strip())
        host = parts.netloc.rpartition("@")[2].lower()
    except ValueError:
        return url
    if not host:
        return url
    scheme = parts.scheme.lower()
    host = without_default_port(host, scheme)
    path = decode_unreserved(parts.path, upper=False) or "/"
    query = _unsigned(parts)
    address = f"//{host}{path}?{query}" if query else f"//{host}{path}"
    if scheme in {"http", "https"}:
        return address
    return f"{scheme}:{address}#{parts.fragment}"  # that of an archive names the member


def address_id(url: str) -> str:
    """Return the id of a record that has no other: its address, without what may not be told.

    A secret that may tell two pictures apart has a digest in its place. At most 500 characters; a
    longer one ends in a digest.
    """
    try:
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
    except ValueError:
        return _cut(url)
    if at:
        url = url.replace(f"{user}@", "", 1)
    if parts.query and (query := _unsigned(parts)) != parts.query:
        url = url.replace(f"?{parts.query}", f"?{query}" if query else "", 1)
    return _cut(replace_secrets(url, _digest))


def _digest(secret: str) -> str:
    if _DIGEST.fullmatch(secret):
        return secret
    return f"~{hashlib.sha256(secret.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _cut(text: str) -> str:
    if len(text) <= MAX_ID:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[: MAX_ID - 17]}~{digest}"


def _unsigned(parts: SplitResult) -> str:
    """Return the query of an address without the parameters that only grant access."""
    if "=" not in parts.query:
        return parts.query
    given = parts.query.split("&")
    names = [unquote_plus(each.partition("=")[0]).lower() for each in given]
    values = [each.partition("=")[2] for each in given]
    there, left_out = set(names), set[str]()
    if "signature" in there:
        left_out |= _WITH_SIGNATURE
    if "sig" in there and there & {"se", "sv"}:
        left_out |= _WITH_SIG
    if {"oh", "oe"} <= there:  # Facebook's and Instagram's
        left_out |= {"oh", "oe"}
    expires = {
        name
        for name, value in zip(names, values, strict=True)
        if name in _EXPIRY and _A_TIME.fullmatch(unquote_plus(value))
    }
    if expires and there & _GRANTS:
        left_out |= expires | _GRANTS
    kept = (
        each
        for each, name in zip(given, names, strict=True)
        if name not in left_out and not _ALWAYS.fullmatch(name)
    )
    return "&".join(kept)
