"""A page in a real Chromium, driven over the browser's own pipe: no driver and no websocket library.

with ChromiumPage("http://127.0.0.1:7860") as page:
    page.wait_for("document.querySelector('#ask')")
    page.click("#ask")
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-dev-shm-usage", "--window-size=1200,1600", "--remote-debugging-pipe")  # fmt: skip


class ChromiumPage:
    """One page; use it as a context manager.

    Args:
        url (`str`): what to open.
        timeout (`float`): seconds that `wait_for` waits.
    """

    def __init__(self, url, timeout=60):
        self.url, self.timeout, self.errors = url, timeout, []
        self._number, self._rest, self._events = 0, b"", []

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            preexec_fn=lambda: _move(theirs_in, theirs_out),
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime"):
            self.send(f"{domain}.enable")
        self.send("Page.navigate", url=self.url)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def send(self, method, **parameters):
        """Returns the answer of the browser to a command of its protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"].get("exception", {}).get("description"))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def value_of(self, expression):
        """Returns the value of a JavaScript expression, JSON-like."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait_for(self, expression):
        """Returns the value of an expression as soon as it is true."""
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            if value := self.value_of(f"(() => {{ const v = {expression}; return v instanceof Node ? true : v }})()"):
                return value
            time.sleep(0.2)
        raise TimeoutError(
            f"{expression} is not true after {self.timeout} s: {self.value_of('document.body.innerText')}"
        )

    def click(self, selector):
        """Clicks the middle of what a CSS selector finds, with the mouse."""
        self.wait_for(f"document.querySelector({json.dumps(selector)})")
        box = self.value_of(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def type_text(self, text):
        """Types text, key by key, into what has the focus."""
        for character in text:
            self.send("Input.dispatchKeyEvent", type="keyDown", text=character, key=character)
            self.send("Input.dispatchKeyEvent", type="keyUp", key=character)

    def press(self, key):
        """Presses a key that types nothing, such as Tab."""
        code = {"Tab": 9, "Escape": 27}[key]
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path):
        """Writes what is seen to a PNG file."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def _read(self):
        while b"\0" not in self._rest:
            read = os.read(self._in, 1 << 16)
            if not read:
                raise RuntimeError("the browser has ended")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def _move(reads, writes):
    """Makes two descriptors 3 and 4 of the new process, whichever they were."""
    kept = os.dup(writes)
    while kept in (3, 4):
        kept = os.dup(writes)
    high = os.dup(reads)
    while high in (3, 4):
        high = os.dup(reads)
    os.dup2(high, 3)
    os.dup2(kept, 4)
