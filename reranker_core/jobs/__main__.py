"""`python -m reranker_core.jobs`."""

import sys

from reranker_core.jobs.command_line import main

if __name__ == "__main__":
    sys.exit(main())
