"""Run docs/tutorial.ipynb in a fresh kernel; fails if a cell fails.

    python -P docs/run_tutorial.py [--out EXECUTED.ipynb]

The notebook in the repository has no outputs; ``--out`` writes a copy that has them.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

NOTEBOOK = Path(__file__).resolve().parent / "tutorial.ipynb"


def main(arguments: list[str] | None = None) -> int:
    """Run every cell; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="?", type=Path, default=NOTEBOOK)
    parser.add_argument("--out", type=Path, help="write the executed notebook to this file")
    parser.add_argument("--timeout", type=int, default=120, help="seconds a cell may take")
    options = parser.parse_args(arguments)
    notebook = nbformat.read(options.notebook, as_version=4)
    count = sum(cell.cell_type == "code" for cell in notebook.cells)
    # docs/ as the working directory: the checkout's root holds a bare fastnn/ folder
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=options.timeout,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    begin = time.perf_counter()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if options.out:
            nbformat.write(notebook, options.out)
    print(f"{options.notebook.name}: {count} cells in {time.perf_counter() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
