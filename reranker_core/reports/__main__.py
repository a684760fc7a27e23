"""`python -m reranker_core.reports RUN`: makes the report of a run that was trained from the command line."""

import sys

from reranker_core.reports.command_line import main

if __name__ == "__main__":
    sys.exit(main())
