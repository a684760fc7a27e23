"""`python -m reranker_core.training`."""

import sys

from reranker_core.training.command_line import main

if __name__ == "__main__":
    sys.exit(main())
