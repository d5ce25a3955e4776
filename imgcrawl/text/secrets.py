"""Find what grants access in the addresses and headers of a text: by its name, and by its look.

Names are those of the signing schemes of object stores and CDNs, of API keys and of sessions; keys
of well-known services are known by their beginning; and a long random value is taken for a secret
under any name but those that say what a picture is. Compare the rules of gitleaks and
detect-secrets, which look at files in the same way.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

# Without "-", "_" and ".", in lower case. A value under one of these is a secret, however short.
_NAMES = frozenset(
    """
    token accesstoken authtoken idtoken refreshtoken apitoken sessiontoken securitytoken
    usertoken usersecret oauthtoken oauthtokensecret oauthsignature oauthconsumerkey wstoken
    csrftoken csrf xsrftoken sastoken sas downloadtoken sharetoken jwt bearer assertion
    samlresponse signature sig hmac xamzsignature xamzcredential xamzsecuritytoken
    xgoogsignature xgoogcredential xosssignature xosscredential xosssecuritytoken
    xcossecuritytoken qsignature qak awsaccesskeyid awssecretaccesskey googleaccessid
    ossaccesskeyid keypairid policy accesskey accesskeyid accesskeysecret secretkey
    secretaccesskey secret clientsecret appsecret apikey xapikey apisecret appkey
    subscriptionkey ocpapimsubscriptionkey privatekey authkey userkey licensekey sharekey
    auth authorization authentication credential credentials creds password passwd
    passphrase passcode pwd accesscode sessionid jsessionid phpsessid aspsessionid hdnts
    hdntl hdnea gdatoken authsig authsign signkey secretid loginticket otp
    """.split()  # noqa: SIM905 - a list of words
)
# As is one under a name that ends so, but for those that lead to the next page of a list.
_ENDS = ("token", "secret", "password", "passwd", "signature", "apikey", "accesskey", "privatekey")
_PAGES = ("pagetoken", "nexttoken", "continuationtoken", "synctoken", "cursortoken")
# Under one of these a value is a secret if it looks like one.
_PERHAPS = frozenset(
    """
    key code license hash h s st e sid session pass pin ticket sign state k t verify zsid grant
    """.split()  # noqa: SIM905 - a list of words
)
# What names a picture may look random, and is none.
_NAMING = re.compile(
    r".*(?:id|ids|name|file|hash|md5|sha\d*|etag|digest|checksum|uuid|guid|doi|url|uri|src|path)"
    r"|[vuqwh]|query|image|img|photo|picture|ref|page|cursor|title|text|caption|utm.*|x?oss?process"
)
_KEYS = re.compile(
    r"(?:AIza[\w-]{30,}|A[KS]IA[A-Z0-9]{12,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{10,}|[rs]k_(?:live|test)_\w{10,}|sk-[\w-]{20,}|hf_\w{20,}|ya29\.[\w.-]{20,}"
    r"|SG\.[\w.-]{20,}|npm_\w{20,}|eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?)"
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_MIXED = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[\w+/=.~-]{20,}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{24,}", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]{3,}")
_LONG, _RANDOM = 12, 3.5  # characters; bits of entropy a character
_LOOK = 300  # characters of a value that are looked at
_HALF = re.compile(r"%[0-9a-f]{0,4}\Z", re.IGNORECASE)  # of an escape, where the look ends

_ESC = r"%(?:25)*"  # an address in an address, in an address
_SEP = rf"[?&;#]|{_ESC}(?:3F|26|3B|23)"
_STOP = rf"{_ESC}(?:3F|26|3B|23|3D)"
_NAME = re.compile(
    rf"(?P<sep>{_SEP})(?P<name>(?:(?!{_STOP})[^=&;#?\s\"'<>]){{1,60}})(?:=|{_ESC}3D)",
    re.IGNORECASE,
)
_VALUE = re.compile(r"[^&;#\s\"'<>]+")
_NESTED_VALUE = re.compile(
    rf"(?:(?!{_ESC}(?:26|23|3B))[^&;#\s\"'<>])+",
    re.IGNORECASE,
)
_USER = re.compile(r"(?:(?<=://)|(?<=\A//)|(?<=[\s\"'=(<]//))[^\s/?#\"'<>]*@")
_NESTED_USER = re.compile(
    rf"({_ESC}3A(?:{_ESC}2F|/){{2}})((?:(?!{_ESC}(?:2F|3F|26|23|40))[^\s/?#&;@\"'<>])+)"
    rf"({_ESC}40|@)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?(?:[a-z]{1,20}-)?(?:api-?key"
    r"|(?:auth|access|private|security|session|csrf|api)-token))(['\"]?\s*:\s*)[^\r\n]+"
)
_HEADER_WORDS = ("authorization", "cookie", "key", "token")  # a plain search is a quick one
_MARKS = ("eyJ", "AKIA", "ASIA", "/bot", "Bearer ")
# Of a kind that is known wherever it stands, in a path too.
_ANYWHERE = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]{8,}\.eyJ[\w-]{2,}\.[\w-]*|A[KS]IA[A-Z0-9]{16}(?!\w)"
    r"|(?<=/)bot\d{8,12}:[\w-]{30,}|(?<=\bBearer )[\w.~+/-]{16,}=*)"
)


def replace_secrets(text: str, mask: Callable[[str], str]) -> str:
    """Return a text with `mask(secret)` in the place of each secret in addresses and headers."""
    if "@" in text:
        text = _USER.sub(lambda found: f"{mask(found[0][:-1])}@", text)
    if "%" in text:
        text = _NESTED_USER.sub(lambda found: found[1] + mask(found[2]) + found[3], text)
    if "=" in text or "%3" in text or "%25" in text:
        text = _replace_parameters(text, mask)
    folded = text.lower()
    if ":" in text and any(word in folded for word in _HEADER_WORDS):
        text = _HEADER.sub(lambda found: found[1] + found[2] + mask(found[0]), text)
    if any(mark in text for mark in _MARKS):
        text = _ANYWHERE.sub(lambda found: mask(found[0]), text)
    return text


def _replace_parameters(text: str, mask: Callable[[str], str]) -> str:
    """Replace the secrets of parameters; what is no secret is looked into for nested ones."""
    parts, done, at = list[str](), 0, 0
    while found := _NAME.search(text, at):
        at = found.end() + text.startswith(("'", '"'), found.end())
        pattern = _NESTED_VALUE if found["sep"].startswith("%") else _VALUE
        look = pattern.match(text, at, at + _LOOK)
        if look is None:
            continue
        seen = look[0] if len(look[0]) < _LOOK else _HALF.sub("", look[0])
        if not is_secret(_decoded(found["name"]), _decoded(seen)):
            continue
        value = pattern.match(text, at) or look  # all of it
        parts += [text[done:at], mask(value[0])]
        done = at = value.end()
    return "".join([*parts, text[done:]])


def is_secret(name: str, value: str) -> bool:
    """Return whether the value of a parameter grants access. Both without percent encoding."""
    bare = re.sub(r"[-_.\[\]\s]", "", name).lower()
    if bare in _NAMES or (bare.endswith(_ENDS) and not bare.endswith(_PAGES)):
        return True
    if _KEYS.fullmatch(value):
        return True
    is_path = "/" in value[:-2] and not value.endswith("=")
    if _UUID.fullmatch(value) or "://" in value or is_path:
        return False
    if bare in _PERHAPS:
        return len(value) >= _LONG and (bool(_HEX.fullmatch(value)) or _is_random(value))
    return not _NAMING.fullmatch(bare) and bool(_MIXED.fullmatch(value)) and _is_random(value)


def _is_random(value: str) -> bool:
    counts = Counter(value).values()
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
    has_both = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    has_words = 2 * sum(map(len, _WORD.findall(value))) > len(value)  # the name of a map's layer
    return has_both and not has_words and bits >= min(_RANDOM, math.log2(len(value)) - 0.7)


def _decoded(text: str) -> str:
    for _ in range(4):
        if "%" not in text or (plain := unquote(text)) == text:
            break
        text = plain
    return text
