"""``scrapy genspider``: Scrapy's own, with a template of this project beside Scrapy's.

``scrapy genspider -t dataset NAME URL`` writes a spider that runs as it stands.
"""

from __future__ import annotations

import sys
from keyword import iskeyword
from pathlib import Path
from typing import Any

from scrapy.commands import genspider
from scrapy.exceptions import UsageError
from scrapy.utils.template import string_camelcase

import imgcrawl

# Not the setting TEMPLATES_DIR: that would take the place of Scrapy's own templates.
TEMPLATES = Path(imgcrawl.__file__).parent / "templates"


class Command(genspider.Command):
    """Writes a spider from a template; ``dataset`` is one of a dataset's records."""

    def _find_template(self, template: str) -> Path | None:
        own = TEMPLATES / f"{template.removesuffix('.tmpl')}.tmpl"
        return own if own.is_file() else super()._find_template(template)

    def _list_templates(self) -> None:
        super()._list_templates()
        names = sorted(path.stem for path in TEMPLATES.glob("*.tmpl"))
        sys.stdout.write("".join(f"  {name}\n" for name in names))

    def _generate_template_variables(
        self, module: str, name: str, url: str, template_name: str
    ) -> dict[str, Any]:
        if not module.isidentifier() or iskeyword(module):
            raise UsageError(f"{name} cannot be a spider's name: type letters, digits and _")
        url = url.replace("\\", "%5C").replace('"', "%22")  # it stands in a string of Python
        variables = super()._generate_template_variables(module, name, url, template_name)
        return variables | {"stem": string_camelcase(module)}
