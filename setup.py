"""Installs socialized_learning and emcom_datasets beside other packages: ranges of versions, not pins.

The suite passes with the lowest versions of all ranges and with the newest; `requirements.txt` pins
one set in between for `make run` and `make test`.
"""

import pathlib
import re

import setuptools

_HERE = pathlib.Path(__file__).parent

# Bounds above stand only where a release is known or announced to break what is used here.
_PACKAGE = [
    "absl-py>=2.1",
    "array-record>=0.8.1",
    "chex>=0.1.90",
    "dm-haiku>=0.0.16",
    "dm-tree>=0.1.9",
    "jax>=0.10,<0.13",  # Each minor release removes names that Jaxline, Haiku or Chex may still use.
    "jaxlib>=0.10,<0.13",
    "jaxline>=0.0.8,<0.1",  # platform/jaxline_shim.py replaces parts of it.
    "matplotlib>=3.9",
    "ml-collections>=1.0",
    "numpy>=2.0,<3",
    "optax>=0.2.5",
    "orbax-checkpoint>=0.11.40,<1",  # Version 1 has another interface.
    "pillow>=11.0",
    "rapidfuzz>=3.9",
    "rich>=13.7",
    "scipy>=1.14",
    "tensorboardX>=2.6.2.2",
    "tensorflow-datasets>=4.9.10",  # The first with ShardBasedBuilder.
]
_PARQUET = ["pyarrow>=17.0"]
_EXTRAS = {
    "test": [
        *_PARQUET,
        "hypothesis>=6.100",
        "pytest>=8.2",
        "pytest-timeout>=2.3.1",
        "pytest-xdist>=3.8",
    ],
    # Any version: which ones are safe is checked where it is used, in tools.import_torch.
    "torch": ["torch"],
    "parquet": _PARQUET,
}


def _read(name: str) -> str:
  return (_HERE / name).read_text(encoding="utf-8")


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
    extras_require=_EXTRAS,
)
