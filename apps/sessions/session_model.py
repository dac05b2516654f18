"""An RRWebBERT as an index uses it: vectors by sentence-transformers, surprise by its head for masked tokens."""

import hashlib
import json
from functools import cached_property
from pathlib import Path

import numpy as np

from traceformers.apps.sessions.session_thinning import thinned
from traceformers.training.model_files import model_folder

# What decides vectors and words; cards, metrics and code comments beside them may change.
DECIDING = ("*.safetensors", "structural_vocab.json", "text_bpe.json", "session_encoder.json", "modules.json")
HEAD = ("transform.", "decoder.bias")  # of the weights that only masked tokens need


class SessionModel:
    """A saved RRWebBERT. Nothing is loaded before it is needed.

    Args:
        name (`str` or path): folder or Hub id.
        revision (`str`, *optional*): commit or tag of a Hub id.
        device (`str`, *optional*): cpu, cuda ...; a GPU if there is one.

    Attributes:
        name (`str`): as recorded in an index: a full path, or the Hub id.
        fingerprint (`str`): SHA-256 of the files that decide what it gives.

    Raises:
        FileNotFoundError: there is no such folder or repository.
        ValueError: it holds another kind of model, or none that sentence-transformers can load.
    """

    def __init__(self, name, revision=None, device=None):
        self.folder = model_folder(name, revision)
        self.name = str(self.folder.resolve()) if Path(name).is_dir() else str(name)
        self.revision, self.device = revision, device
        config = self.folder / "config.json"
        kind = json.loads(config.read_text("utf-8")).get("model_type") if config.is_file() else "no config.json"
        if kind != "rrweb_bert":
            raise ValueError(
                f"Expected the folder of a saved RRWebBERT (model_type rrweb_bert) at {self.name}, found {kind!r}. "
                "Name the folder `model` of a run of run_mlm.py or run_contrastive.py, or a Hub id."
            )
        if not (self.folder / "modules.json").is_file():
            raise ValueError(
                f"Expected a model that sentence-transformers can load, found no modules.json in {self.name}. "
                "Add it: traceformers.modeling.rrweb_bert.sentence_rrweb_bert.save_sentence_transformer(folder)."
            )

    @cached_property
    def fingerprint(self):
        digest = hashlib.sha256()
        for path in sorted({path for pattern in DECIDING for path in self.folder.glob(pattern)}):
            with open(path, "rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    @cached_property
    def encoder(self):
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(self.folder), trust_remote_code=True, device=self.device)

    @property
    def tokenizer(self):
        return self.encoder[0].tokenizer

    @property
    def dimension(self):
        return self.encoder.get_embedding_dimension()

    @cached_property
    def masked_model(self):
        """The model with its head for masked tokens, None where the folder holds no weights of one."""
        from transformers import AutoModelForMaskedLM

        model, loading = AutoModelForMaskedLM.from_pretrained(
            self.folder, trust_remote_code=True, output_loading_info=True
        )
        if any(key.startswith(HEAD) for key in loading["missing_keys"]):
            return None
        return model.to(self.encoder.device).eval()

    def embed(self, trace):
        """Returns the vector of a session, `float32 (H,)` of length 1.

        One session at a time: packed with others, the last bits of a vector would depend on which they are. Of one of
        more than `MOST_TOKENS` tokens, evenly spaced stretches.

        Args:
            trace (`SessionTrace`): made with this model's tokenizer.
        """
        return self._unit([thinned(trace.tokens) if self._takes_tokens else list(trace.session.events)])[0]

    def embed_texts(self, texts):
        """Returns the vectors of texts, `float32 (n, H)` of length 1."""
        return self._unit(list(texts))

    def _unit(self, inputs):
        vectors = np.asarray(self.encoder.encode(inputs, batch_size=1, show_progress_bar=False), dtype=np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    @cached_property
    def _takes_tokens(self):
        """Whether the code in the folder takes a tokenized session; that of before reads and tokenizes it again."""
        event = {"type": 4, "timestamp": 1, "data": {"href": "http://a.test/", "width": 9, "height": 9}}
        try:
            self.encoder.encode([self.tokenizer.tokenize_session([event])], show_progress_bar=False)
        except ValueError:
            return False
        return True
