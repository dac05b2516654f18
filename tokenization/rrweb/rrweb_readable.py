"""Token ids back to a log that a person can read: one line an action, page content indented below its event."""

from .rrweb_vocabulary import HEIGHTS, N_COORDINATES, WIDTHS

PHRASES = {
    "event:DomContentLoaded": "document parsed", "event:Load": "page loaded", "event:FullSnapshot": "page content",
    "event:Meta": "page", "event:Custom": "custom", "event:Plugin": "plugin", "event:Asset": "asset",
    "source:Mutation": "page changed", "source:MouseMove": "pointer moved", "source:MouseInteraction": "",
    "source:Scroll": "scrolled", "source:ViewportResize": "resized", "source:Input": "input",
    "source:TouchMove": "finger moved", "source:MediaInteraction": "media", "source:Drag": "dragged",
    "source:StyleSheetRule": "style sheet", "source:StyleDeclaration": "style", "source:CanvasMutation": "drawn",
    "source:AdoptedStyleSheet": "style sheet adopted", "source:CustomElement": "element defined",
    "source:Selection": "selected", "source:Log": "log", "source:Font": "font",
    "do:MouseUp": "mouse up", "do:MouseDown": "mouse down", "do:Click": "click", "do:ContextMenu": "context menu",
    "do:DblClick": "double click", "do:Focus": "focus", "do:Blur": "blur", "do:TouchStart": "touch start",
    "do:TouchMove_Departed": "touch moved away", "do:TouchEnd": "touch end", "do:TouchCancel": "touch cancelled",
    "attr:content": "·", "page": "", "query": "?", "fragment": "#", "switch": "in window",
    "same-page": "as before, but for:",
    "more": "...", "repeat": "times", "gone": "(node gone)", "unknown": "(unknown)", "continued": "continued",
    "is:password": "a password", "is:masked": "masked text", "input:typed": "typed text", "input:erased": "shortened,",
    "input:script": "by script,", "change:add": "added", "change:remove": "removed", "change:text": "text of",
    "change:attributes": "attributes of", "change:replace": "replaced", "scroll:none": "in place",
    "scroll:top": "to the top", "private:email": "<e-mail>", "private:number": "<number>", "private:token": "<token>",
}  # fmt: skip
NODE_EVENTS = ("event:FullSnapshot", "source:Mutation")
SILENT = ("PAD", "CLS", "SEP")


def gap_text(bucket):
    """Returns the shortest time in a gap bucket, as `0 ms`, `512 ms`, `8.2 s` or `4 min`.

    >>> gap_text(0), gap_text(10), gap_text(14), gap_text(19)
    ('0 ms', '512 ms', '8.2 s', '4 min')
    """
    milliseconds = 0 if bucket == 0 else 1 << (bucket - 1)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 120_000 else f"{milliseconds // 60_000} min"


class LogWriter:
    """Reads ids from left to right into lines; any sequence of ids gives some text.

    Args:
        tokens (list of `str`): structural tokens by id.
        decode_text (`list of int -> str`): text of BPE ids.
    """

    def __init__(self, tokens, decode_text):
        self.names = [token[1:-1] for token in tokens]
        self.decode_text = decode_text

    def log(self, ids):
        """Returns the log of `ids` (list of `int`), lines separated by newlines."""
        lines, words, text = [], [], []
        in_header = lists_nodes = False
        n_structural = len(self.names)

        def flush_text():
            if text:
                quoted = self.decode_text(text).strip()
                words.append(quoted if words[-1:] in (["?"], ["#"], ["page"]) or in_header else f'"{quoted}"')
                text.clear()

        def flush_line():
            flush_text()
            line = " ".join(word for word in words if word).rstrip()
            if line.strip():
                lines.append(("    " if words[0] == "" else "") + line if words else line)
            words.clear()

        for i in ids:
            if i >= n_structural:
                text.append(i)
                continue
            name = self.names[i] if i >= 0 else "UNK"
            kind, _, value = name.partition(":")
            if name in SILENT:
                if name == "CLS":
                    flush_line()
                    in_header = True
                continue
            if name == "body":
                flush_line()
                in_header = False
                continue
            if kind == "gap" and not in_header:
                flush_line()
                words.append(f"+{gap_text(int(value)):>7} ")
                lists_nodes = False
                continue
            flush_text()
            if in_header and not words:
                words.append("#")
            if name in NODE_EVENTS:
                lists_nodes = True
            starts_node = kind == "tag" and lists_nodes and words[-1:] not in (["text of"], ["attributes of"])
            if (starts_node or (kind == "change" and lists_nodes)) and words:
                flush_line()
                words.append("")
            words.append(self._phrase(name, kind, value, words))
        flush_line()
        return "\n".join(lines)

    def _phrase(self, name, kind, value, words):
        if name in PHRASES and not (name == "hidden" and "media" in words):
            return PHRASES[name]
        if kind in ("x", "y"):
            share = f"{round(100 * (int(value) + 0.5) / N_COORDINATES)}%"
            if kind == "y" and words and words[-1].startswith("at ") and "," not in words[-1]:
                return f"{words.pop()},{share}"
            return f"at {share}"
        if kind == "gap":
            return f"{gap_text(int(value))}+"
        if kind == "length":
            return f"({0 if value == '0' else 1 << (int(value) - 1)}+ characters)"
        if "media" in words and name == "hidden":
            return "muted"
        if "media" in words and kind == "count":
            return f"at {int(value) if int(value) <= 8 else 1 << (int(value) - 6)}+ s"
        if kind == "count":
            return f"x{int(value) if int(value) <= 8 else 1 << (int(value) - 6)}"
        if kind == "scroll":
            return value.split("-")[0]
        if kind == "tag":
            return value
        if kind in ("attr", "role", "type", "is", "media", "pointer", "canvas", "input"):
            return {"attr": f"{value}=", "role": f"role={value}", "type": f"type={value}"}.get(kind, value)
        if kind in ("width", "height"):
            bounds = (0, *(WIDTHS if kind == "width" else HEIGHTS))
            return f"{kind} {bounds[int(value)]}+"
        return name
