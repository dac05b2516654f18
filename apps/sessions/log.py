"""What happened in a recording, as text: the logic of `traceformers sessions log`."""

import tempfile
from pathlib import Path

import traceformers.tokenization.rrweb as rrweb
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer, empty_bpe


def session_log(files, tokenizer=None, keep_typed_text=False, keep_personal_text=False):
    """Returns the log of one session, one line an action.

    Args:
        files: paths; several are parts of one session, in any order.
        tokenizer: folder or Hub id of an RRWebTokenizer. A log is the same whatever text vocabulary made it, so
            without one the bytes themselves are the vocabulary.
        keep_typed_text: show what was typed into fields, other than passwords, instead of how long it was.
        keep_personal_text: show e-mail addresses, long numbers and secrets instead of placeholders.

    Raises:
        SessionFormatError: the files hold no recording; the message says where reading failed.
        OSError: a file, or the tokenizer, cannot be found.
    """
    keep = {"keep_typed_text": keep_typed_text, "keep_personal_text": keep_personal_text}
    session = read_session(*map(Path, files))
    if tokenizer is not None:
        return RRWebTokenizer.from_pretrained(tokenizer, **keep).log(session)
    with tempfile.TemporaryDirectory() as folder:
        empty_bpe().save(f"{folder}/text_bpe.json")
        vocabulary = Path(rrweb.__file__).parent / "structural_vocab.json"
        return RRWebTokenizer(vocabulary, f"{folder}/text_bpe.json", **keep).log(session)
