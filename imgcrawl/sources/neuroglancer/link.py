"""Links of neuroglancer: the layers that a link shows, in every way in which that is written.

Source: neuroglancer's src/ui/url_hash_binding.ts, src/util/json.ts and src/layer/index.ts.
Nothing here asks for anything.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from imgcrawl.download.tokens import token_headers
from imgcrawl.text.redact import printable

MAX_LINK = 4 << 20  # characters: states are long
_MAX_LAYERS = 10_000
_VOLUMES = frozenset({"image", "segmentation", ""})  # layers that show voxels
_UNTOLD = frozenset({"auto", "new"})  # the viewer asks the source
_MAX_ENCODED = 3  # times that a state was encoded
_ENCODED = re.compile(r"\+?(?:%(?:25)*7[bB]|[a-z][a-z0-9+.-]*%(?:25)*3[aA])", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)
# Old links hold JSON that needs no encoding: ' for ", and _ or & for a comma outside of strings.
_URL_SAFE = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[&_]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ViewerLayer:
    """A layer of a viewer.

    kind:    image, segmentation, annotation, mesh, ...; "" where the link leaves it to the source
    sources: addresses as neuroglancer writes them, the first one is what is shown
    hidden:  switched off or put away
    moved:   the transformations that it is shown through, as text: its place in the viewer is not
             that in the volume; "" if it is
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    hidden: bool = False
    moved: str = ""


@dataclass(frozen=True, slots=True)
class ViewerState:
    """What a link shows."""

    layers: tuple[ViewerLayer, ...]


@dataclass(frozen=True, slots=True)
class RemoteState:
    """A link that has no state in it, and where one may be found.

    url: of a JSON state, or of a short link that redirects to a link that has one; http, https, or
         gs and s3 as neuroglancer writes them
    """

    url: str


def read_link(url: str) -> ViewerState | RemoteState:
    """Return the state in a link to a viewer, or where it is kept. Raises ValueError."""
    url = url.strip()
    if len(url) > MAX_LINK:
        raise ValueError(f"a link of {len(url):,} characters")
    address, has_fragment, fragment = url.partition("#")
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise ValueError(f"{printable(address)} is no link: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{printable(url)} is no link: type one that begins with https://")
    if has_fragment and fragment.startswith("!"):
        return _read_fragment(fragment[1:])
    if kept := parse_qs(parts.query).get("json_url"):
        return _remote(kept[0])
    return RemoteState(address)


def read_state(text: str) -> ViewerState:
    """Return the state in a JSON text, or in the form that old links have. Raises ValueError."""
    try:
        state = json.loads(_URL_SAFE.sub(_as_json, text))
    except RecursionError as error:
        raise ValueError("a state that is too deep to be read") from error
    except ValueError as error:
        raise ValueError(f"no state of neuroglancer: {printable(str(error))}") from error
    layers = state.get("layers") if isinstance(state, dict) else None
    named = _named(layers)
    if named is None:
        raise ValueError("a state of neuroglancer without layers")
    if len(named) > _MAX_LAYERS:
        raise ValueError(f"a state of {len(named):,} layers")
    return ViewerState(tuple(_layer(each) for each in named))


def pick_layer(state: ViewerState, name: str | None = None) -> ViewerLayer:
    """Return the layer of a name, or the first image that is shown.

    If no layer has the type image, it is the first without a type. Of several layers of the name
    it is the first that may be a volume.
    Raises ValueError that lists what there is.
    """
    if name is not None:
        named = [layer for layer in state.layers if layer.name == name]
        if not named:
            raise ValueError(f"the link has no layer {name!r}. It has:\n{_listed(state)}")
        shown = [layer for layer in named if layer.sources]
        if not shown:
            raise ValueError(f"the layer {name!r} shows no volume. The link has:\n{_listed(state)}")
        return min(shown, key=lambda layer: layer.kind not in _VOLUMES)
    found = images(state)
    if not found:
        raise ValueError(
            f"the link shows no layer of type image. Choose with -a layer=NAME:\n{_listed(state)}"
        )
    return found[0]


def images(state: ViewerState) -> list[ViewerLayer]:
    """Return the layers of type image that are shown, or the hidden ones if none is.

    Where there is none, those without a type.
    """
    sources = [layer for layer in state.layers if layer.sources]
    found = [layer for layer in sources if layer.kind == "image"]
    found = found or [layer for layer in sources if not layer.kind]
    return [layer for layer in found if not layer.hidden] or found


def volumes(state: ViewerState) -> list[ViewerLayer]:
    """Return the layers that have a source and may show voxels, hidden ones too."""
    return [layer for layer in state.layers if layer.sources and layer.kind in _VOLUMES]


def _listed(state: ViewerState) -> str:
    lines = [
        f"  {printable(layer.name, 80)} ({printable(layer.kind, 40) or 'no type'}"
        f"{', hidden' if layer.hidden else ''})"
        for layer in state.layers[:50]
    ]
    return "\n".join(lines) or "  no layers at all"


def _read_fragment(fragment: str) -> ViewerState | RemoteState:
    text = unquote(fragment, errors="strict").strip()
    for _ in range(_MAX_ENCODED):
        if _SCHEME.match(text):
            return _remote(text)
        if not _ENCODED.match(text):
            break
        text = unquote(text, errors="strict").strip()  # some programs encode what is encoded
    return read_state(text.removeprefix("+"))  # "+": added to what the viewer shows by default


def _remote(url: str) -> RemoteState:
    scheme = url.partition("://")[0]
    if scheme.startswith("middleauth") and token_headers(url.partition("+")[2]):
        return RemoteState(url.partition("+")[2])
    if scheme.startswith("middleauth"):
        raise ValueError(f"{printable(url)} needs a login: open it, and copy the link of the state")
    if scheme not in {"http", "https", "gs", "s3"}:
        raise ValueError(f"{printable(url)} is where no state can be read from")
    return RemoteState(url)


def _as_json(found: re.Match[str]) -> str:
    """Return a piece of an old link as JSON has it."""
    piece = found[0]
    if piece in {"&", "_"}:
        return ","
    if piece[0] == '"':
        return piece
    inner = re.sub(r"\\'|\"", lambda m: "'" if m[0] == "\\'" else '\\"', piece[1:-1])
    return f'"{inner}"'


def _named(layers: object) -> list[dict[str, Any]] | None:
    """Return the layers of a state: a list, or in old ones a table by name."""
    if isinstance(layers, dict):
        sources = {n: v if isinstance(v, dict) else {"source": v} for n, v in layers.items()}
        return [{"name": name, **fields} for name, fields in sources.items()]
    if isinstance(layers, list):
        return [each for each in layers if isinstance(each, dict)]
    return None


def _layer(fields: dict[str, Any]) -> ViewerLayer:
    kind, name = fields.get("type"), fields.get("name")
    source = fields.get("source")
    listed = source if isinstance(source, list) else [source]
    found = [each.get("url") if isinstance(each, dict) else each for each in listed]
    return ViewerLayer(
        name=name if isinstance(name, str) else "",
        kind=kind if isinstance(kind, str) and kind not in _UNTOLD else "",
        sources=tuple(each for each in found if isinstance(each, str) and each),
        hidden=fields.get("visible") is False or fields.get("archived") is True,
        moved=_moved([each.get("transform") for each in (fields, *listed) if _is_table(each)]),
    )


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _moved(transforms: list[Any]) -> str:
    """Return the transformations that move anything, as text."""
    moving = [
        each.get("matrix") if isinstance(each, dict) else each
        for each in transforms
        if _moves(each)
    ]
    return json.dumps(moving) if moving else ""


def _moves(transform: object) -> bool:
    """Return True if a transformation moves anything: many only name the axes and their units."""
    matrix = transform.get("matrix") if isinstance(transform, dict) else transform
    if not isinstance(matrix, list):
        return matrix is not None
    return any(
        value != (1 if row == column else 0)
        for row, values in enumerate(matrix)
        for column, value in enumerate(values if isinstance(values, list) else ())
    )
