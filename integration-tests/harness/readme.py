"""The lines that README shows, for whoever tries them."""

import re

from .stack import ROOT


def block(title: str, number: int = 0, language: str = "") -> str:
    """The lines of a language (none: of a shell) under the heading that begins so; `number`: there are several."""
    chapters = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    (text,) = [chapter for chapter in chapters if chapter.startswith(title)]
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [lines for of, lines in fenced if of == language][number]
