"""A comparison of recommenders as Markdown."""

from traceformers.training.evaluation.retrieval_tables import table

SLICE_TITLES = {
    "history_length": "By length of the history",
    "target_popularity": "By interactions of the target in training",
}


def comparison_markdown(comparison):
    """Returns the comparison of `build_comparison` as Markdown: figures, differences, slices."""
    systems, figure, reference = comparison["systems"], comparison["figure"], comparison["reference"]
    lines = ["# Next items, ranked among all items not had before", ""]
    lines += [f"{comparison['users']:,} users. Means over seeds; ± is the standard error over users.", ""]
    lines += ["Novelty is in bits; coverage is the share of all items that anyone is recommended.", ""]
    cut = figure.partition("@")[1:]
    names = [name for name in systems[0]["figures"] if not cut[1] or name.partition("@")[1:] == cut]
    header = ["system", "seeds", *names]
    lines += table(
        header, [[one["name"], one["seeds"], *(_with_error(one, name) for name in names)] for one in systems]
    )
    compared = [one for one in systems if one["versus"]]
    if compared:
        lines += ["", f"## Differences in {figure}, less {reference}", ""]
        lines += ["Paired over users; an error over seeds needs two seeds, a verdict three.", ""]
        header = ["system", "difference", "error over users", "error over seeds", "more than two errors"]
        rows = [
            [
                one["name"],
                _number(one["versus"]["difference"]),
                _number(one["versus"]["error_users"]),
                _number(one["versus"]["error_seeds"]),
                {True: "yes", False: "no", None: "too few seeds"}[one["versus"]["significant"]],
            ]
            for one in compared
        ]
        lines += table(header, rows)
    for kind, title in SLICE_TITLES.items():
        parts = systems[0]["slices"].get(kind)
        if parts:
            lines += ["", f"## {title}: {figure}", ""]
            header = ["system", *(_part_title(name, part) for name, part in parts.items())]
            rows = [
                [one["name"], *(_slice_cell(one["slices"][kind][name], figure) for name in parts)] for one in systems
            ]
            lines += table(header, rows)
    return "\n".join(lines) + "\n"


def _part_title(name, part):
    counts = f", {int(part['from'])} to {int(part['to'])}" if "from" in part else ""
    return f"{name}{counts} ({int(part['users']):,} users)"


def _slice_cell(part, figure):
    error = part.get(f"{figure}_error")
    return _number(part.get(figure)) + (f" ± {_number(error)}" if error is not None else "")


def _with_error(system, name):
    error = system["errors"].get(name)
    digits = 2 if name.startswith("novelty") else 4
    value = _number(system["figures"][name], digits)
    return value if error is None else f"{value} ± {_number(error, digits)}"


def _number(value, digits=4):
    return "–" if value is None else f"{value:.{digits}f}"
