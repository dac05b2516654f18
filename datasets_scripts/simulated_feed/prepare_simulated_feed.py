"""Writes a feed folder of a simulated person, and on demand the true probability of each of their answers.

    python datasets_scripts/simulated_feed/prepare_simulated_feed.py --output-dir data/simulated --seed 0
    python datasets_scripts/simulated_feed/prepare_simulated_feed.py --output-dir data/null --null --truth null.json

The truth is written beside the folder, never into it: nothing that trains can read it by accident.
"""

import argparse
import json
from itertools import chain
from pathlib import Path

from traceformers.datasets_scripts.feed.feed_folder import table_of, write_feed_folder
from traceformers.datasets_scripts.simulated_feed.simulated_person import SimulatedPerson
from traceformers.datasets_scripts.simulated_feed.video_pool import LICENCE


def simulated_tables(person):
    """Returns (tables of a feed folder, {feedback id: true probability}) of all days of a person."""
    days = list(person.simulate_days())
    tables = {
        name: table_of(name, chain.from_iterable(getattr(day, name) for day in days))
        for name in ("videos", "events", "watches", "feedback")
    }
    tables["subscriptions"] = table_of("subscriptions", person.subscriptions())
    return tables, {key: value for day in days for key, value in day.truth.items()}


def simulate_folder(folder, format="parquet", **options):
    """Returns {feedback id: true probability} of the feed folder that it writes; options as of `SimulatedPerson`."""
    person = SimulatedPerson(**options)
    tables, truth = simulated_tables(person)
    keys = ("seed", "days", "feedbacks", "noise", "null", "drift", "served", *(("again",) if person.again else ()))
    about = {
        "time_zone": person.time_zone,
        "created_at": person.midnight(person.days),
        "source": "simulated person: nobody said any of this",
        "licence": LICENCE,
        "simulation": {key: getattr(person, key) for key in keys},
    }
    write_feed_folder(folder, tables, about, format)
    return truth


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output-dir", type=Path, required=True, help="folder to make")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another person")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--feedbacks", type=int, default=1200, help="in all, about half for each head")
    parser.add_argument("--noise", type=float, default=0.05, help="share of the answers that are turned round")
    parser.add_argument("--null", action="store_true", help='"right now" does not depend on the activity')
    parser.add_argument("--drift", action="store_true", help="tastes and projects change")
    parser.add_argument("--served", type=float, default=0.0, help="share of videos shown that are chosen to fit")
    parser.add_argument("--again", type=float, default=0.0, help='share of the "right now" of videos asked before')
    parser.add_argument("--time-zone", help="IANA name; drawn by the seed by default")
    parser.add_argument("--format", choices=["parquet", "json"], default="parquet")
    parser.add_argument("--truth", type=Path, help="JSON file to write the true probabilities to")
    args = parser.parse_args()
    options = {name: value for name, value in vars(args).items() if name not in ("output_dir", "truth")}
    truth = simulate_folder(args.output_dir, **options)
    if args.truth:
        args.truth.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    print((args.output_dir / "about.json").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
