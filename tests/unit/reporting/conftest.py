"""One run folder and one view of it for all tests of the report; tests that change it make their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from augtune.reporting.read import RunView, read_run
from run_folder import write_run_folder


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_folder(tmp_path_factory.mktemp("runs") / "helpdesk", rows=300)


@pytest.fixture(scope="session")
def view(run: Path) -> RunView:
    return read_run(run)


@pytest.fixture
def own_run(tmp_path: Path) -> Path:
    return write_run_folder(tmp_path / "helpdesk", rows=60)
