"""The figures of a report on interactions: lengths, popularity, sparsity, metadata, drift. Arrays in, JSON-safe out."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traceformers.datasets_scripts.interactions.item_columns import LIST_COLUMNS

SLICES = 10
FEW = 10  # an item with fewer interactions is cold
TOP_ITEMS = 20
TOP_GENRES = 6
TAIL_POINTS = 101
MOST_MONTHS = 48


def summarize(interactions):
    """Returns {section: figures} of `Interactions`, N > 0 rows; see the functions below.

    Raises:
        ValueError: if there is no row.
    """
    if not len(interactions):
        raise ValueError("Expected interactions to report on, got none. Loosen the filters, or name another file.")
    lengths = np.bincount(interactions.users)
    popularity = np.bincount(interactions.items, minlength=len(interactions.item_ids))
    slices, labels = slices_of(interactions)
    return {
        "facts": facts(interactions, lengths, popularity),
        "lengths": log_histogram(lengths),
        "popularity": log_histogram(popularity),
        "tail": long_tail(popularity),
        "values": value_histogram(interactions.values),
        "volume": volume(interactions),
        "coverage": coverage(interactions.items_table, popularity),
        "drift": drift(interactions, slices, labels, popularity),
        "genres": genre_drift(interactions, slices, labels),
        "top": top_items(interactions, popularity),
    }


def facts(interactions, lengths, popularity):
    """Returns {name: number} of the whole: counts, density, quantiles, cold items, inequality."""
    counts = interactions.counts()
    cells = counts["users"] * counts["items"]
    ordered = np.sort(interactions.users * counts["items"] + interactions.items)
    pairs = 1 + int((ordered[1:] != ordered[:-1]).sum())
    most = np.sort(popularity)[::-1]
    return {
        **counts,
        "density": pairs / cells,
        "repeated": len(interactions) - pairs,
        "items a user: least": int(lengths.min()),
        "items a user: median": float(np.median(lengths)),
        "items a user: mean": float(lengths.mean()),
        "items a user: most": int(lengths.max()),
        "users with one item": int((lengths == 1).sum()),
        "users an item: median": float(np.median(popularity)),
        "users an item: most": int(most[0]),
        "cold items": int((popularity < FEW).sum()),
        "share of the top 1 %": float(most[: max(1, len(most) // 100)].sum() / most.sum()),
        "gini": gini(popularity),
    }


def gini(counts):
    """Returns the Gini coefficient of counts: 0 if all are equal, towards 1 if one has everything."""
    ordered = np.sort(counts).astype(np.float64)
    ranks = np.arange(1, len(ordered) + 1)
    return float((2 * ranks - len(ordered) - 1) @ ordered / (len(ordered) * ordered.sum()))


def log_histogram(counts):
    """Returns [(label, number)] of counts in bins 1, 2-3, 4-7, 8-15 ..., without the empty ends."""
    bins = np.bincount(np.frexp(counts.astype(np.float64))[1] - 1)
    first = int(np.argmax(bins > 0))
    return [(_bin_label(i), int(bins[i])) for i in range(first, len(bins))]


def _bin_label(i):
    return "1" if i == 0 else f"{2**i:,}-{2 ** (i + 1) - 1:,}"


def long_tail(popularity):
    """Returns [(share of the items, share of the interactions)], the most popular items first."""
    shares = np.concatenate([[0], np.cumsum(np.sort(popularity)[::-1]) / popularity.sum()])
    points = np.linspace(0, len(popularity), TAIL_POINTS)
    return list(
        zip(
            (points / len(popularity)).tolist(), np.interp(points, np.arange(len(shares)), shares).tolist(), strict=True
        )
    )


def value_histogram(values):
    """Returns [(label, number)] of the values, ten bins if they are more than a dozen; [] without values."""
    known = np.array([]) if values is None else values[~np.isnan(values)]
    if not len(known):
        return []
    distinct, counts = np.unique(known, return_counts=True)
    if len(distinct) > 12:
        counts, edges = np.histogram(known, 10)
        return [(f"{low:.3g}", int(count)) for low, count in zip(edges, counts, strict=False)]
    return [(f"{value:g}", int(count)) for value, count in zip(distinct, counts, strict=True)]


def volume(interactions):
    """Returns [(month or year, number of interactions)], [] if the times are not moments."""
    if interactions.times is None or interactions.about.get("time") != "unix":
        return []
    days = interactions.times.astype("datetime64[s]")
    months = days.astype("datetime64[M]")
    unit = months if (months.max() - months.min()).astype(int) < MOST_MONTHS else days.astype("datetime64[Y]")
    first = unit.min()
    counts = np.bincount((unit - first).astype(int))
    return [(str(first + i), int(count)) for i, count in enumerate(counts)]


def coverage(table, popularity):
    """Returns {column: (share of items, share of interactions)} for which it is known; {} without a table."""
    if table is None:
        return {}
    found = {}
    for name in table.column_names[1:]:
        column = table.column(name)
        known = pc.greater(pc.list_value_length(column), 0) if name in LIST_COLUMNS else pc.is_valid(column)
        known = np.asarray(known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known, dtype=bool)
        found[name] = (float(known.mean()), float(popularity[known].sum() / popularity.sum()))
    return found


def slices_of(interactions):
    """Returns (slice of each row int64 (N,), labels): tenths of the rows by time, or of each history by its order."""
    order = interactions.time_order()
    rows = np.arange(len(order))
    if interactions.about.get("time") == "unix" and interactions.times is not None:
        slices = np.empty(len(order), dtype=np.int64)
        slices[order] = rows * SLICES // len(order)
        firsts = [-(-i * len(order) // SLICES) for i in range(SLICES)]  # ceiling: the first row of each slice
        days = [_day(interactions.times[order[first]]) if first < len(order) else "" for first in firsts]
        return slices, [f"{day} ({i + 1})" if days.count(day) > 1 else day for i, day in enumerate(days)]
    order = order[np.argsort(interactions.users[order], kind="stable")]
    lengths = np.bincount(interactions.users)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    slices = np.empty(len(order), dtype=np.int64)
    slices[order] = (rows - starts) * SLICES // np.repeat(lengths, lengths)
    return slices, [f"{100 * i // SLICES} %" for i in range(SLICES)]


def _day(seconds):
    return str(np.datetime64(int(seconds), "s"))[:10]


def drift(interactions, slices, labels, popularity):
    """Returns {measure: [(label, share)]} over the slices.

    "popular": interactions with the tenth of the items that is most popular over all; "new": interactions with items
    that first occur in this slice (by time only); "kept": how many of the 100 most frequent items were so in the slice
    before.
    """
    top = np.zeros(len(popularity), dtype=bool)
    top[np.argsort(-popularity, kind="stable")[: max(1, len(popularity) // 10)]] = True
    first = np.full(len(popularity), SLICES)
    np.minimum.at(first, interactions.items, slices)
    measures, before = {"popular": [], "new": [], "kept": []}, None
    for i, label in enumerate(labels):
        items = interactions.items[slices == i]
        if not len(items):
            continue
        measures["popular"].append((label, float(top[items].mean())))
        if interactions.about.get("time") == "unix" and i:
            measures["new"].append((label, float((first[items] == i).mean())))
        counts = np.bincount(items, minlength=len(popularity))
        often = np.argsort(-counts, kind="stable")[: min(100, int((counts > 0).sum()))]
        if before is not None:
            measures["kept"].append((label, len(before & set(often.tolist())) / len(often)))
        before = set(often.tolist())
    return {name: points for name, points in measures.items() if points}


def genre_drift(interactions, slices, labels):
    """Returns {genre: [(label, share of the interactions of the slice)]} of the most frequent genres; {} without."""
    if interactions.items_table is None:
        return {}
    column = interactions.items_table.column("genres").combine_chunks()
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    names = pc.list_flatten(column).dictionary_encode()
    if not len(names):
        return {}
    genres = np.asarray(names.indices)
    per_slice = np.zeros((len(labels), len(names.dictionary)))
    rows = np.bincount(slices, minlength=len(labels))
    owners = np.repeat(np.arange(len(lengths)), lengths)
    for i in range(len(labels)):
        counts = np.bincount(interactions.items[slices == i], minlength=len(lengths))
        per_slice[i] = np.bincount(genres, weights=counts[owners], minlength=len(names.dictionary))
    often = np.argsort(-per_slice.sum(axis=0), kind="stable")[:TOP_GENRES]
    kept = [i for i in range(len(labels)) if rows[i]]
    return {names.dictionary[g].as_py(): [(labels[i], per_slice[i, g] / rows[i]) for i in kept] for g in often.tolist()}


def top_items(interactions, popularity):
    """Returns [(item, title or None, number)] of the most popular items, of equal ones the first in the data."""
    titles = None if interactions.items_table is None else interactions.items_table.column("title")
    often = np.argsort(-popularity, kind="stable")[:TOP_ITEMS].tolist()
    return [(interactions.item_ids[i], titles and titles[i].as_py(), int(popularity[i])) for i in often]
