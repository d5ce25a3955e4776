"""Other names that a chunk may lie under where its own name is absent.

A precomputed chunk may be packed as NAME.gz. A chunk of a Zarr 2 array whose document does not say
how the names are joined may be 0/1/2 in place of 0.1.2, as zarr-python's NestedDirectoryStore of
before 2.6 left them. Neither is said anywhere: only asking shows it.
"""

from __future__ import annotations

PLAIN_ENOUGH = 64  # absent chunks without another name, until an array is taken to have none
MAX_KNOWN = 100_000  # absent chunks that are remembered
NESTED = "/"  # the form of 0/1/2; the others are endings


def renamed(name: str, form: str) -> str:
    """Return the name that a chunk has in a form."""
    return name.replace(".", "/") if form == NESTED else f"{name}{form}"


class OtherNames:
    """The forms of names that one array may use, learnt by asking for those of absent chunks.

    forms: the endings, or `NESTED`
    """

    def __init__(self, forms: tuple[str, ...] = ()) -> None:
        self._forms = forms
        self._used: list[str] = []
        self._in_vain = 0
        self._has_plain = False
        self._absent: set[str] = set()

    def to_ask(self, *, first: bool) -> tuple[str, ...]:
        """Return the forms to ask an absent chunk for, the likeliest first.

        first: whether it is the first absent chunk of its box, which is always asked for
        An array is taken to have no other names once a chunk was found under its own, and
        `PLAIN_ENOUGH` absent ones under no other: a sparse volume has many of these.
        """
        is_plain = self._has_plain and not self._used and self._in_vain >= PLAIN_ENOUGH
        if is_plain and not first:
            return ()
        return (*self._used, *(form for form in self._forms if form not in self._used))

    def learn_plain(self) -> None:
        """Note that a chunk lies under its own name."""
        self._has_plain = True

    def knows_absent(self, name: str) -> bool:
        """Return whether a chunk has been asked for in all forms, and has none."""
        return name in self._absent

    def learn(self, found: str | None, name: str = "") -> None:
        """Note the form under which a chunk was found; None if all were asked for in vain.

        name: the chunk's own, so that another box does not ask for it again
        """
        if found is None:
            self._in_vain += 1
            if name and len(self._absent) < MAX_KNOWN:
                self._absent.add(name)
        elif found not in self._used:
            self._used.append(found)

    def forget(self) -> None:
        """Note that there are none: the documents say so."""
        self._forms = ()
