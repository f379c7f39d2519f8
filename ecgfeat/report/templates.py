"""Templates of the pages, and tips on the words of the glossary."""

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from importlib import resources

import jinja2

from ecgfeat.report.results.inputs import Term


def load_template(name: str) -> jinja2.Template:
    """Load one of the templates beside this module.

    Parameters
    ----------
    name : str
        File name, such as ``page.html``.

    Returns
    -------
    jinja2.Template
        It escapes inserted text; a name without a value is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)


def _read(name: str) -> str:
    return resources.files("ecgfeat.report").joinpath(name).read_text("utf-8")


PLAIN_WORDS = {
    *("annotation", "array", "artifact", "beat", "beats", "corpus", "fold", "lead", "minutes", "mirror", "params"),
    *("record", "reference", "run", "sample", "stage", "subject", "support", "symbol", "system", "table"),
}
"""Words of the glossary that the pages do not explain: their plain sense is near enough, or is meant as often."""


def parse_glossary(text: str) -> list[Term]:
    """Read the terms of a glossary in Markdown.

    Parameters
    ----------
    text : str
        Sections with a table each; in a row the spellings, with commas between them, and the meaning. The terms of the
        section ``Abbreviations`` are short ones.

    Returns
    -------
    list of Term
        In the order of the text.
    """
    terms, section = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").strip()
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 2 or set(cells[0]) <= set("-: ") or cells[0] in ("short", "word"):
            continue
        spellings = tuple(part.strip("`* ") for part in cells[0].split(","))
        terms.append(Term(spellings, cells[1].replace("`", ""), section == "Abbreviations"))
    return terms


def add_tips(page: str, glossary: Sequence[Term]) -> str:
    """Let the words of a page say what they mean: by pointer, by touch and by keyboard, without a script.

    Parameters
    ----------
    page : str
        An HTML document.
    glossary : sequence of Term
        Terms; without any, the page stays as it is.

    Returns
    -------
    str
        The same document. Abbreviations are buttons where they come first in a section, or first in a part that is
        folded; other terms where they come first on the page. Each opens its meaning, a popover at the end of the page.

    Notes
    -----
    * Headings, links, code, pictures and what can be pressed already stay as they are.
    """
    if not glossary:
        return page
    writer = _TipWriter(glossary)
    writer.feed(page)
    writer.close()
    tips = "".join(
        f'<div popover class="tip" id="tip-{number}"><strong>{escape(", ".join(glossary[number].spellings))}</strong> '
        f"{escape(glossary[number].meaning)}</div>\n"
        for number in sorted(writer.used)
    )
    return "".join(writer.parts).replace("</body>", f"{tips}</body>")


class _TipWriter(HTMLParser):
    """Copies a document, and puts buttons around its terms."""

    LEFT = frozenset({"head", "style", "nav", "h1", "h2", "h3", "a", "button", "summary", "code", "svg", "footer"})

    def __init__(self, glossary: Sequence[Term]) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self.used: set[int] = set()
        self._glossary = glossary
        self._left = 0
        self._seen: list[set[int]] = [set()]
        self._number: dict[str, int] = {}
        for number, term in enumerate(glossary):
            for spelling in term.spellings:
                if spelling in PLAIN_WORDS:
                    continue
                self._number[spelling] = number
                if not term.is_short:
                    self._number[spelling[:1].upper() + spelling[1:]] = number
        spellings = sorted(self._number, key=lambda spelling: (-len(spelling), spelling))
        # A single T is a rhythm, but not that of a T wave; R-peak is one word, TTA-7 is TTA.
        self._pattern = re.compile(
            rf"(?<![\w.+-])({'|'.join(map(re.escape, spellings))})s?(?!\w|-[A-Za-z]|[ \u00a0](?:wave|peak))"
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(self.get_starttag_text() or "")
        self._left += tag in self.LEFT
        if tag in ("section", "details"):
            self._seen.append(self._seen[-1].copy() if tag == "details" else set())

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"</{tag}>")
        self._left -= tag in self.LEFT
        if tag in ("section", "details"):
            self._seen.pop()

    def handle_data(self, data: str) -> None:
        self.parts.append(data if self._left else self._pattern.sub(self._button, data))

    def handle_entityref(self, name: str) -> None:
        self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.parts.append(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self.parts.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self.parts.append(f"<!--{data}-->")

    def _button(self, match: re.Match[str]) -> str:
        number = self._number[match[1]]
        term = self._glossary[number]
        if number in self._seen[-1] or (number in self.used and not term.is_short):
            return match[0]
        self._seen[-1].add(number)
        self.used.add(number)
        meaning = escape(term.meaning)
        return f'<button type="button" class="term" popovertarget="tip-{number}" title="{meaning}">{match[0]}</button>'
