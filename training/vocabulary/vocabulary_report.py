"""What a vocabulary holds and why: counts by kind, coverage, examples, clusters; as report.json, report.md, report.png.

Shares of ids are those that the final tokenizer gives to the texts. Coverage is of running words of texts that nothing
was counted on, where there are any.
"""

from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # without pyplot, so that no display is asked for
from sklearn.cluster import MiniBatchKMeans

from traceformers.tokenization.ngram.ngram_normalization import words_of
from traceformers.tokenization.ngram.ngram_vocabulary import (
    BUCKET,
    CONTINUATION,
    FIRST_PIECE,
    NGRAM,
    SKIPGRAM,
    SPECIAL,
    UNK_ID,
    WORD,
)
from traceformers.training.tensor_files import write_bytes, write_json

EXAMPLES = 8
MOST_CLUSTERS = 40
MOST_CLUSTERED = 20_000
NAMED = 40  # entries in the picture with their names
CLASSES = {
    "special": "[PAD] fills rows of padded ids, [UNK] stands for a text without any entry and for a word that nothing "
    "can spell.",
    "word": "Frequent words: each has a vector of its own, which nothing shorter could give it.",
    "first piece": "Beginnings of unknown words, of the teacher's own WordPiece vocabulary: together with the "
    "continuations they spell what is too rare for an entry.",
    "continuation": "The rest of unknown words, see the first pieces.",
    "bucket": "Hashed buckets: every unknown word has one by its spelling, and shares it with others.",
    "2-gram": "Two words that mean together what they do not mean apart, or that are frequent together.",
    "3-gram": "Three such words.",
    "4-gram": "Four such words.",
    "skip-gram": "Two words with any one between them, beside the entries of the words: a pattern that n-grams miss.",
}


def entry_classes(vocabulary):
    """Returns the class of each entry, a key of `CLASSES`, as an array of str (V,)."""
    kinds, classes = np.asarray(vocabulary.kinds), np.empty(len(vocabulary), object)
    named = {SPECIAL: "special", WORD: "word", FIRST_PIECE: "first piece", CONTINUATION: "continuation"}
    for kind, name in {**named, BUCKET: "bucket", SKIPGRAM: "skip-gram"}.items():
        classes[kinds == kind] = name
    lengths = (np.asarray(vocabulary.composition) >= 0).sum(axis=1)
    for n in (2, 3, 4):
        classes[(kinds == NGRAM) & (lengths == n)] = f"{n}-gram"
    return classes


def word_coverage(vocabulary, tokenizer, texts):
    """Returns shares of the running words of texts: known, spelled by pieces, in a bucket, unknown; and how many.

    Args:
        vocabulary (`NgramVocabulary`).
        tokenizer: with `encode_flat(texts, max_length)`.
        texts (iterable of `str`).
    """
    counter, n_texts = Counter(), 0
    for text in texts:
        counter.update(words_of(text))
        n_texts += 1
    total = sum(counter.values())
    known_words = {vocabulary.tokens[i] for i in np.flatnonzero(np.asarray(vocabulary.kinds) == WORD)}
    others = [word for word in counter if word not in known_words]
    found = Counter(known=total - sum(counter[word] for word in others))
    if others:
        ids, offsets = tokenizer.encode_flat(others, 512)
        buckets = np.asarray(vocabulary.kinds)[ids] == BUCKET
        for word, start, stop in zip(others, offsets[:-1], offsets[1:], strict=True):
            failed = (ids[start:stop] == UNK_ID).any()
            found["unknown" if failed else "bucketed" if buckets[start] else "spelled"] += counter[word]
    shares = {name: round(found[name] / max(1, total), 6) for name in ("known", "spelled", "bucketed", "unknown")}
    return {"texts": n_texts, "words": total, **shares}


def cluster_entries(vectors, tokens, counts, clusters=None, seed=0):
    """Returns clusters of entries by k-means over the directions of their vectors, the largest share of ids first.

    Args:
        vectors (n, D), tokens (n `str`), counts (n,): of the entries.
        clusters (`int`, *optional*): how many; one for 25 entries, at most `MOST_CLUSTERS`, by default.

    Returns:
        (list of {"entries", "count", "nearest"}, cluster of each entry int (n,))
    """
    if not len(tokens):
        return [], np.zeros(0, np.int64)
    directions = np.asarray(vectors, np.float32)
    directions = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    clusters = min(clusters or max(1, min(MOST_CLUSTERS, len(tokens) // 25)), len(np.unique(directions, axis=0)))
    means = MiniBatchKMeans(clusters, random_state=seed, n_init=1, batch_size=2048).fit(directions)
    distances, found = means.transform(directions), []
    for cluster in range(clusters):
        members = np.flatnonzero(means.labels_ == cluster)
        nearest = members[np.argsort(distances[members, cluster], kind="stable")[:EXAMPLES]]
        count = int(counts[members].sum())
        found.append({"entries": len(members), "count": count, "nearest": [tokens[i] for i in nearest]})
    order = sorted(range(clusters), key=lambda cluster: -found[cluster]["count"])
    rank = np.empty(clusters, np.int64)
    rank[order] = np.arange(clusters)
    return [found[cluster] for cluster in order], rank[means.labels_]


def vocabulary_report(vocabulary, counts, vectors, coverage, settings=None, selected=(), word_counts=None):
    """Returns the content of report.json, JSON-safe.

    Args:
        vocabulary (`NgramVocabulary`): V entries.
        counts (`int64 (V,)`): occurrences of each id in the corpus.
        vectors (V, D): the teacher's.
        coverage (dict): {name of texts: what `word_coverage` returned}.
        settings (dict, *optional*): what the vocabulary was built with.
        selected (iterable of (name, `Selected`)): how n-grams and skip-grams were chosen.
        word_counts (`WordCounts`, *optional*): of the corpus.
    """
    classes, tokens, total = entry_classes(vocabulary), vocabulary.tokens, max(1, int(counts.sum()))
    table = {}
    for name, why in CLASSES.items():
        members = np.flatnonzero(classes == name)
        if not len(members):
            continue
        order = members[np.argsort(-counts[members], kind="stable")]
        middle = len(order) // 2
        table[name] = {
            "entries": len(members),
            "ids": int(counts[members].sum()),
            "share_of_ids": round(counts[members].sum() / total, 6),
            "never_seen": int((counts[members] == 0).sum()),
            "why": why,
            "most_frequent": [tokens[i] for i in order[:EXAMPLES]],
            "in_the_middle": [tokens[i] for i in order[middle : middle + EXAMPLES]] if middle >= EXAMPLES else [],
            "rarest": [tokens[i] for i in order[-EXAMPLES:]] if len(order) >= 3 * EXAMPLES else [],
        }
    report = {"entries": len(vocabulary), "ids": int(counts.sum()), "settings": settings or {}, "classes": table}
    report["coverage"] = coverage
    if word_counts is not None:
        report["corpus"] = {
            "texts": word_counts.texts,
            "words": word_counts.total,
            "different_words": word_counts.types,
        }
    report["selected"] = {name: _selected(choice) for name, choice in selected if len(choice.tokens)}
    shown = _clustered(vocabulary, counts)
    clusters, _ = cluster_entries(vectors[shown], [tokens[i] for i in shown], counts[shown])
    return report | {"clusters": clusters}


def _clustered(vocabulary, counts):
    """Returns the ids of the most frequent words and n-grams."""
    kinds = np.asarray(vocabulary.kinds)
    candidates = np.flatnonzero((kinds == WORD) | (kinds == NGRAM))
    return candidates[np.argsort(-counts[candidates], kind="stable")[:MOST_CLUSTERED]]


def _selected(choice):
    rows = list(zip(choice.tokens, choice.counts.tolist(), choice.scores.tolist(), strict=True))
    rows = [{"entry": token, "count": count, "score": round(score, 3)} for token, count, score in rows]
    if len(choice.gains):
        rows = [row | {"gain": round(float(gain), 4)} for row, gain in zip(rows, choice.gains, strict=True)]
    middle = len(rows) // 2
    return {
        "entries": len(rows),
        "first": rows[:EXAMPLES],
        "middle": rows[middle : middle + EXAMPLES],
        "last": rows[-1],
    }


def write_report(folder, report, vocabulary, counts, vectors, word_counts=None):
    """Writes report.json, report.md and report.png of `vocabulary_report` into `folder`."""
    folder = Path(folder)
    write_json(folder / "report.json", report)
    write_bytes(folder / "report.md", report_text(report).encode())
    half = folder / "report.half.png"
    _draw(half, report, vocabulary, counts, vectors, word_counts)
    half.replace(folder / "report.png")


def report_text(report):
    """Returns report.md of the content of report.json."""
    lines = [
        "# Vocabulary",
        "",
        f"{report['entries']:,} entries; {report['ids']:,} ids of the texts they were built on.",
        "",
    ]
    if corpus := report.get("corpus"):
        lines += [
            f"Built on {corpus['texts']:,} texts with {corpus['words']:,} words, "
            f"{corpus['different_words']:,} of them different."
        ]
        lines += [""]
    lines += ["![Ids by class, coverage and clusters](report.png)", "", "## Entries by class", ""]
    lines += ["| class | entries | share of ids | never seen | most frequent | rarest |", "|---|---|---|---|---|---|"]
    for name, row in report["classes"].items():
        frequent, rare = (", ".join(f"`{token}`" for token in row[key][:5]) for key in ("most_frequent", "rarest"))
        share = f"{row['share_of_ids']:.2%}"
        lines.append(f"| {name} | {row['entries']:,} | {share} | {row['never_seen']:,} | {frequent} | {rare} |")
    lines += ["", "## Why each class is there", ""]
    lines += [f"- **{name}**: {row['why']}" for name, row in report["classes"].items()]
    lines += ["", "## Coverage of running words", "", "| texts | words | known | spelled | bucketed | unknown |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, row in report["coverage"].items():
        shares = " | ".join(f"{row[key]:.2%}" for key in ("known", "spelled", "bucketed", "unknown"))
        lines.append(f"| {name} ({row['texts']:,}) | {row['words']:,} | {shares} |")
    for name, choice in report["selected"].items():
        lines += [
            "",
            f"## How {name} were chosen",
            "",
            f"{choice['entries']:,} by {report['settings'].get('selection')}.",
        ]
        lines += ["", "| entry | count | gain | score |", "|---|---|---|---|"]
        for row in [*choice["first"], *choice["middle"], choice["last"]]:
            lines.append(f"| `{row['entry']}` | {row['count']:,} | {row.get('gain', '')} | {row['score']:,} |")
    lines += [
        "",
        "## Clusters of words and n-grams",
        "",
        "| entries | occurrences | nearest to the centre |",
        "|---|---|---|",
    ]
    for row in report["clusters"]:
        lines.append(f"| {row['entries']:,} | {row['count']:,} | {', '.join(row['nearest'])} |")
    lines += ["", "## Settings", "", *(f"- {name}: {value}" for name, value in report["settings"].items()), ""]
    return "\n".join(lines)


def _draw(path, report, vocabulary, counts, vectors, word_counts):
    figure = Figure(figsize=(18, 5.5))
    axes = figure.subplots(1, 3)
    names = list(report["classes"])
    axes[0].barh(names, [report["classes"][name]["share_of_ids"] for name in names], color="#4878a8")
    for i, name in enumerate(names):
        row = report["classes"][name]
        axes[0].text(row["share_of_ids"], i, f" {row['entries']:,} entries", va="center", fontsize=8)
    axes[0].set(title="Share of ids by class", xlim=(0, 1.2))
    axes[0].invert_yaxis()
    n_words = int((np.asarray(vocabulary.kinds) == WORD).sum())
    if word_counts is not None and len(word_counts.words):
        axes[1].semilogx(np.arange(len(word_counts.counts)) + 1, np.cumsum(word_counts.counts) / word_counts.total)
        axes[1].axvline(n_words, color="grey", linewidth=1)
    axes[1].set(
        title=f"Share of running words that the most frequent n cover (kept: {n_words:,})", xlabel="n", ylim=(0, 1)
    )
    _draw_entries(axes[2], vocabulary, counts, vectors)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def _draw_entries(axes, vocabulary, counts, vectors):
    """Draws words and n-grams as points, a colour a cluster."""
    axes.set(title="Words and n-grams, first two principal components", xticks=[], yticks=[])
    shown = _clustered(vocabulary, counts)[:3000]
    if not len(shown):
        return
    rows = np.asarray(vectors[shown], np.float32)
    centred = rows - rows.mean(axis=0)
    values, directions = np.linalg.eigh(centred.T @ centred)
    flat = centred @ directions[:, np.argsort(-values)[:2]]
    _, labels = cluster_entries(rows, [vocabulary.tokens[i] for i in shown], counts[shown])
    axes.scatter(flat[:, 0], flat[:, -1], c=labels, s=4, cmap="tab20")
    for i in range(0, len(shown), max(1, len(shown) // NAMED)):
        axes.annotate(vocabulary.tokens[shown[i]], (flat[i, 0], flat[i, -1]), fontsize=6)
