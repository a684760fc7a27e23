"""`python -m annotations projects|import|export|snapshot|check|backup|restore`: the labels from a shell."""

import argparse
import sys
from collections.abc import Sequence

from annotations.commands.backups import add_backup, add_restore
from annotations.commands.checking import add_check
from annotations.commands.exporting import add_export, add_snapshot
from annotations.commands.importing import add_import
from annotations.commands.projects import add_projects
from annotations.errors import AnnotationError

_EXAMPLES = """examples:
  python -m annotations import ./scifact --project scifact --create
  python -m annotations import ./cranfield --run cranfield/bm25.run --project cranfield --create --max_queries 30 --preview
  python -m annotations import labels.csv --project scifact --map yes=1,no=0,maybe=
  python -m annotations projects
  python -m annotations export train.jsonl --to jsonl --project scifact
  python -m annotations snapshot --project scifact --name first
  python -m annotations check --project scifact
  python -m annotations backup
  python -m annotations restore --list
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except AnnotationError as error:
        print(error, file=sys.stderr)  # noqa: T201 (a command answers on the terminal)
        return 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            return 0  # the reader, such as head, has seen enough
        print(f"{error.filename or 'The file'}: {error.strerror}. Check the path.", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("Stopped; nothing of it stays.", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m annotations", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="projects|import|export|snapshot|check|backup|restore")
    for name, summary, add in (
        ("projects", "list the projects with their counts", add_projects),
        ("import", "bring texts and judgements in; says first what would come", add_import),
        ("export", "write training rows, qrels, a BEIR folder or a csv", add_export),
        ("snapshot", "freeze labels for training and evaluation; list what is frozen", add_snapshot),
        ("check", "find conflicts, leaks, duplicates and gaps, and fix them", add_check),
        ("backup", "make a verified copy of the labels", add_backup),
        ("restore", "put a copy in the place of the labels", add_restore),
    ):
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        add(command)
        command.add_argument(
            "--home", help="folder of the app's own data (default: RERANKER_WORKBENCH_HOME, else ./workbench-data)"
        )
    return parser
