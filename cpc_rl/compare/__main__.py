"""`python -m cpc_rl.compare`."""

import sys

from cpc_rl.compare.command import main

sys.exit(main())
