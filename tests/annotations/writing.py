"""A program that labels until it is ended: `python -m tests.annotations.writing LABELS THREADS FIRST COUNT`.

Each of the threads judges its share of COUNT candidates from index FIRST on, and writes the id of each candidate whose
label was acknowledged to standard output, a line each.
"""

import os
import sys
import threading
from pathlib import Path

from annotations.store import Store
from annotations.store.judgements import JudgementInput


def main(labels: str, threads: str, first: str, count: str) -> None:
    """Label, each thread its share."""
    store = Store.open(Path(labels))
    project = store.projects.list()[0]
    query = store.texts.queries(project.id)[0]
    annotator = store.annotators.get_or_add("Ada")
    candidates = [row.candidate.id for row in store.texts.candidates(query.id)]
    mine = candidates[int(first) : int(first) + int(count)]

    def label(share: int) -> None:
        for number, candidate in enumerate(mine[share :: int(threads)]):
            given = JudgementInput(
                candidate_id=candidate,
                annotator_id=annotator.id,
                state="graded",
                grade=candidate % 4,
                scale="graded",
                client_id=f"{os.getpid()}-{share}",
                seq=number,
            )
            if store.judgements.save(given).status == "saved":
                os.write(1, f"{candidate}\n".encode())

    working = [threading.Thread(target=label, args=(share,)) for share in range(int(threads))]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
