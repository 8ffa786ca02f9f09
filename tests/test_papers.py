"""The tables of the papers have a row of ours for each of theirs."""

import pytest

from benchmarks._tables import _papers, _reported
from benchmarks.papers.__main__ import PAPERS, jobs_of

SIZES = ("smoke", "cpu", "full")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("paper", PAPERS)
def test_every_row_of_the_paper_is_computed(paper, size):
    tables = [table for table in _reported.TABLES.values() if table.paper == paper]
    claims = [claim for claim in _reported.CLAIMS if claim.paper == paper]
    wanted = {row.ours for table in tables for row in table.rows}
    wanted |= {row for claim in claims for row, _ in (claim.better, claim.worse)}
    assert wanted == set(jobs_of(paper, size)[1])


@pytest.mark.parametrize("claim", _reported.CLAIMS, ids=lambda claim: claim.text)
def test_a_claim_says_what_the_tables_of_the_paper_say(claim):
    theirs = []
    for ours, key in (claim.better, claim.worse):
        assert key in _reported.keys_of(claim.paper, ours)
        theirs.append(
            {
                row.theirs[name]
                for table in _reported.TABLES.values()
                for row in table.rows
                if table.paper == claim.paper and row.ours == ours
                for name in row.theirs
                if row.prefix + name == key
            }
        )
    if all(theirs):
        differences = {round(a - b, 2) for a in theirs[0] for b in theirs[1]}
        assert claim.theirs in differences


def test_the_standard_error_is_that_of_test_images_and_seeds():
    assert _papers._noise([0.5], [0.5], 100) == pytest.approx(0.005**0.5)
    found = _papers._noise([0.5, 0.7], [0.5, 0.5], 100)
    assert found == pytest.approx(((0.6 * 0.4 + 0.25) / 100 + 0.02 / 2) ** 0.5)
