"""Writes the model card of a run, model/README.md in its output folder.

A run on the sample recordings:
    python run_scripts/write_model_card.py runs/tiny --about-data model_cards/about_samples.yaml
A distilled n-gram encoder, with the figures of its evaluation:
    python run_scripts/write_model_card.py runs/student --report runs/eval/retrieval_report.json
A recommender, with what the YAML says of the data:
    python run_scripts/write_model_card.py runs/bert4rec --about-data about_data.yaml
A run on recordings of your own, described in about_data.yaml in the data set's folder:
    python run_scripts/write_model_card.py runs/base --repo-id user/rrweb-bert-base --revision v1
"""

import argparse
import sys
from pathlib import Path

from traceformers.model_cards.card import MODEL, MissingFactError, read, write_card
from traceformers.model_cards.ngram_card import write_ngram_card
from traceformers.model_cards.recommender_card import KINDS, write_recommender_card


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", help="output folder of a run")
    parser.add_argument("--repo-id", help="where the model will be pushed, user/name (the folder itself)")
    parser.add_argument("--revision", help="tag or commit the snippet pins (v and the package's version)")
    parser.add_argument(
        "--about-data", help="YAML of name, source, people and licence (about_data.yaml in the data's folder)"
    )
    parser.add_argument("--report", help="retrieval_report.json of run_retrieval_eval.py, for an n-gram encoder")
    args = parser.parse_args(argv)
    try:
        config = Path(args.run_dir) / MODEL / "config.json"
        model_type = read(config)["model_type"] if config.is_file() else None
        if model_type == "ngram_encoder":
            path = write_ngram_card(args.run_dir, args.repo_id, args.revision, args.about_data, args.report)
        elif model_type in KINDS:
            path = write_recommender_card(args.run_dir, args.repo_id, args.revision, args.about_data)
        else:
            path = write_card(args.run_dir, args.repo_id, args.revision, args.about_data)
        print(path)
    except MissingFactError as error:
        sys.exit(f"write_model_card: {error}")


if __name__ == "__main__":
    main()
