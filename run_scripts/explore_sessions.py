"""Reads recordings with a saved RRWebBERT the way anyone can: nothing of this package is imported, or could be.

    python run_scripts/explore_sessions.py runs/quickstart/run/model datasets_scripts/rrweb_sessions/samples \
        --output-dir runs/quickstart

Prints the log of one session and the sessions most like it; writes `session_map.png` (sessions as points, a colour a
site), `embeddings.npy` with `sessions.json`, and `loss.png` if the folder of the run is given with --run-dir.
"""

import argparse
import gzip
import json
import sys
from pathlib import Path

sys.modules["traceformers"] = None  # an import of the package fails from here on, in this process

import matplotlib  # noqa: E402
import numpy as np  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def read_texts(folder):
    """Returns `(names, JSON texts)` of the recordings in a folder."""
    paths = sorted(p for p in Path(folder).iterdir() if p.name.endswith((".json", ".json.gz", ".jsonl", ".jsonl.gz")))
    texts = [(gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()).decode() for p in paths]
    return [p.name for p in paths], texts


def site_of(text):
    """Returns the host of the first page address in a recording."""
    start = text.find('"href":"http')
    return text[start + 8 :].split('"', 1)[0].split("/")[2] if start >= 0 else "?"


def draw_map(vectors, names, sites, path):
    """Writes the sessions as points in the plane of their two main directions, a colour a site."""
    centred = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:2].T
    figure, axes = pyplot.subplots(figsize=(9, 6.5))
    for i, site in enumerate(sorted(set(sites))):
        rows = [j for j, s in enumerate(sites) if s == site]
        axes.scatter(points[rows, 0], points[rows, 1], s=36, color=pyplot.cm.tab20(i % 20), label=site)
    axes.set_title(f"{len(names)} sessions by what happened in them")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def draw_loss(state, path):
    """Writes training and evaluation loss by step, from the trainer's state."""
    history = state["log_history"]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for key, label in (("loss", "training"), ("eval_loss", "validation")):
        rows = [(row["step"], float(row[key])) for row in history if key in row]
        if rows:
            axes.plot(*zip(*rows, strict=True), marker="o", markersize=3, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats a masked token")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="folder or Hub id of a saved RRWebBERT")
    parser.add_argument("recordings", help="folder of recordings")
    parser.add_argument("--output-dir", default=".", help="where the pictures go")
    parser.add_argument("--run-dir", help="folder with trainer_state.json, for the loss curve")
    parser.add_argument("--session", help="file name of the session to show (the first one)")
    parser.add_argument("--revision", help="commit or tag of a Hub repository")
    parser.add_argument("--neighbours", type=int, default=5)
    parser.add_argument("--lines", type=int, default=40, help="lines of the log to print")
    args = parser.parse_args(argv)

    names, texts = read_texts(args.recordings)
    if len(names) < 3:
        sys.exit(f"explore_sessions: expected at least 3 recordings in {args.recordings}, got {len(names)}")
    shown = names.index(args.session) if args.session else 0
    tokenizer = AutoTokenizer.from_pretrained(args.model, revision=args.revision, trust_remote_code=True)
    log = tokenizer.log(texts[shown]).splitlines()
    print(f"\n{names[shown]}, {len(log)} lines:\n")
    print("\n".join(log[: args.lines]) + ("\n..." if len(log) > args.lines else ""))

    model = SentenceTransformer(args.model, revision=args.revision, trust_remote_code=True)
    vectors = np.asarray(model.encode(texts, batch_size=8, show_progress_bar=True), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = vectors @ vectors[shown]
    print(f"\nMost like {names[shown]} ({site_of(texts[shown])}):")
    for i in [i for i in np.argsort(-likeness, kind="stable") if i != shown][: args.neighbours]:
        print(f"  {likeness[i]:.3f}  {names[i]}  {site_of(texts[i])}")

    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "embeddings.npy", vectors, allow_pickle=False)
    (folder / "sessions.json").write_text(json.dumps(names, indent=1) + "\n")
    draw_map(vectors, names, [site_of(text) for text in texts], folder / "session_map.png")
    written = ["session_map.png", "embeddings.npy", "sessions.json"]
    if args.run_dir:
        draw_loss(json.loads((Path(args.run_dir) / "trainer_state.json").read_text()), folder / "loss.png")
        written.append("loss.png")
    print(f"\nWritten to {folder}: {', '.join(written)}")


if __name__ == "__main__":
    main()
