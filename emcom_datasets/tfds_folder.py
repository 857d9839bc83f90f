"""What TFDS says of a prepared folder, without TensorFlow."""

from pathlib import Path
from typing import Any

from emcom_datasets.errors import DataSetError
from emcom_datasets.errors import one_line


def read_info(name: str, folder: Path, *, repair: str) -> Any:
  """Returns TFDS's `DatasetInfo` of a prepared folder, its features read.

  Args:
    name: the data set, for errors.
    folder: the version folder.
    repair: what to do about a folder that is not complete.

  Raises:
    DataSetError: TFDS is missing, or the folder is not complete.
  """
  try:
    import tensorflow_datasets as tfds  # pylint: disable=g-import-not-at-top
  except ImportError as error:
    raise DataSetError(
        f"{name}: reading {folder} needs `pip install tensorflow-datasets`") from error
  try:
    info = tfds.builder_from_directory(folder).info
    set(info.features)
  except Exception as error:  # Whatever TFDS raises, the folder is not what it expects.
    raise DataSetError(f"{name}: {folder} is not a complete prepared TFDS folder "
                       f"({one_line(error)}); {repair}") from error
  return info
