"""A command line for the tests of a module."""

import pytest

from tests.experiments import cli


@pytest.fixture(name="line", scope="module")
def _line(tmp_path_factory):
  """The command line, in an empty folder."""
  return cli.CommandLine(tmp_path_factory.mktemp("cwd"))
