"""Cards: Markdown that owners write, as HTML that can harm nobody who reads it.

The Markdown may hold no HTML of its own, and what comes out is sanitised once more: neither the
parser nor the sanitiser is trusted alone. Pictures become links, so that reading a card tells no
other server who reads it.
"""

from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

CARD_MAX = 100_000  # characters

_SCHEMES = {"http", "https", "mailto"}
_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code"),
    *("ul", "ol", "li", "em", "strong", "s", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ALIGNED = {"th": {"style"}, "td": {"style"}}


@lru_cache(maxsize=128)
def card_html(text: str) -> str:
    """The card as HTML without scripts, styles, pictures, or links but to the web and mail."""
    return nh3.clean(
        _markdown().render(text[:CARD_MAX]),
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, **_ALIGNED},
        filter_style_properties={"text-align"},
        url_schemes=_SCHEMES,
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.core.ruler.push("pictures", _mark_linked)
    markdown.add_render_rule("image", _picture)
    return markdown


def _mark_linked(state: StateCore) -> None:
    """Remember which pictures lie within a link: links do not nest."""
    for block in state.tokens:
        depth = 0
        for token in block.children or ():
            depth += token.nesting if token.type in ("link_open", "link_close") else 0
            if token.type == "image":
                token.meta["linked"] = depth > 0


def _picture(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    """A picture as a link to it, or as its text alone."""
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    text = renderer.renderInlineAsText(token.children, options, env) or source
    shown = _escaped(text)
    return shown if token.meta.get("linked") else f'<a href="{_escaped(source)}">{shown}</a>'


def _escaped(text: str) -> str:
    return nh3.clean_text(text)
