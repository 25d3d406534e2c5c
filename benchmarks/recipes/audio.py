"""Tables of docs/audio.md, from the results kept in benchmarks/results/audio."""

from __future__ import annotations

from recipes.common import Rows, as_rows, scored

from cpc_repr.audio.cpc import SpeechCPC
from cpc_repr.audio.tables import PAPER, table_1


def fsdd16() -> Rows:
    """Table 1 on the Free Spoken Digit Dataset."""
    return as_rows(table_1(scored("audio/fsdd16", PAPER), SpeechCPC.rows, "fsdd16"))
