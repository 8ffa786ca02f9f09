"""Try the fuzzed tests by the thousand, with new examples each time, and keep the count.

A line says how many examples and calls there were, and by which exceptions calls were refused; an
outcome that is not allowed fails a test, and then there is no line.
"""

import os
import sys
import time

import pytest

from benchmarks._common import write_line

os.environ["SKLSSL_FUZZ"] = "long"  # read when the tests are imported


def main():
    """Run the tests in this process, one by one."""
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
