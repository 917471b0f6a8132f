"""``python -m augtune``: the command line."""

import sys

from augtune.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
