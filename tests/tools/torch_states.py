"""State dicts as PyTorch would hold them, with entries by formula, in NumPy."""

import numpy as np

from tests.agents import golden_vgg

_CONVOLUTIONS = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
_WIDTHS = {"narrow": (64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256, 256, 256),
           "wide": (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)}
COUNTER = "num_batches_tracked"


def _entries(t: int, *shape: int) -> np.ndarray:
  """Tensor t of the golden numbers in PyTorch's layout, float32."""
  axes = {4: (2, 3, 1, 0), 2: (1, 0)}.get(len(shape), (0,))
  ours = golden_vgg.entries(t, tuple(np.array(shape)[list(axes)]))
  return ours.transpose(np.argsort(axes)).astype(np.float32)


def masc(layout: str, divisor: int = 1, hidden: int = 1024, outputs: int = 100
        ) -> dict[str, np.ndarray]:
  """The VGG of MASC's released code, 97 tensors."""
  state, channels = {}, 3
  for block, (c, width) in enumerate(zip(_CONVOLUTIONS, _WIDTHS[layout], strict=True)):
    width //= divisor
    state[f"layers.{c}.weight"] = _entries(6 * block, width, channels, 3, 3)
    state[f"layers.{c}.bias"] = _entries(6 * block + 1, width)
    for i, name in enumerate(("weight", "bias", "running_mean", "running_var"), start=2):
      state[f"layers.{c + 1}.{name}"] = _entries(6 * block + i, width)
    state[f"layers.{c + 1}.{COUNTER}"] = np.array(0)
    channels = width
  for i, (ins, outs) in enumerate(((channels, hidden), (hidden, hidden), (hidden, outputs))):
    state[f"classifier.{3 * i}.weight"] = _entries(78 + 2 * i, outs, ins)
    state[f"classifier.{3 * i}.bias"] = _entries(79 + 2 * i, outs)
  return state


def _norm(state, name, width, rng):
  for leaf in ("weight", "bias", "running_mean", "running_var"):
    state[f"{name}.{leaf}"] = rng.random(width, np.float32) + 0.5
  state[f"{name}.{COUNTER}"] = np.array(7)


def resnet18(width: int, outputs: int, last: str) -> dict[str, np.ndarray]:
  """A ResNet-18 as Mammoth names it, with random entries."""
  rng = np.random.default_rng(0)
  normal = lambda *shape: (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
  state = {"conv1.weight": normal(width, 3, 3, 3)}
  _norm(state, "bn1", width, rng)
  ins = width
  for stage in range(4):
    outs = width * 2**stage
    for block in range(2):
      name = f"layer{stage + 1}.{block}"
      for i in (1, 2):
        state[f"{name}.conv{i}.weight"] = normal(outs, ins if i == 1 else outs, 3, 3)
        _norm(state, f"{name}.bn{i}", outs, rng)
      if ins != outs:
        state[f"{name}.shortcut.0.weight"] = normal(outs, ins, 1, 1)
        _norm(state, f"{name}.shortcut.1", outs, rng)
      ins = outs
  return state | {f"{last}.weight": normal(outputs, ins), f"{last}.bias": normal(outputs)}


def mlp(sizes: tuple[int, ...] = (784, 100, 100, 10)) -> dict[str, np.ndarray]:
  """An MLP as Mammoth names it, with its second names for the same tensors."""
  rng, state = np.random.default_rng(1), {}
  for name, ins, outs in zip(("fc1", "fc2", "classifier"), sizes, sizes[1:], strict=False):
    state[f"{name}.weight"] = (rng.normal(size=(outs, ins)) / np.sqrt(ins)).astype(np.float32)
    state[f"{name}.bias"] = rng.normal(size=outs).astype(np.float32)
  again = {"_features.0": "fc1", "net.0.2": "fc2", "net.1": "classifier"}
  return state | {f"{new}.{leaf}": state[f"{old}.{leaf}"] for new, old in again.items()
                  for leaf in ("weight", "bias")}
