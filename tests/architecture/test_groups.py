"""Tests that share what is dear to make run in one process, which the test runner's plugin has to see to."""

import os

import pytest


@pytest.mark.xdist_group("together")
def test_groups_of_tests_are_kept_together(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("one process runs them all")
    assert request.node.nodeid.endswith("@together"), "pytest and pytest-xdist do not fit each other"
