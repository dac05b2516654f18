"""Recommends items to all users of an interactions file: rows (user, item, rank, score), in the ids of the file.

    python run_scripts/predict_recommendations.py runs/bert4rec/model movielens-small --output recommendations.csv
    python run_scripts/predict_recommendations.py user/model clicks.parquet --user-column visitor \\
        --item-column product --time-column clicked --k 20 --released-until last-click --output rows.parquet

What a user has had is left out. Rows come user by user in the order of the file, best first, and the file is whole or
not there. Items that the model does not know are left out of the histories, and counted.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.datasets_scripts.interactions.reading_options import add_reading_options, reading_options
from traceformers.training.evaluation.recommendation_rows import (
    CHUNK_USERS,
    LAST_CLICK,
    RowWriter,
    last_years,
    read_item_list,
    recommendation_tables,
)
from traceformers.training.evaluation.saved_recommender import load_recommender, token_table, translated
from traceformers.training.recommenders.histories import from_interactions


def parse(argv=None):
    """Returns the arguments of a command line."""
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", help="folder or Hub id of a saved recommender")
    add("interactions", help="file or folder of interactions, or movielens-small")
    add("--output", required=True, help=".csv, .csv.gz or .parquet")
    add_reading_options(parser)
    add("--k", type=int, default=10, help="items a user (10)")
    add("--include-seen", action="store_true", help="recommend what a user has had, too")
    add("--allow", metavar="FILE", help="text file of the only items to recommend, one id a line")
    add("--exclude", metavar="FILE", help="text file of items never to recommend, one id a line")
    add("--released-until", metavar="YEAR", help=f"a year, or {LAST_CLICK}: nothing newer than each user's last click")
    add("--diversity", type=float, default=0.0, help="0 to 1: how much items shall differ from those above (0)")
    add("--batch-size", type=int, default=64, help="users scored at once (64); a GPU likes more")
    add("--device", default="cpu", help="cpu, cuda, ... (cpu)")
    add("--revision", help="commit or tag of a Hub id")
    return parser.parse_args(argv)


def main(argv=None):
    """Writes the rows that the command line asks for; returns what was done, JSON-safe."""
    args = parse(argv)
    if args.k < 1 or args.batch_size < 1 or not 0 <= args.diversity <= 1:
        raise ValueError(
            f"Expected --k and --batch-size from 1 and --diversity from 0 to 1, got {args.k}, {args.batch_size} and "
            f"{args.diversity}. Correct them."
        )
    writer = RowWriter(args.output)
    model = load_recommender(args.model, args.revision, args.device)
    interactions = read_interactions(args.interactions, args.format, **reading_options(args))
    histories, tokenizer = from_interactions(interactions)

    lists = {}
    for option, name in (("allow", "candidates"), ("exclude", "exclude")):
        path = getattr(args, option)
        lists[name], unknown = (None, []) if path is None else read_item_list(path, model.item_tokenizer)
        if unknown:
            print(f"{len(unknown)} items of {path} are unknown to the model, as {unknown[0]!r}", file=sys.stderr)
    until = released_until(args.released_until, histories, interactions.about.get("time"))
    table = token_table(tokenizer, model.item_tokenizer)
    _, offsets, unknown = translated(histories.items, histories.offsets, table)
    if unknown:
        nothing = int((np.diff(offsets) == 0).sum())
        print(
            f"{unknown:,} of {len(histories.items):,} interactions are with items that the model does not know; "
            f"{nothing:,} users have no other and get what the model says of an empty history",
            file=sys.stderr,
        )

    started = time.perf_counter()
    tables = recommendation_tables(
        model,
        histories,
        tokenizer,
        args.k,
        until,
        chunk_users=min(CHUNK_USERS, 16 * args.batch_size),
        exclude_seen=not args.include_seen,
        diversity=args.diversity,
        batch_size=args.batch_size,
        **lists,
    )
    with writer, tqdm(total=len(histories), desc="recommend", unit=" users") as bar:
        for rows in tables:
            writer.write(rows)
            bar.update(min(16 * args.batch_size, CHUNK_USERS, bar.total - bar.n))
    seconds = time.perf_counter() - started
    done = {
        "output": str(Path(args.output)),
        "users": len(histories),
        "rows": writer.rows,
        "unknown_interactions": unknown,
        "seconds": round(seconds, 2),
        "users_per_second": round(len(histories) / max(seconds, 1e-9), 1),
    }
    print(json.dumps(done))
    return done


def released_until(asked, histories, time_kind):
    """Returns the last year of release for each user, `int64 (U,)`, or None.

    Args:
        asked (`str` or None): of the command line. histories (`Histories`). time_kind (`str`): of its times.
    """
    if asked is None:
        return None
    if asked == LAST_CLICK:
        return last_years(histories, time_kind)
    if not asked.isdigit():
        raise ValueError(f"Expected --released-until as a year or {LAST_CLICK}, got {asked!r}. Give one of these.")
    return np.full(len(histories), int(asked), dtype=np.int64)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"predict_recommendations: {error}")
