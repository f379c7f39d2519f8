"""``python -m ecgfeat.cli``."""

import sys

from ecgfeat.cli import main

sys.exit(main())
