"""`python -m annotations`."""

import sys

from annotations.command_line import main

if __name__ == "__main__":
    sys.exit(main())
