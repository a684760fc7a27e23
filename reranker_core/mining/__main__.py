"""`python -m reranker_core.mining`."""

import sys

from reranker_core.mining.command_line import main

if __name__ == "__main__":
    sys.exit(main())
