"""Write README.md, the model card, into the output folder of a run.

python run_scripts/write_model_card.py runs/quickstart
python run_scripts/write_model_card.py runs/base --repo-id user/rrweb-bert-base --revision v1
"""

import argparse

from traceformers.model_cards.card import write_card


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir", help="output folder of run_mlm.py")
    parser.add_argument(
        "--repo-id", help="where the model will be pushed, user/name; default: the folder itself"
    )
    parser.add_argument(
        "--revision", help="tag or commit the snippet pins; default: v and the version of the package"
    )
    options = parser.parse_args(arguments)
    print(write_card(options.run_dir, options.repo_id, options.revision))


if __name__ == "__main__":
    main()
