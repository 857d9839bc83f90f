"""How sparse a gated network is: channels kept, arithmetic left, and what classes share.

Shares are of channels, from 0 to 1. MACs are multiply-accumulates of one image. Of four agents each
has a convolution of the second of two stages of two blocks, see `agents.gated_resnet`.

Shapes: `L` agents, `C` channels of each, `O` classes; any number of leading axes, written `...`.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Geometry(NamedTuple):
  """All that the arithmetic of a gated ResNet hangs on."""
  height: int  # Of an image, as is the next.
  width: int
  image_channels: int
  base_channels: int  # Of the first stage; the second has twice as many.
  num_hidden: int  # Units of an agent's bottleneck.
  num_outputs: int


class Macs(NamedTuple):
  """MACs of one image with all channels kept, by part."""
  stem: int
  first_stage: int
  gated: tuple[int, int, int, int, int]  # The four gated convolutions, then the shortcut.
  agents: int  # In training: over the whole map.
  agents_at_inference: int  # Their mean over space taken first.
  head: int

  @property
  def total(self) -> int:
    """Of a pass in training, or of one at inference that does not take the mean first."""
    return self.stem + self.first_stage + sum(self.gated) + self.agents + self.head

  @property
  def always_at_inference(self) -> int:
    """Of a pass at inference: what no mask can save."""
    return self.stem + self.first_stage + self.agents_at_inference + self.head

  @property
  def total_at_inference(self) -> int:
    """Of a pass at inference that drops nothing."""
    return self.always_at_inference + sum(self.gated)


def dense_macs(geometry: Geometry) -> Macs:
  """Counts convolutions and linear layers of a network; normalisation and masks are left out."""
  g = geometry
  places = g.height * g.width
  halved = -(-g.height // 2) * -(-g.width // 2)
  base, wide = g.base_channels, 2 * g.base_channels
  bottlenecks = 4 * 2 * wide * g.num_hidden
  return Macs(
      stem=9 * places * g.image_channels * base,
      first_stage=4 * 9 * places * base * base,
      gated=(9 * halved * base * wide, *[9 * halved * wide * wide] * 3, halved * base * wide),
      agents=places * base * wide + 3 * halved * wide * wide + bottlenecks,
      agents_at_inference=base * wide + 3 * wide * wide + bottlenecks,
      head=wide * g.num_outputs)


def gated_macs(macs: Macs, shares: npt.ArrayLike, neighbours: npt.ArrayLike) -> np.ndarray:
  """MACs of the gated convolutions if dropped channels are skipped, at the input and the output.

  A convolution costs as much less as channels are dropped before it times those behind it:
  f_0, f_0 f_1, f_1 f_2, f_2 f_3 for the four convolutions and f_1 for the shortcut.

  Args:
    macs: of the dense network.
    shares: [..., L] mean over images of the share f_l kept.
    neighbours: [..., L - 1] mean over images of f_l f_(l+1), as they hang together.

  Returns:
    [...].
  """
  shares, neighbours = np.asarray(shares, np.float64), np.asarray(neighbours, np.float64)
  left = np.concatenate([shares[..., :1], neighbours, shares[..., 1:2]], axis=-1)
  return left @ np.array(macs.gated, np.float64)


def profiles(kept: npt.ArrayLike, images: npt.ArrayLike) -> np.ndarray:
  """How often each class keeps each channel, in shares of its images.

  Args:
    kept: [..., O, L, C] images that kept it.
    images: [..., O] of each class.

  Returns:
    [..., O, L C]; NaN for a class without images.
  """
  kept, images = np.asarray(kept, np.float64), np.asarray(images, np.float64)
  flat = kept.reshape(*kept.shape[:-2], -1)
  return flat / np.where(images > 0, images, np.nan)[..., None]


def cosine_overlap(profile: npt.ArrayLike) -> np.ndarray:
  """Cosine between the profiles of any two classes, [..., O, F] -> [..., O, O].

  NaN where a class has no images, or keeps nothing.
  """
  profile = np.asarray(profile, np.float64)
  norm = np.linalg.norm(profile, axis=-1, keepdims=True)
  unit = profile / np.where(norm > 0, norm, np.nan)
  return unit @ np.swapaxes(unit, -1, -2)


def jaccard_overlap(profile: npt.ArrayLike, threshold: float = 0.5) -> np.ndarray:
  """Channels that two classes share, of those that either has: [..., O, F] -> [..., O, O].

  A class has a channel if at least a share `threshold` of its images keep it. NaN where a class has
  no images, or neither has a channel.
  """
  profile = np.asarray(profile, np.float64)
  has = (profile >= threshold).astype(np.float64)
  has[np.isnan(profile)] = np.nan
  both = has @ np.swapaxes(has, -1, -2)
  count = has.sum(axis=-1)
  either = count[..., :, None] + count[..., None, :] - both
  return both / np.where(either > 0, either, np.nan)
