"""What tells data apart: a run is not resumed with other images, or the same in another order.

Memories and held-out sets are positions in the data. Image sets that are ordered by content have the
same fingerprint whatever files hold them; the same images in the order of other files have another.
"""

from collections.abc import Iterable, Mapping
import zlib

from emcom_datasets import Split
import numpy as np


def of_arrays(arrays: Iterable[np.ndarray]) -> str:
  """CRC-32 of arrays with their shapes and types, eight hexadecimal digits."""
  crc32 = 0
  for array in arrays:
    array = np.ascontiguousarray(array)
    crc32 = zlib.crc32(f"{array.dtype.str}{array.shape}".encode(), crc32)
    crc32 = zlib.crc32(array.reshape(-1).view(np.uint8), crc32)
  return f"{crc32:08x}"


def arrays_of(splits: Mapping[str, Split]) -> list[np.ndarray]:
  """What tells train, valid and test apart from others; of those read on demand only their length.

  Other splits do not count, as one may ask a run to be examined on them at any time. Nor do inputs:
  they may have been centred, whose last bits hang on the machine.
  """
  arrays = []
  for name in ("train", "valid", "test"):
    split = splits[name]
    arrays.append(np.array([len(split)]))
    if split.resident:
      known = split.rows.labels | split.rows.attributes
      arrays += [known[label] for label in sorted(known)]
      arrays.append(np.array([str(item) for item in split.item_names(np.arange(len(split)))]))
  return arrays
