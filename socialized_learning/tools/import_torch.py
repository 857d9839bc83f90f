"""Brings weights of a published PyTorch network here.

  python -m socialized_learning.tools.import_torch CHECKPOINT.pth --to DIR

CHECKPOINT.pth is a state dict, or a dictionary with one as `state_dict` (as MASC's authors save
it), of a network that is known here: MASC's narrow or wide VGG, a ResNet-18 or MLP as Mammoth names
them. DIR is a new folder, which then holds the weights in the format of checkpoints.

Nothing in the file is run: PyTorch reads it with weights_only=True. PyTorch is not part of this
package: pip install torch, or install this package as socialized_learning[torch].

Exit status: 0 done; 2 something you can put right, said in one line; 130 stopped.
"""

import codecs
from collections.abc import Mapping, Sequence
import os
import pathlib
import re
import sys
from typing import Any

from emcom_datasets import command_line
import numpy as np

from socialized_learning.platform.errors import UserError

_SAFE_SINCE = (2, 6)  # Before, a file could get round weights_only (CVE-2025-32434).


def main(arguments: Sequence[str]) -> int:
  """Does what the flags ask for; returns the exit status."""
  parser = command_line.Parser("socialized_learning.tools.import_torch", __doc__)
  parser.add_argument("checkpoint", type=pathlib.Path, metavar="CHECKPOINT.pth", help="to be read")
  parser.add_argument("--to", type=pathlib.Path, metavar="DIR", required=True, help="a new folder")
  flags = parser.parse_args(arguments)
  try:
    print(import_weights(flags.checkpoint, flags.to))
  except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print("stopped", file=sys.stderr)
    return 130
  return 0


def import_weights(checkpoint: pathlib.Path, folder: pathlib.Path) -> str:
  """Converts a file and writes the folder; returns what to tell the user.

  Raises:
    UserError: the file is missing, damaged or of an unknown network, PyTorch is missing, or there
      is something in the folder.
  """
  if not checkpoint.is_file():
    raise UserError(f"{checkpoint}: there is no such file")
  found = read_state_dict(checkpoint)
  # JAX is loaded here, and not for --help.
  import jax  # pylint: disable=g-import-not-at-top
  from socialized_learning.platform import weights  # pylint: disable=g-import-not-at-top
  from socialized_learning.tools import state_dicts  # pylint: disable=g-import-not-at-top
  weights.refuse_used(folder)
  try:
    converted = state_dicts.convert(found)
  except UserError as error:
    raise UserError(f"{checkpoint} {error}") from error
  weights.save_weights(folder, converted.tree, {
      "kind": converted.kind, "num_outputs": converted.num_outputs,
      "imported_from": checkpoint.name})
  numbers = sum(leaf.size for leaf in jax.tree.leaves(converted.tree))
  return (f"{folder}: {converted.kind} with {converted.num_outputs} outputs, {numbers:,} numbers "
          "with running statistics")


def read_state_dict(path: pathlib.Path) -> dict[str, np.ndarray]:
  """The tensors of a file that `torch.save` has written, as float32 arrays by name.

  Raises:
    UserError: PyTorch is missing or too old, the file cannot be read, or it holds no state dict of
      finite numbers.
  """
  torch = _import_torch()
  try:
    with torch.serialization.safe_globals(_numbers_of_numpy()):
      found = torch.load(path, map_location="cpu", weights_only=True)
  except Exception as error:  # Of files that are no checkpoints PyTorch makes errors of every kind.
    # What PyTorch says has many lines, and advice that is not ours.
    other = re.search(r"GLOBAL ([\w.]+)", str(error))
    reason = (f"holds a {other[1]}, which is not read, since it might run anything; save the state "
              "dict alone, torch.save(net.state_dict(), FILE)" if other else
              "cannot be read, it is damaged or no file of PyTorch's; copy or download it again")
    raise UserError(f"{path}: {reason}") from error
  if isinstance(found, Mapping):
    found = found.get("state_dict", found)
  if not isinstance(found, Mapping) or not found or not all(
      isinstance(tensor, torch.Tensor) for tensor in found.values()):
    raise UserError(f"{path}: holds no state dict, expected tensors by name, or a dictionary with "
                    "them as 'state_dict'")
  return {str(name): _array(path, name, tensor) for name, tensor in found.items()}


def _array(path: pathlib.Path, name: Any, tensor: Any) -> np.ndarray:
  """A tensor as a float32 array.

  Raises:
    UserError: it stands for more numbers than the file holds (an expanded one repeats a few without
      end), is no array of numbers, or is not finite.
  """
  if tensor.numel() * tensor.element_size() > path.stat().st_size:
    raise UserError(f"{path}: {name} of shape {list(tensor.shape)} is larger than the file: it is an expanded "
                    "tensor, save it with .contiguous()")
  try:
    array = tensor.detach().float().numpy()
  except (RuntimeError, TypeError) as error:  # Sparse, without data, ….
    raise UserError(f"{path}: {name} is no dense tensor of numbers: save a plain state dict") from error
  if not np.isfinite(array).all():
    raise UserError(f"{path}: {name} holds NaN or infinity: its training has failed, use an earlier checkpoint")
  return array


def _numbers_of_numpy() -> list[Any]:
  """What a pickle needs to hold a NumPy number, such as an accuracy beside the weights."""
  scalar = np.float64(0).__reduce__()[0]
  # Its name before and since NumPy 2.
  names = [f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")]
  kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64)]
  return [*((scalar, name) for name in names), np.dtype, *kinds, codecs.encode]


def _import_torch() -> Any:
  try:
    import torch  # pylint: disable=g-import-not-at-top
  except ImportError as error:
    raise UserError("reading PyTorch's files needs PyTorch: pip install torch") from error
  version = tuple(int(part) for part in torch.__version__.split(".")[:2])
  if version < _SAFE_SINCE:
    raise UserError(f"PyTorch {torch.__version__} is too old to read files of others safely: "
                    f"pip install 'torch>={_SAFE_SINCE[0]}.{_SAFE_SINCE[1]}'")
  return torch


if __name__ == "__main__":
  os.environ.setdefault("JAX_PLATFORMS", "cpu")  # There is nothing to compute.
  sys.exit(main(sys.argv[1:]))
