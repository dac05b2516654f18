"""Recordings as a `datasets` builder: tokenized rows for `Dataset`, streaming, Parquet and the Hub.

`prepare_rrweb_sessions.py` is the way to a training set, with splits, resuming and a report of what was left out.
This class is for those who want the rows where everything else of theirs is:

    builder = RRWebSessions(tokenizer="runs/tokenizer", data_files={"train": ["recordings/*.json.gz"]})
    builder.download_and_prepare()
    dataset = builder.as_dataset(split="train")                          # or builder.as_streaming_dataset()
"""

import logging
from dataclasses import dataclass

import datasets

from traceformers.datasets_scripts.rrweb_sessions.prepare_rrweb_sessions import tokenize_files
from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files
from traceformers.datasets_scripts.rrweb_sessions.session_shards import SCHEMA
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer

logger = logging.getLogger(__name__)


@dataclass
class RRWebSessionsConfig(datasets.BuilderConfig):
    """Settings of `RRWebSessions`.

    Attributes:
        tokenizer (`str`): folder or repository of a saved `RRWebTokenizer`.
        strict (`bool`): stop at a file that cannot be read, instead of a warning.
    """

    tokenizer: str | None = None
    strict: bool = False


class RRWebSessions(datasets.GeneratorBasedBuilder):
    """One row a session, columns as in `session_shards.SCHEMA`."""

    BUILDER_CONFIG_CLASS = RRWebSessionsConfig
    VERSION = datasets.Version("1.0.0")

    def _info(self):
        features = datasets.Features.from_arrow_schema(SCHEMA)
        return datasets.DatasetInfo(description="Tokenized rrweb session recordings.", features=features)

    def _split_generators(self, dl_manager):
        if not self.config.tokenizer or not self.config.data_files:
            raise ValueError(
                "Expected tokenizer= and data_files=, got "
                f"{self.config.tokenizer!r} and {self.config.data_files!r}. Give a folder with a saved RRWebTokenizer "
                "and {split: [files]}."
            )
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"listing": list_session_files(list(files))})
            for split, files in self.config.data_files.items()
        ]

    def _generate_examples(self, listing):
        tokenizer = RRWebTokenizer.from_pretrained(self.config.tokenizer)
        for i, files in enumerate(listing):
            try:
                row, _ = tokenize_files(files, tokenizer)
            except (ValueError, OSError) as error:
                if self.config.strict:
                    raise ValueError(f"{files.name}: {error}") from error
                logger.warning("left out %s: %s", files.name, error)
                continue
            contexts = [context.tolist() for context in row["contexts"]]
            plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}
            yield i, plain | {"contexts": contexts}  # plain lists: streamed rows are what the rows of a data set are
