"""Run the fuzz tests with thousands of new examples, and count the outcomes.

A result has the numbers of examples, of calls that worked and of each kind of error. An outcome
that is not allowed fails a test, and then no result is written.
"""

import os
import sys
import time

import pytest

from benchmarks._common import write_line

os.environ["SKLSSL_FUZZ"] = "long"  # read when the tests are imported


def main():
    """Run the tests in this process, one after another."""
    start = time.perf_counter()
    status = pytest.main(["-q", "-p", "no:cacheprovider", "tests/fuzz", *sys.argv[1:]])
    if status:
        sys.exit(status)
    from tests.fuzz._property import TALLY

    refused = dict(TALLY)
    n_examples, n_worked = refused.pop("examples"), refused.pop("worked")
    write_line(
        __file__,
        examples=n_examples,
        worked=n_worked,
        refused=dict(sorted(refused.items())),
        seconds=round(time.perf_counter() - start),
    )


if __name__ == "__main__":
    main()
