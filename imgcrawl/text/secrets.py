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
# Under one of these a value is a secret if it looks like one.
_PERHAPS = frozenset(
    """
    key code hash h s st e sid session pass pin ticket sign state k t verify zsid grant
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
_LONG, _RANDOM = 12, 3.5  # characters; bits of entropy a character

_ESC = r"%(?:25)*"  # an address in an address, in an address
_SEP = rf"[?&;#]|{_ESC}(?:3F|26|3B|23)"
_EQ = rf"=|{_ESC}3D"
_STOP = rf"{_ESC}(?:3F|26|3B|23|3D)"
_PARAMETER = re.compile(
    rf"(?P<sep>{_SEP})(?P<name>(?:(?!{_STOP})[^=&;#?\s\"'<>]){{1,60}})(?P<eq>{_EQ})"
    r"(?P<value>[^&;#\s\"'<>]+)",
    re.IGNORECASE,
)
_NESTED_END = re.compile(rf"{_ESC}(?:26|23|3B)", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^\s/?#\"'<>]*@")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-auth-token)(['\"]?\s*:\s*)"
    r"[^\r\n]+"
)


def replace_secrets(text: str, mask: Callable[[str], str]) -> str:
    """Return a text with `mask(secret)` in the place of each secret in addresses and headers."""
    if "@" in text:
        text = _USER.sub(lambda found: f"{mask(found[0][:-1])}@", text)
    if "=" in text or "%3" in text or "%25" in text:
        text = _replace_parameters(text, mask)
    if ":" in text or "=" in text:
        text = _HEADER.sub(lambda found: found[1] + found[2] + mask(found[0]), text)
    return text


def _replace_parameters(text: str, mask: Callable[[str], str]) -> str:
    def replaced(found: re.Match[str]) -> str:
        value, rest = found["value"], ""
        if found["sep"].startswith("%") and (end := _NESTED_END.search(value)):
            value, rest = value[: end.start()], value[end.start() :]
        if is_secret(_decoded(found["name"]), _decoded(value)):
            value = mask(value)
        elif "%" in value:
            value = _replace_parameters(value, mask)
        rest = _replace_parameters(rest, mask) if rest else ""
        return f"{found['sep']}{found['name']}{found['eq']}{value}{rest}"

    return _PARAMETER.sub(replaced, text)


def is_secret(name: str, value: str) -> bool:
    """Return whether the value of a parameter grants access. Both without percent encoding."""
    bare = re.sub(r"[-_.\[\]\s]", "", name).lower()
    if bare in _NAMES:
        return True
    if _KEYS.fullmatch(value):
        return True
    if _UUID.fullmatch(value) or "://" in value or "/" in value[:-2]:
        return False
    if bare in _PERHAPS:
        return len(value) >= _LONG and (bool(_HEX.fullmatch(value)) or _is_random(value))
    return not _NAMING.fullmatch(bare) and bool(_MIXED.fullmatch(value)) and _is_random(value)


def _is_random(value: str) -> bool:
    counts = Counter(value).values()
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
    has_both = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return has_both and bits >= min(_RANDOM, math.log2(len(value)) - 0.7)


def _decoded(text: str) -> str:
    for _ in range(4):
        if "%" not in text or (plain := unquote(text)) == text:
            break
        text = plain
    return text
