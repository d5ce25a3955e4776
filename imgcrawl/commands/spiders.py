"""``scrapy spiders``: the datasets that can be downloaded, and their arguments."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
import textwrap
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from imgcrawl.arguments import (
    FileArguments,
    ImageArguments,
    ListArguments,
    SpiderArguments,
    TypeName,
)
from imgcrawl.crawl.spider_loader import spider_class, spider_loader
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

    from pydantic.fields import FieldInfo
    from scrapy import Spider
    from scrapy.spiderloader import SpiderLoaderProtocol


class Command(ScrapyCommand):
    """Prints each spider with its arguments, their types, defaults and an example."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[options] [SPIDER ...]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "List the datasets that can be downloaded, with the arguments each takes"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the ``--markdown`` switch, which prints what docs/sources has."""
        super().add_options(parser)
        parser.add_argument("--markdown", action="store_true", help="print tables for docs/sources")
        parser.add_argument("--json", action="store_true", help="print all as JSON, for a form")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print one description a spider."""
        assert self.settings is not None
        loader = spider_loader(self.settings)
        describe = as_markdown if opts.markdown else as_text
        try:
            spiders = [spider_class(self.settings, name) for name in args or datasets(loader)]
        except ArgumentError as error:
            raise UsageError(str(error)) from error
        if opts.json:
            sys.stdout.write(json.dumps([*map(as_json, spiders)]) + "\n")
        elif args or opts.markdown:
            sys.stdout.write("\n\n".join(map(describe, spiders)) + "\n")
        else:
            sys.stdout.write("\n".join(as_lines(spiders)) + "\n")


def datasets(loader: SpiderLoaderProtocol) -> list[str]:
    """Return the names of the spiders that people call by name."""
    return [n for n in sorted(loader.list()) if not getattr(loader.load(n), "internal", False)]


def as_lines(spiders: list[type[Spider]]) -> list[str]:
    """Return a line for each spider, and how to go on."""
    width = max(len(spider.name) for spider in spiders)
    lines = [f"{spider.name:<{width}}  {(_doc(spider) or [''])[0]}" for spider in spiders]
    lines += ["", f"The arguments of one, and an example: scrapy spiders {spiders[0].name}"]
    begin = (getattr(spider, "example", "") for spider in spiders if spider.name == "isic")
    return lines + [f"To begin with: {example}" for example in begin]


def as_text(spider: type[Spider]) -> str:
    """Return a spider's description for a terminal: its own arguments first, then those of all."""
    lines = [spider.name, *(f"  {line}" for line in _doc(spider))]
    if example := getattr(spider, "example", None):
        lines += ["", f"  Example: {example}"]
    model = _arguments(spider)
    fields = model.model_fields
    shared = {name for base in _SHARED for name in base.model_fields if name in fields}
    own = [name for name in fields if name not in shared]
    columns = shutil.get_terminal_size().columns
    for title, names in (
        ("Arguments (-a NAME=VALUE):", own),
        ("Arguments that others have too:", [name for name in fields if name in shared]),
    ):
        lines += ["", f"  {title}"] if names else []
        for name in names:
            facts = (fields[name].description or "", "; ".join(_facts(fields[name])))
            lines += [f"    {name}", *(line for text in facts for line in _wrapped(text, columns))]
    return "\n".join(lines)


def as_json(spider: type[Spider]) -> dict[str, Any]:
    """Return a spider with its arguments, as a form needs them."""
    fields = _arguments(spider).model_fields
    return {
        "name": spider.name,
        "doc": (_doc(spider) or [""])[0],
        "arguments": [
            {
                "name": name,
                "description": field.description or "",
                "facts": "; ".join(_facts(field)),
                "example": next(iter(field.examples or ()), None),
                "choices": _choices(describe_type(field)),
                "required": field.is_required(),
                "shared": any(name in base.model_fields for base in _SHARED),
            }
            for name, field in fields.items()
        ],
    }


def _choices(type_name: str) -> list[str]:
    """Return what may be chosen of a type such as ``yes | no``; nothing where it is open."""
    return type_name.split(" | ") if " | " in type_name and " or " not in type_name else []


_SHARED = (ListArguments, ImageArguments, FileArguments, SpiderArguments)


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(
        text,
        max(20, columns - 1),
        initial_indent=" " * 8,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_markdown(spider: type[Spider]) -> str:
    """Return a spider's arguments as a table for docs/sources."""
    rows = ["| argument | what | type, default, example |", "|---|---|---|"]
    for name, field in _arguments(spider).model_fields.items():
        facts = "; ".join(_facts(field)).replace("|", "\\|")
        rows.append(f"| `{name}` | {(field.description or '').replace('|', '&#124;')} | {facts} |")
    return "\n".join(rows)


def _arguments(spider: type[Spider]) -> type[SpiderArguments]:
    model: type[SpiderArguments] = getattr(spider, "arguments", SpiderArguments)
    return model


def _doc(spider: type[Spider]) -> list[str]:
    return (inspect.getdoc(spider) or "").splitlines()


def _facts(field: FieldInfo) -> list[str]:
    facts = [describe_type(field)]
    default = field.default
    if not field.is_required() and default not in (None, "", []):
        facts.append(f"default: {_format_default(default)}")
    facts += [f"e.g. {example}" for example in field.examples or ()]
    return facts


def _format_default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def describe_type(field: FieldInfo) -> str:
    """Return the type of an argument as people read it."""
    named = (each.name for each in field.metadata if isinstance(each, TypeName))
    return next(named, None) or _describe_type(field.annotation)


def _describe_type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return " or ".join(_describe_type(a) for a in inner if a is not NoneType)
    if origin is Literal:
        return " | ".join(map(str, inner))
    if origin is Annotated:
        return _describe_type(inner[0])
    if origin is list:
        return f"{_describe_type(inner[0])}, ..."
    if origin is tuple:
        return "K/N"
    names = {
        "str": "text",
        "int": "number",
        "float": "number",
        "bool": "yes | no",
        "Path": "folder",
        "date": "date",
    }
    if hasattr(annotation, "__members__"):
        return " | ".join(map(str, annotation.__members__.values()))
    return names.get(annotation.__name__, str(annotation.__name__))
