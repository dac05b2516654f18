"""One HTML page on a set of interactions, without anything to fetch: open it, send it, keep it beside a run."""

from html import escape
from pathlib import Path

from traceformers.apps.interactions.interactions_statistics import FEW, summarize
from traceformers.apps.interactions.svg_charts import bar_chart, line_chart, show

STYLE = """
:root { --ink: #1c2430; --soft: #68727f; --paper: #fff; --rule: #dde2e8; --main: #2f6fb0;
  --c1: #c4572f; --c2: #3a8f5c; --c3: #8a5fb5; --c4: #b38a1d; --c5: #4a9fa8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #98a2af; --paper: #14181f; --rule: #2c333d;
  --main: #6aa7e6; --c1: #ea8a64; --c2: #6cc391; --c3: #b998de; --c4: #e0bb55; --c5: #7fcdd5; } }
* { box-sizing: border-box } body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 72rem; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, sans-serif }
h1 { margin: 0 0 .3rem; font-size: 1.7rem } h2 { margin: 0 0 .2rem; font-size: 1.05rem } p { margin: .2rem 0 .6rem }
.soft, figcaption { color: var(--soft); font-size: .9rem } main { display: grid; gap: 2rem 2.5rem; margin-top: 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)) }
.numbers { display: flex; flex-wrap: wrap; gap: .4rem 2.2rem; margin: 1.2rem 0; padding: 0; list-style: none }
.numbers b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums } svg { width: 100%; height: auto }
svg text { fill: var(--soft); font-size: 11px } .end { text-anchor: end } .middle { text-anchor: middle }
.grid { stroke: var(--rule) } .bar { fill: var(--main) } .line { fill: none; stroke-width: 2 }
.line0 { stroke: var(--main) } .line1 { stroke: var(--c1) } .line2 { stroke: var(--c2) } .line3 { stroke: var(--c3) }
.line4 { stroke: var(--c4) } .line5 { stroke: var(--c5) } .dot0 { fill: var(--main); background: var(--main) }
.dot1 { fill: var(--c1); background: var(--c1) } .dot2 { fill: var(--c2); background: var(--c2) }
.dot3 { fill: var(--c3); background: var(--c3) } .dot4 { fill: var(--c4); background: var(--c4) }
.dot5 { fill: var(--c5); background: var(--c5) } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: 0;
  padding: 0; list-style: none; font-size: .85rem } .legend i { display: inline-block; width: .7em; height: .7em;
  margin-right: .4em; border-radius: 50% } table { width: 100%; border-collapse: collapse; font-size: .9rem }
td, th { padding: .2rem .5rem .2rem 0; border-bottom: 1px solid var(--rule); text-align: left }
td.wrap { overflow-wrap: anywhere }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } figure { margin: 0 }
"""
MEASURES = {
    "popular": "with the most popular tenth of the items",
    "new": "with items that first occur here",
    "kept": "of the 100 most frequent items, in the tenth before too",
}


def write_report(interactions, path):
    """Returns the path of the page that it wrote.

    Args:
        interactions (`Interactions`): with at least one row.
        path (`str` or `os.PathLike`): of the file, .html; its folder is made.

    Raises:
        ValueError: if there is no row.
    """
    page = report_page(summarize(interactions), interactions.about)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".half")
    half.write_text(page, encoding="utf-8")
    half.replace(path)
    return path


def report_page(figures, about):
    """Returns the HTML of the figures of `summarize`.

    Args:
        figures (`dict`).
        about (`dict`): of `Interactions`.
    """
    facts, moments = figures["facts"], about.get("time") == "unix"
    where = f"in each tenth of the {'interactions, by time' if moments else 'histories, from oldest to newest'}"
    name = escape(str(about.get("name") or "interactions"))
    sections = [
        _figure(
            "History lengths",
            f"Users by their number of interactions; median {show(facts['items a user: median'])}, mean "
            f"{show(facts['items a user: mean'])}, {show(facts['users with one item'])} users have one.",
            bar_chart(figures["lengths"], "users by number of interactions"),
        ),
        _figure(
            "Item popularity",
            f"Items by their number of interactions; {show(facts['cold items'])} have fewer than {FEW}.",
            bar_chart(figures["popularity"], "items by number of interactions"),
        ),
        _figure(
            "Long tail",
            f"Share of the interactions that the most popular items have; Gini {show(facts['gini'])}. "
            f"The first 1 % of the items has {_percent(facts['share of the top 1 %'])}.",
            line_chart(
                {"items": [(f"{x:.0%}", y) for x, y in figures["tail"]]}, "share of interactions by share of items"
            ),
        ),
    ]
    if figures["values"]:
        sections.append(
            _figure("Values", "Interactions by value.", bar_chart(figures["values"], "interactions by value"))
        )
    if figures["volume"]:
        sections.append(_figure("Over time", "Interactions by date, UTC.", bar_chart(figures["volume"], "by date")))
    lines = {MEASURES[name]: points for name, points in figures["drift"].items()}
    sections.append(_figure("Drift", f"Share of interactions or items {where}.", line_chart(lines, "drift")))
    if figures["genres"]:
        chart = line_chart(figures["genres"], "genres")
        sections.append(
            _figure("Drift of genres", f"Share of the interactions {where}; an item may have several.", chart)
        )
    sections += [_coverage(figures["coverage"]), _top(figures["top"])]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}: interactions</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>\n'
        f"<h1>{name}</h1>\n{_origin(about)}\n{_numbers(facts)}\n<main>\n"
        + "\n".join(sections)
        + "\n</main></body></html>\n"
    )


def _origin(about):
    times = {
        "unix": "Times are moments.",
        "order": "There are no moments: rows are in order of time, or carry ranks.",
    }.get(about.get("time"), "There are no times: the order of the rows counts.")
    licence = (about.get("licence") or "not recorded").rstrip(".")
    lines = [f"Source: {about.get('source') or 'unknown'}. Licence: {licence}. {times}"]
    lines += [f"Left out: {count:,} rows, {reason}." for reason, count in about.get("dropped", {}).items()]
    return "".join(f'<p class="soft">{escape(line)}</p>' for line in lines)


def _numbers(facts):
    shown = {
        "users": show(facts["users"]),
        "items": show(facts["items"]),
        "interactions": show(facts["interactions"]),
        "of all pairs are empty (sparsity)": f"{1 - facts['density']:.3%}",
        "items a user, least to most": f"{show(facts['items a user: least'])} to {show(facts['items a user: most'])}",
        "users of the median item": show(facts["users an item: median"]),
        "repeated pairs": show(facts["repeated"]),
    }
    return '<ul class="numbers">' + "".join(f"<li><b>{v}</b>{k}</li>" for k, v in shown.items()) + "</ul>"


def _figure(title, caption, chart):
    return f"<figure><h2>{escape(title)}</h2><figcaption>{escape(caption)}</figcaption>{chart}</figure>"


def _coverage(coverage):
    if not coverage:
        return "<section><h2>Metadata</h2><p>Nothing is known of the items.</p></section>"
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{_percent(items)}</td><td class="n">{_percent(rows)}</td></tr>'
        for name, (items, rows) in coverage.items()
    )
    head = '<tr><th>known</th><th class="n">of the items</th><th class="n">of the interactions</th></tr>'
    return f"<section><h2>Metadata</h2><table>{head}{rows}</table></section>"


def _top(items):
    rows = "".join(
        f'<tr><td>{escape(item)}</td><td class="wrap">{escape(title or "")}</td><td class="n">{count:,}</td></tr>'
        for item, title, count in items
    )
    head = '<tr><th>item</th><th>title</th><th class="n">interactions</th></tr>'
    return f"<section><h2>Most popular items</h2><table>{head}{rows}</table></section>"


def _percent(share):
    return f"{share:.1%}"
