"""The Jinja2 templates of the report and the model card.

Every value is escaped as HTML (autoescape) unless its type is ``Markup``, and a name that a template uses but
does not get is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from schematic_reader.io.display import clipped


def load_template(path: Path) -> Template:
    """The template in that file; it may include files of its folder.

    Filters: ``clipped(limit)`` of ``io.display``; ``fixed`` and ``signed``, a number with three decimals;
    ``fenced(language)``, a Markdown code block.
    """
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "clipped": clipped,
        "fixed": "{:.3f}".format,
        "signed": "{:+.3f}".format,
        "fenced": fenced,
    }
    environment.filters |= filters
    return environment.get_template(path.name)


def fenced(text: str, language: str) -> Markup:
    """A Markdown code block, whose text needs no escaping: the fence is longer than any within."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return Markup(f"{fence}{language}\n{text}\n{fence}")  # noqa: S704, nothing in a code block is HTML
