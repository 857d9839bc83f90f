"""Installs socialized_learning and emcom_datasets with the exact versions of requirements.txt."""

import pathlib
import re

import setuptools

_HERE = pathlib.Path(__file__).parent


def _read(name: str) -> str:
  return (_HERE / name).read_text(encoding="utf-8")


def _requirements() -> tuple[list[str], list[str]]:
  """Requirements of the package and, after the line "# Tests.", of its tests."""
  package, tests = (
      [line.split("#")[0].strip() for line in part.splitlines() if line.split("#")[0].strip()]
      for part in _read("requirements.txt").split("# Tests."))
  return package, tests


_PACKAGE, _TESTS = _requirements()

setuptools.setup(
    name="socialized_learning",
    version=re.search(r'__version__ = "(.+)"', _read("socialized_learning/__init__.py"))[1],
    description="Populations of Haiku agents that learn together, on Jaxline",
    long_description=_read("README.md"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=setuptools.find_packages(include=["socialized_learning*", "emcom_datasets*"]),
    package_data={"emcom_datasets": ["arrays/*.npz", "README.md"]},
    python_requires=">=3.11",
    install_requires=_PACKAGE,
    # Of torch any version: which ones are safe is checked where it is used, in tools.import_torch.
    extras_require={"test": _TESTS, "torch": ["torch"], "parquet": ["pyarrow"]},
)
