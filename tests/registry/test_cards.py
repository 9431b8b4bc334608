"""Cards: what Markdown becomes, and that nothing in it can harm a reader."""

import re
from html.parser import HTMLParser

import pytest

from registry.cards import CARD_MAX, card_html

ALLOWED = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "ul"),
    *("ol", "li", "em", "strong", "s", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='https://x.example' onclick=alert(1)>x</a>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>*{background:url(https://evil.example)}</style>",
    "<p style='position:fixed;inset:0'>x</p>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<details open ontoggle=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "[x](javascript&#58;alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;&#x09;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml;base64,PHN2Zz4=)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://hub.example/1)",
    "[x](//evil.example/x)",
    "[x](/logout/)",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](https://x.example "a\\"onmouseover=alert(1) b=\\"")',
    '[x](https://x.example"onmouseover="alert(1))',
    "![x](javascript:alert(1))",
    "![x](data:image/png;base64,AAAA)",
    "![x](https://tracker.example/pixel.png)",
    '![" onerror="alert(1)](https://x.example)',
    '![<img src=x onerror=alert(1)>](https://x.example "<script>")',
    "[![x](https://tracker.example/p.png)](https://x.example)",
    "```<img/onerror=alert(1)>\n<script>alert(1)</script>\n```",
    '```" onmouseover="alert(1)\nx\n```',
    "`<script>alert(1)</script>`",
    "|<script>|\n|:-:|\n|<img src=x onerror=alert(1)>|",
    "> <script>\n> alert(1)\n> </script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\<script>alert(1)\\</script>",
    "<https://x.example/<script>alert(1)</script>>",
    "\u2028<script>\u2029alert(1)</script>",
    "<a\x00href=javascript:alert(1)>x",
]


class Reader(HTMLParser):
    """Reads HTML as a browser would, and fails where it finds what a card may not hold."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        for name, value in attrs:
            assert name in {"href", "title", "rel", "style", "start"}
            if name == "href":
                assert re.match(r"(https?://|mailto:)", value or "")
            if name == "style":
                assert re.fullmatch(r"text-align:(left|right|center)", value or "")
        if tag == "a":
            assert dict(attrs)["rel"] == "noopener noreferrer nofollow"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("around", ["{}", "before {} after", "- {}", "# {}", "*{}*", "\n\n{}\n\n"])
def test_nothing_in_a_card_runs_or_reaches_out(text: str, around: str) -> None:
    reader = Reader(convert_charrefs=True)
    reader.feed(card_html(around.format(text)))
    reader.close()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("# Title", "<h1>Title</h1>\n"),
        (
            "a *b* **c** ~~d~~ `e`",
            "<p>a <em>b</em> <strong>c</strong> <s>d</s> <code>e</code></p>\n",
        ),
        ("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>\n"),
        ("3. three", '<ol start="3">\n<li>three</li>\n</ol>\n'),
        ("```py\nx = 1\n```", "<pre><code>x = 1\n</code></pre>\n"),
        (
            "[docs](https://x.example)",
            '<p><a href="https://x.example" rel="noopener noreferrer nofollow">docs</a></p>\n',
        ),
        (
            "![plot](https://x.example/c)",
            '<p><a href="https://x.example/c" rel="noopener noreferrer nofollow">plot</a></p>\n',
        ),
    ],
)
def test_markdown_becomes_html(text: str, html: str) -> None:
    assert card_html(text) == html


def test_tables_keep_their_alignment() -> None:
    html = card_html("|a|b|\n|:-|-:|\n|1|2|")
    assert '<td style="text-align:right">2</td>' in html


@pytest.mark.parametrize(
    "piece", ["[", "![", "[![", "> ", "*a **", "_a ", "- ", "|a", "<a ", "](b)", "&", "`` "]
)
def test_the_longest_card_of_anything_takes_no_more_than_seconds(piece: str) -> None:
    text = (piece * CARD_MAX)[:CARD_MAX]
    card_html.__wrapped__(text)  # the timeout of the tests is the judge
