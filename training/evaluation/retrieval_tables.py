"""The report of a retrieval evaluation as Markdown, and as pictures."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

MARKS = {"teacher": "*", "symmetric": "o", "asymmetric": "^", "hybrid": "s", "words": "D"}


def report_markdown(report):
    """Returns the report of `build_report`, with what the run added to it, as Markdown."""
    lines = ["# Retrieval", ""]
    for name, counts in report["sets"].items():
        lines.append(
            f"- {name}: {counts['documents']:,} documents, {counts['all_queries']} queries "
            f"({counts['dev_queries']} dev, {counts['test_queries']} test)"
        )
    lines += ["", f"Teacher: {report['teacher']}. Every cell: nDCG@10 (percent of the teacher's). Errors are standard"]
    lines += [
        "errors of paired differences. Settings were chosen on dev queries; those are not among the test queries."
    ]
    for part, title in (("test", "Test queries"), ("all", "All queries")):
        if any(part in system["parts"] for system in report["systems"]):
            lines += ["", f"## {title}", "", *_quality(report, part), "", *_differences(report, part)]
    lines += ["", "## By words of the query (all sets)", "", *_lengths(report)]
    if any("sts" in system or "agreement" in system for system in report["systems"]):
        lines += ["", "## STS and agreement with the teacher's vectors", "", *_agreement(report)]
    for name, cascade in report.get("cascades", {}).items():
        lines += ["", f"## Cascade: {name}", "", *_cascade(cascade)]
    for name, cases in report.get("failures", {}).items():
        lines += ["", f"## Where {name} lost most", "", *_failures(cases)]
    return "\n".join(lines) + "\n"


def table(header, rows):
    """Returns the lines of a Markdown table; the first column is text, the others are numbers."""
    align = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(map(_cell, row))} |" for row in (header, align, *rows)]


def _quality(report, part):
    sets = list(report["sets"])
    rows = []
    for system in report["systems"]:
        figures = system["parts"].get(part)
        if figures is None:
            continue
        mean = figures["mean"]
        row = [system["label"]]
        for name in sets:
            one = figures.get(name)
            row.append(f"{_percent(one['ndcg@10'])} ({_percent(one['retention'], 0)})" if one else "–")
        row += [_percent(mean["ndcg@10"]), _with_error(mean["retention"], mean["retention_error"])]
        row += [_percent(mean["mrr@10"]), _percent(mean["recall@100"])]
        speed, size = system.get("texts_per_second"), system.get("size_bytes")
        row += [f"{speed:,.0f}" if speed else "–", f"{size / 1e6:,.1f}" if size else "–"]
        rows.append(row)
    return table(["system", *sets, "mean", "retention", "MRR@10", "R@100", "texts/s", "MB"], rows)


def _differences(report, part):
    """Returns the table of differences in nDCG@10, in points: over the sets, and to the base in each set."""
    sets = list(report["sets"])
    others = {"teacher": "less the teacher", "reference": f"less {report['reference']}", "base": "less its base"}
    if report["reference"] is None:
        del others["reference"]
    rows = []
    for system in report["systems"][1:]:
        figures = system["parts"].get(part)
        if figures is None:
            continue
        row = [system["label"]]
        for other in others:
            row.append(_with_error(figures["mean"].get(f"minus_{other}"), figures["mean"].get(f"minus_{other}_error")))
        for name in sets:
            one = figures.get(name, {})
            row.append(_with_error(one.get("minus_base"), one.get("minus_base_error")))
        rows.append(row)
    return table(["system", *others.values(), *(f"{name}, less its base" for name in sets)], rows)


def _lengths(report):
    lengths = list(dict.fromkeys(name for system in report["systems"] for name in system["lengths"]))
    counts = report["systems"][0]["lengths"]
    header = ["system", *(f"{name} ({counts[name]['queries']})" for name in lengths)]
    rows = [
        [
            system["label"],
            *(f"{_percent(row['ndcg@10'])} ({_percent(row['retention'], 0)})" for row in system["lengths"].values()),
        ]
        for system in report["systems"]
    ]
    return table(header, rows)


def _agreement(report):
    header = ["system", *(f"STS {name}" for name in report.get("sts_sets", []))]
    keys = ("cosine", "cosine_short", "cosine_long", "pair_spearman")
    header += ["cosine", "below 12 words", "longer", "pairs, Spearman"]
    rows = []
    for system in report["systems"]:
        sts, agreement = system.get("sts", {}), system.get("agreement", {})
        if sts or agreement:
            row = [system["label"], *(_percent(sts.get(name)) for name in report.get("sts_sets", []))]
            rows.append(row + ["–" if agreement.get(key) is None else f"{agreement[key]:.4f}" for key in keys])
    return table(header, rows)


def _cascade(cascade):
    header = ["queries to the teacher", "nDCG@10", "retention", "recovered", "random nDCG@10", "random ±"]
    rows = [
        [
            _percent(row["share"]),
            _percent(row["value"], 2),
            _percent(row["retention"]),
            _percent(row["recovered"]),
            _percent(row["random"], 2),
            _percent(row["random_deviation"], 2),
        ]
        for row in cascade["curve"]
    ]
    back = _with_error(cascade["recovered"], cascade["recovered_error"])
    return [
        f"Uncertainty by {cascade['signal']}, chosen on dev queries; figures on test queries. "
        f"{_percent(cascade['share'], 0)} % of the queries recover {back} % of the loss.",
        "",
        *table(header, rows),
    ]


def _failures(cases):
    lines = []
    for case in cases:
        scores = f"{_percent(case['ndcg@10'])} against {_percent(case['teacher_ndcg@10'])}"
        lines += [f"**{_cell(case['query'])}** ({case['set']}, {scores})", ""]
        rows = []
        for rank in range(max(len(case["system"]), len(case["teacher"]))):
            both = [case[side][rank] if rank < len(case[side]) else None for side in ("system", "teacher")]
            rows.append([rank + 1, *(f"[{one['grade']}] {one['text']}" if one else "" for one in both)])
        lines += [*table(["rank", "system [grade]", "teacher [grade]"], rows), ""]
    return lines


def draw_quality(report, path, part="all"):
    """Writes retention against texts a second and against size, a mark a system; systems without a speed as lines."""
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4.8), sharey=True)
    for system, colour in zip(report["systems"], _colours(report["systems"]), strict=True):
        value = 100 * (system["parts"][part]["mean"]["retention"] or 0)
        for axis, key, unit in zip(axes, ("texts_per_second", "size_bytes"), (1, 1e6), strict=True):
            if system.get(key):
                mark = MARKS[system["mode"]]
                axis.plot(system[key] / unit, value, mark, color=colour, markersize=8, label=system["label"])
            else:
                axis.axhline(value, color=colour, linestyle=":", linewidth=1, label=system["label"])
    for axis, label in zip(axes, ("queries encoded a second", "weights, MB"), strict=True):
        axis.set_xscale("log")
        axis.set_xlabel(label)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("nDCG@10, percent of the teacher's")
    axes[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    _save(figure, path)


def draw_cascade(cascades, path):
    """Writes retention by the share of queries that go to the teacher, with the random control and two deviations."""
    figure, axis = pyplot.subplots(figsize=(7, 4.5))
    for number, (name, cascade) in enumerate(cascades.items()):
        rows, colour = cascade["curve"], f"C{number}"
        shares = [100 * row["share"] for row in rows]
        teacher = rows[0]["value"] / rows[0]["retention"]
        axis.plot(shares, [100 * row["retention"] for row in rows], "o-", color=colour, label=name, markersize=4)
        random = [100 * row["random"] / teacher for row in rows]
        spread = [200 * row["random_deviation"] / teacher for row in rows]
        low, high = ([r + sign * s for r, s in zip(random, spread, strict=True)] for sign in (-1, 1))
        axis.plot(shares, random, "--", color=colour, linewidth=1)
        axis.fill_between(shares, low, high, color=colour, alpha=0.12, linewidth=0)
    axis.set_xlabel("percent of the queries that go to the teacher")
    axis.set_ylabel("nDCG@10, percent of the teacher's")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    _save(figure, path)


def _colours(systems):
    names = list(dict.fromkeys(system["system"] for system in systems))
    return [pyplot.cm.tab10(names.index(system["system"]) % 10) for system in systems]


def _save(figure, path):
    figure.savefig(path, dpi=130, bbox_inches="tight")
    pyplot.close(figure)


def _percent(value, digits=1):
    return "–" if value is None else f"{100 * value:.{digits}f}"


def _with_error(value, error):
    return _percent(value) + ("" if error is None else f" ± {_percent(error)}")


def _cell(value):
    return " ".join(str(value).replace("|", "\\|").split())
