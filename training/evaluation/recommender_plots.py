"""Pictures of a comparison of recommenders: figures side by side, and one figure over the slices."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

DEVIATIONS = 2  # standard errors that a whisker shows
TITLES = {"history_length": "items of the history", "target_popularity": "interactions of the target in training"}


def draw_comparison(comparison, path):
    """Writes a picture of `build_comparison`: the figure of each system, then by slices, with two standard errors.

    Args:
        comparison (`dict`): of `build_comparison`.
        path (path): a .png file.
    """
    figure_name, systems = comparison["figure"], comparison["systems"]
    kinds = [kind for kind in TITLES if systems[0]["slices"].get(kind)]
    height = 1.2 + 0.42 * max(5, len(systems))
    figure, axes = pyplot.subplots(1, 1 + len(kinds), figsize=(5 + 4.5 * len(kinds), height), squeeze=False)
    _draw_systems(axes[0, 0], systems, figure_name)
    for axis, kind in zip(axes[0, 1:], kinds, strict=True):
        _draw_slices(axis, systems, kind, figure_name)
    if kinds:
        axes[0, -1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=130, bbox_inches="tight")
    pyplot.close(figure)


def _draw_systems(axis, systems, name):
    values = [one["figures"][name] or 0 for one in systems]
    errors = [DEVIATIONS * (one["errors"].get(name) or 0) for one in systems]
    places = range(len(systems))
    colours = [pyplot.cm.tab10(number % 10) for number in places]
    axis.barh(places, values, xerr=errors, color=colours, height=0.7, error_kw={"elinewidth": 1, "ecolor": "0.3"})
    axis.set_yticks(places, [one["name"] for one in systems])
    axis.invert_yaxis()
    axis.set_xlabel(f"{name}, with {DEVIATIONS} standard errors")
    axis.spines[["top", "right"]].set_visible(False)


def _draw_slices(axis, systems, kind, name):
    parts = list(systems[0]["slices"][kind])
    for number, one in enumerate(systems):
        rows = [one["slices"][kind][part] for part in parts]
        values = [row.get(name) or 0 for row in rows]
        errors = [DEVIATIONS * (row.get(f"{name}_error") or 0) for row in rows]
        places = [place + 0.12 * (number - (len(systems) - 1) / 2) for place in range(len(parts))]
        colour = pyplot.cm.tab10(number % 10)
        axis.errorbar(places, values, errors, fmt="o", markersize=4, color=colour, linewidth=1, label=one["name"])
    axis.set_xticks(range(len(parts)), [_tick(part, systems[0]["slices"][kind][part]) for part in parts], fontsize=8)
    axis.set_xlabel(TITLES[kind])
    axis.set_ylabel(name)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", alpha=0.25)


def _tick(part, values):
    return f"{part}\n{int(values['from'])} to {int(values['to'])}" if "from" in values else part
