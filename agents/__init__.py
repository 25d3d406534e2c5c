"""Programs: read one file from top to bottom and you know the algorithm."""

import cpc_rl  # noqa: F401 - it looks whether a folder in the working directory hides one of our packages
