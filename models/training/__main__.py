"""Run `python -m models.training`."""

import sys

from models.training.cli import main

sys.exit(main(sys.argv[1:]))
