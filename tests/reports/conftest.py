"""A sample run, written once for each test that reads it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The builder of sample verdicts: beside the tests, which are no package."""
    name = "vigie_sample_verdict"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("sample.py"))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def run_folder(sample: ModuleType, tmp_path: Path) -> Path:
    """The folder of a run with every status in it, not yet told."""
    sample.sample_run(tmp_path)
    return tmp_path
