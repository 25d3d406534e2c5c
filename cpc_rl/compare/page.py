"""The report as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from cpc_rl.compare.figure import BASELINE, FAINT, INK, PAPER, RULE, Style
from cpc_rl.compare.tables import Table

INKS = {INK: "ink", FAINT: "faint", RULE: "rule", PAPER: "paper", BASELINE: "baseline"}
CSS = """
:root { color-scheme: light dark; --ink: #1f2328; --faint: #59636e; --rule: #d1d9e0; --paper: #ffffff;
  --baseline: #0a0a0a; --shade: #f6f8fa; --warn: #9a6700; --warnpaper: #fff8c5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --faint: #9198a1; --rule: #3d444d; --paper: #0d1117;
  --baseline: #ffffff; --shade: #151b23; --warn: #e3b341; --warnpaper: #272115; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 84rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
h1 { font-size: clamp(1.25rem, 2.4vw, 1.75rem); line-height: 1.25; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; max-width: 60rem; }
.faint { color: var(--faint); } small { font-size: .85rem; }
figure { margin: 1.2rem 0; overflow-x: auto; }
figure svg { width: 100%; max-width: 72rem; min-width: 34rem; height: auto; display: block; }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .65rem; text-align: right; vertical-align: baseline; white-space: nowrap; }
th { color: var(--faint); font-weight: 600; background: var(--shade); vertical-align: bottom; white-space: normal; }
tbody td { border-top: 1px solid var(--rule); } tbody tr.new td { border-top-width: 2px; }
.word { text-align: left; } .again { color: var(--faint); }
.notes { margin: 1rem 0; padding: .7rem 1rem .7rem 2rem; background: var(--warnpaper); border-radius: 4px;
  border-left: 4px solid var(--warn); }
.notes li { overflow-wrap: anywhere; }
.chip { display: inline-block; width: 1.4em; border-top: 3px; margin-right: .5em; vertical-align: .25em; }
pre { overflow-x: auto; padding: .8rem 1rem; background: var(--shade); border-radius: 8px; font-size: .85rem; }
"""


def page(
    title: str,
    lead: str,
    notes: Sequence[str],
    svg: bytes,
    tables: Sequence[Table],
    styles: Mapping[str, Style],
    how: Sequence[str],
    command: str,
    refresh: float | None = None,
) -> str:
    """Lay out the page.

    Args:
        title: The finding.
        lead: One line below it.
        notes: What a reader must know before believing it.
        svg: The figure.
        tables: Their cells are escaped here, as is all other text.
        styles: Colour and dashes of each arm.
        how: How the numbers were made, a paragraph each.
        command: That made the page.
        refresh: Seconds after which a browser loads it again; None: never.
    """
    again = "" if refresh is None else f'<meta http-equiv="refresh" content="{max(1, round(refresh))}">\n'
    warned = "".join(f"<li>{escape(note)}</li>" for note in notes)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{escape(lead)}</p>',
        f'<ul class="notes" role="note">{warned}</ul>' if warned else "",
        f'<figure role="img" aria-label="{escape(title)}; the numbers are in the tables below">{themed(svg)}</figure>',
        *(_table(table, styles) for table in tables),
        "<h2>How these numbers were made</h2>",
        *(f'<p class="faint"><small>{escape(text)}</small></p>' for text in how),
        f"<pre>{escape(command)}</pre>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{again}<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def themed(svg: bytes) -> str:
    """The `<svg>` element; its neutral colours and the baseline's black are left to the page, which may be dark."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, name in INKS.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def _table(table: Table, styles: Mapping[str, Style]) -> str:
    head = "".join(f'<th{_kind(i, table)} scope="col">{escape(cell)}</th>' for i, cell in enumerate(table.head))
    rows, before = [], ""
    for row in table.rows:
        again = row[0] == before
        cells = (
            f"<td{_kind(i, table, again and i == 0)}>{_cell(cell, table.head[i], styles)}</td>"
            for i, cell in enumerate(row)
        )
        rows.append(("<tr>" if again else '<tr class="new">') + "".join(cells) + "</tr>\n")
        before = row[0]
    body = f"<table><thead><tr>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>"
    return f'<h2>{escape(table.title)}</h2>\n<div class="scroll" tabindex="0">{body}</div>'


def _cell(text: str, heading: str, styles: Mapping[str, Style]) -> str:
    style = styles.get(text.removesuffix(" (baseline)")) if heading == "arm" else None
    if style is None:
        return escape(text)
    colour, dashes = style
    line = {"-": "solid", "--": "dashed", ":": "dotted"}[dashes]
    return f'<span class="chip" style="border-top-style: {line}; border-color: {_css(colour)}"></span>{escape(text)}'


def _css(colour: str) -> str:
    return f"var(--{INKS[colour]})" if colour in INKS else colour


def _kind(index: int, table: Table, again: bool = False) -> str:
    names = ["word"] * (index < table.left) + ["again"] * again
    listed = " ".join(names)
    return f' class="{listed}"' if names else ""
