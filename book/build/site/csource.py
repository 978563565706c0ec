"""csource.py: C as HTML: comments, strings, words of the language told apart, functions linked."""
import html
import re

WORDS = """auto break case char const continue default do double else enum extern float for goto if
inline int long register restrict return short signed sizeof static struct switch typedef union
unsigned void volatile while bool true false NULL""".split()
TOKEN = re.compile(r"""
    (?P<comment> /\*.*?\*/ | //[^\n]* )
  | (?P<string>  "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
  | (?P<directive> ^[ \t]*\#[ \t]*\w+ )
  | (?P<word>    [A-Za-z_]\w* )
  | (?P<number>  \d[\w.]* )
""", re.X | re.S | re.M)


def coloured(text, names, up):
    """The text as HTML; a function in NAMES {name: place} is a link. Lines stay lines."""
    out, end = [], 0
    for mark in TOKEN.finditer(text):
        out.append(html.escape(text[end:mark.start()], quote=False))
        end = mark.end()
        kind, shown = mark.lastgroup, html.escape(mark[0], quote=False)
        if kind == "word":
            if mark[0] in WORDS:
                shown = f"<b>{shown}</b>"
            elif mark[0] in names:
                shown = f'<a href="{up}{names[mark[0]]}">{shown}</a>'
            out.append(shown)
        elif kind == "number":
            out.append(shown)
        else:  # a comment of many lines is closed and opened at each end of line
            tag = {"comment": "i", "string": "q", "directive": "b"}[kind]
            out.append("\n".join(f"<{tag}>{line}</{tag}>" for line in shown.split("\n")))
    return "".join(out) + html.escape(text[end:], quote=False)


def diff(lines):
    kinds = {"+": "ins", "-": "del"}
    out = []
    for line in lines:
        shown, tag = html.escape(line, quote=False), kinds.get(line[:1])
        if line.startswith(("+++", "---", "@@")):
            out.append(f"<b>{shown}</b>")
        else:
            out.append(f"<{tag}>{shown}</{tag}>" if tag else shown)
    return "\n".join(out)
