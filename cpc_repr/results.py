"""Results of a run on the disk, written as they come: what is there is not computed again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from configs import RunFailure
from cpc_repr.probes import Score
from cpc_rl.runs.files import write_atomic


class Results:
    """`results.json`: named results, each computed once for the same settings."""

    def __init__(
        self, path: Path, settings: Mapping[str, Any], reread: Callable[[Any], Mapping[str, Any]] = lambda old: old
    ) -> None:
        """Read what is there, if it was computed with `settings` (plain values); else begin anew.

        Args:
            path: Of the file.
            settings: What results depend on.
            reread: Gives settings of an older version in the words of today; a ValueError says that there are none.

        Raises:
            RunFailure: The file is damaged.
        """
        self.path = path
        self._data: dict[str, Any] = {"settings": json.loads(json.dumps(settings)), "results": {}}
        if not path.exists():
            return
        before, results = read_results(path)
        with contextlib.suppress(ValueError):
            if json.loads(json.dumps(reread(before))) == self._data["settings"]:
                self._data["results"] = results

    def get(self, name: str, compute: Callable[[], Any]) -> Any:
        """The result called `name`, computed and written down if it is not known; JSON must be able to say it."""
        if name not in self._data["results"]:
            self._data["results"][name] = json.loads(json.dumps(compute()))
            text = json.dumps(self._data, indent=1)
            write_atomic(self.path, lambda file: file.write(text.encode()))
        return self._data["results"][name]

    def scores(self, name: str, compute: Callable[[], dict[str, Score]]) -> dict[str, Score]:
        """Named accuracies, as `get`."""
        plain = self.get(name, lambda: {k: [s.accuracy, s.low, s.high] for k, s in compute().items()})
        return {key: Score(*values) for key, values in plain.items()}


def read_results(path: Path) -> tuple[Any, dict[str, Any]]:
    """Settings and results of a file. Raises RunFailure if it is damaged."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return known["settings"], dict(known["results"])
    except (ValueError, TypeError, KeyError) as error:
        raise RunFailure(f"{path} is damaged ({error}); delete it to compute it anew") from error
