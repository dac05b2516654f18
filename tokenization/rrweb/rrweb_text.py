"""Text to ids: byte-level BPE word by word, placeholders for personal text, and a memory of what was seen.

Page text repeats, within a page and from page to page. Whole texts and single words are therefore
remembered, and the BPE runs once for each distinct word.
"""

import html
import re
from urllib.parse import unquote

from .rrweb_privacy import personal_spans
from .rrweb_vocabulary import N_LENGTHS, log2_bucket

# Letters, up to three digits, or marks, each with the space before it; any other white space is a word too, so
# that the words of a text always join to the text. This is the only pre-tokenizer: the BPE file has none of its own.
WORDS = re.compile(r" ?[^\W\d_]+| ?\d{1,3}| ?(?:[^\w\s]|_)+|\s+")
WORD_SEPARATOR = "\x1f"
LONGEST_WORD = 64
REMEMBERED = 200_000
ESCAPES_IN_ESCAPES = 3
LONGEST_PERSONAL = 256


_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_HALF = re.compile("[\ud800-\udfff]")


def clean_text(text):
    """Returns `text` with white space and control characters folded to single spaces, lone surrogates replaced.

    Escapes of addresses, JSON and HTML are read: a text in a text or payload must not hide what it says.

    >>> clean_text("  Sign\\n in\\x00 "), clean_text("/?q=caf%C3%A9"), clean_text('{"a": "caf\\\\u00e9"}')
    ('Sign in', '/?q=café', '{"a": "café"}')
    """
    if "%" in text or "\\u" in text or "&" in text:
        for _ in range(ESCAPES_IN_ESCAPES):
            before = text
            text = html.unescape(_UNICODE.sub(_character, _PERCENT.sub(_unescaped, text)))
            if text == before:
                break
        if _HALF.search(text):  # JSON escapes a character beyond 16 bits in two halves
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "\ufffd" if "\ud800" <= c <= "\udfff" else " " for c in text)
        text = " ".join(text.split())
    return text


def _character(match):
    return chr(int(match[1], 16))


def _unescaped(match):
    try:
        return unquote(match[0], errors="strict")
    except UnicodeDecodeError:
        return match[0]


class TextEncoder:
    """Encodes text as ids of the joint vocabulary: BPE ids from `first_id` on, and structural placeholders.

    Args:
        vocabulary (`StructuralVocabulary`).
        bpe (`tokenizers.Tokenizer`): the byte-level BPE; it gets one word at a time.
        keep_personal_text (`bool`): leave addresses, numbers and tokens in the text.
    """

    def __init__(self, vocabulary, bpe, keep_personal_text=False):
        self.bpe = bpe
        self.first_id = len(vocabulary)
        self.keep_personal_text = keep_personal_text
        ids = vocabulary.ids
        self.more = ids["[more]"]
        self.masked, self.typed = ids["[is:masked]"], ids["[input:typed]"]
        self.password = ids["[is:password]"]
        self.first_length = vocabulary.first("length:")
        self.placeholders = {kind: ids[f"[private:{kind}]"] for kind in ("email", "number", "token")}
        self.words = {}
        self.texts = {}

    def begin_pass(self):
        """Called before a session is written, and again if it is written a second time."""

    def length(self, n_characters):
        """Returns the id of the bucket for a text of `n_characters`."""
        return self.first_length + log2_bucket(n_characters, N_LENGTHS)

    def encode_words(self, text):
        """Returns the BPE ids of `text` as a list; they decode to exactly `text`."""
        ids, words = [], self.words
        for word in WORDS.findall(text):
            word_ids = words.get(word)
            if word_ids is None:
                word_ids = self._encode_word(word)
            ids += word_ids
        return ids

    def _encode_word(self, word):
        # Words past LONGEST_WORD are encoded in pieces: the BPE's time grows faster than their length.
        if len(word) > LONGEST_WORD:
            pieces = [word[i : i + LONGEST_WORD] for i in range(0, len(word), LONGEST_WORD)]
            return tuple(i for piece in pieces for i in self._encode_word(piece))
        word_ids = tuple(i + self.first_id for i in self.bpe.encode(word, add_special_tokens=False).ids)
        if len(self.words) >= REMEMBERED:
            self.words.clear()
        self.words[word] = word_ids
        return word_ids

    def encode_plain(self, text):
        """Returns the ids of a plain text: nothing cleaned, nothing cut, personal text as placeholders."""
        return self._encode_personal(text) if not text.isspace() else self.encode_words(text)

    def encode(self, text, limit=200):
        """Returns the ids of page text as a tuple: cleaned, without personal text, at most `limit` characters.

        A longer text is cut at a space and ends with `[more]` and a bucket of its whole length.
        """
        key = text if limit == 200 else (text, limit)
        ids = self.texts.get(key)
        if ids is None:
            ids = tuple(self._encode_span(clean_text(text), limit, ()))
            if len(self.texts) >= REMEMBERED:
                self.texts.clear()
            self.texts[key] = ids
        return ids

    def encode_without(self, text, echoes, secrets, limit=200):
        """Returns the ids of page text with the spans of two `TypedEchoes` replaced.

        Args:
            text (`str`).
            echoes (`TypedEchoes`): typed values, which become their length.
            secrets (`TypedEchoes`): passwords, which become one token.
            limit (`int`): longest text that is told, in characters.
        """
        cleaned = clean_text(text)
        searched = cleaned[: limit + LONGEST_PERSONAL]
        hidden = [(start, end, (self.password,)) for start, end in secrets.spans(searched)] if secrets else []
        typed = echoes.spans(searched) if echoes else []
        free = [(a, b) for a, b in typed if all(b <= start or end <= a for start, end, _ in hidden)]
        hidden += [(start, end, self.typed_value(end - start)) for start, end in free]
        return tuple(self._encode_span(cleaned, limit, sorted(hidden))) if hidden else self.encode(text, limit)

    def typed_value(self, n_characters):
        """Returns the ids that stand for a typed value of that length."""
        return (self.typed, self.length(n_characters))

    def masked_value(self, n_characters):
        """Returns the ids that stand for a text the recorder masked with asterisks."""
        return (self.masked, self.length(n_characters))

    def _encode_span(self, text, limit, hidden):
        shown = text
        if len(text) > limit:
            cut = text.rfind(" ", 0, limit)
            cut = cut if cut > 0 else limit
            if not self.keep_personal_text:  # half an address is still somebody's: it is taken in, as its placeholder
                spans = personal_spans(text[: limit + LONGEST_PERSONAL])
                cut = next((end for start, end, _ in spans if start < cut < end), cut)
            shown = text[:cut]
        ids, at = [], 0
        for start, end, replacement in hidden:
            if start >= len(shown):
                break
            ids += self._encode_personal(shown[at:start])
            ids += replacement
            at = end
        ids += self._encode_personal(shown[at:])
        if len(shown) < len(text):
            ids += (self.more, self.length(len(text)))
        return ids

    def _encode_personal(self, text):
        if not text or text.isspace():
            return ()
        spans = personal_spans(text)
        if not spans:
            return self.encode_words(text)
        ids, at = [], 0
        for start, end, kind in spans:
            if kind == "masked":
                ids += self.encode_words(text[at:start])
                ids += self.masked_value(end - start)
            elif self.keep_personal_text:
                continue
            else:
                ids += self.encode_words(text[at:start])
                ids.append(self.placeholders[kind])
            at = end
        return ids + self.encode_words(text[at:])
