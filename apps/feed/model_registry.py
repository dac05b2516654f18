"""The models of a feed: models/<UTC time>-<kind>/, and the file `current` that says which one scores.

`current` is JSON, replaced in one step: {"name": ..., "before": [names it can go back to, newest last]}. A folder is
made under a name that begins with `.half` and renamed when it is whole, so what is listed can be loaded.
"""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from traceformers.apps.feed.feed_home import write_atomically

HALF = ".half-"


class NoModel(LookupError):
    """No model was promoted yet, or there is none to go back to."""


class ModelRegistry:
    """The models in a folder.

    Args:
        folder (`os.PathLike`): `models/` of a home.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self._current = self.folder / "current"

    def names(self):
        """Returns the names of all whole models, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir() and path.name[0] != ".")

    def begin(self, kind, now):
        """Returns a new, empty folder for a model that is being made; leftovers of killed trainings are deleted.

        Args:
            kind (`str`): linear, base or hybrid. now (`int`): ms.
        """
        for left in self.folder.glob(f"{HALF}*"):
            shutil.rmtree(left, ignore_errors=True)
        stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%S")
        name, number = f"{stamp}-{kind}", 1
        while (self.folder / name).exists():
            number += 1
            name = f"{stamp}-{kind}-{number}"
        half = self.folder / f"{HALF}{name}"
        half.mkdir(parents=True)
        return half

    def finish(self, half):
        """Returns the name of a model whose folder, of `begin`, is now whole.

        Raises:
            FileNotFoundError: the folder holds no model/config.json.
        """
        half = Path(half)
        if not (half / "model" / "config.json").is_file():
            raise FileNotFoundError(f"Expected a trained model in {half / 'model'}, found no config.json. Train again.")
        name = half.name.removeprefix(HALF)
        half.rename(self.folder / name)
        return name

    def path(self, name):
        """Returns the folder of a model; its `model/` is what `from_pretrained` loads."""
        if name not in self.names():
            raise NoModel(f"Expected one of {', '.join(self.names()) or 'no models'}, got {name!r}. Name one that is.")
        return self.folder / name

    def current(self):
        """Returns the name of the promoted model, or None. One whose folder is gone counts as none."""
        name = self._read()["name"]
        return name if name in self.names() else None

    def before(self):
        """Returns the names one can go back to, newest last."""
        return [name for name in self._read()["before"] if name in self.names()]

    def promote(self, name):
        """Makes a model the one that scores."""
        self.path(name)
        held = self.current()
        before = [old for old in self.before() if old != name] + ([held] if held and held != name else [])
        self._write(name, before)

    def rollback(self):
        """Returns the name of the model that scored before the current one, and makes it the current one.

        Raises:
            NoModel: there is none.
        """
        before = self.before()
        if not before:
            current = self.current()
            raise NoModel(
                f"Expected a model before {current}, found none. Nothing was changed."
                if current
                else "Expected a model in use, found none. Train one: traceformers feed train."
            )
        self._write(before[-1], before[:-1])
        return before[-1]

    def forget(self):
        """Deletes all models."""
        self._current.unlink(missing_ok=True)
        for name in self.names():
            shutil.rmtree(self.folder / name)

    def prune(self, keep):
        """Returns the names of the models it deletes: all but the newest `keep`, the current and the one before."""
        held = {self.current(), *self.before()[-1:]}
        gone = [name for name in self.names()[:-keep] if name not in held] if keep else []
        for name in gone:
            shutil.rmtree(self.folder / name)
        return gone

    def metrics(self, name):
        """Returns the metrics.json of a model, {} if it has none."""
        path = self.path(name) / "metrics.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _read(self):
        try:
            found = json.loads(self._current.read_text(encoding="utf-8"))
            return {"name": found["name"], "before": list(found["before"])}
        except FileNotFoundError:
            return {"name": None, "before": []}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"Expected JSON with name and before in {self._current}, got: {error}. Delete it and run "
                "`traceformers feed train`."
            ) from None

    def _write(self, name, before):
        write_atomically(self._current, json.dumps({"name": name, "before": before}))
