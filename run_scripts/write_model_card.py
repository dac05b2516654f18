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

from traceformers.model_cards.card import MissingFactError
from traceformers.model_cards.card_of_run import write_card_of_run


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
        path = write_card_of_run(args.run_dir, args.repo_id, args.revision, args.about_data, args.report)
        print(path)
    except MissingFactError as error:
        sys.exit(f"write_model_card: {error}")


if __name__ == "__main__":
    main()
