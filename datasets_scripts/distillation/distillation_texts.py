"""Texts of files as a `datasets` builder: one column, for `Dataset`, streaming and the Hub.

`prepare_distillation.py` is the way to a training set: deduplicated, shuffled and split. This class is for those who
want the texts where everything else of theirs is:

    builder = DistillationTexts(data_files={"train": ["texts/*.jsonl.gz"], "heldout": ["heldout.txt"]})
    builder.download_and_prepare()
    dataset = builder.as_dataset(split="train")                          # or builder.as_streaming_dataset()
"""

from dataclasses import dataclass

import datasets

from traceformers.datasets_scripts.distillation.text_files import iterate_texts


@dataclass
class DistillationTextsConfig(datasets.BuilderConfig):
    """Settings of `DistillationTexts`.

    Attributes:
        column (`str`): key (JSON lines) or column (Parquet) of the texts.
    """

    column: str = "text"


class DistillationTexts(datasets.GeneratorBasedBuilder):
    """One row a text, in the order of the files; formats as in `text_files.list_text_files`."""

    BUILDER_CONFIG_CLASS = DistillationTextsConfig
    VERSION = datasets.Version("1.0.0")

    def _info(self):
        return datasets.DatasetInfo(
            description="Texts to distil a sentence encoder on.",
            features=datasets.Features({"text": datasets.Value("string")}),
        )

    def _split_generators(self, dl_manager):
        if not self.config.data_files:
            raise ValueError(f"Expected data_files=, got {self.config.data_files!r}. Give {{split: [files]}}.")
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"files": [str(file) for file in files]})
            for split, files in self.config.data_files.items()
        ]

    def _generate_examples(self, files):
        for i, text in enumerate(iterate_texts(files, self.config.column)):
            yield i, {"text": text}
