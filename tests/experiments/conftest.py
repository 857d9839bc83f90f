"""A command line for the tests of a module, and a place for what it compiles."""

import pytest

from tests.experiments import cli


@pytest.fixture(name="cache", scope="session")
def _cache(tmp_path_factory):
  """Where compiled programs are kept from one command to the next."""
  return tmp_path_factory.mktemp("cache")


@pytest.fixture(name="line", scope="module")
def _line(cache, tmp_path_factory):
  """The command line, in an empty folder."""
  return cli.CommandLine(tmp_path_factory.mktemp("cwd"), cache)
