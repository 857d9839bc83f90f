"""Steps of ResNet-18 in PyTorch, written the plain way: the peer of `benchmarks.convolution_step`.

Only this folder needs PyTorch, an optional extra. Nothing is tuned but the layout of memory, which users
choose with `.to(memory_format=torch.channels_last)`.

Shapes: `B` batch, images are [B, C, H, W].
"""

from collections.abc import Callable
import random

import torch
from torch import nn
from torch.nn import functional

Step = Callable[[], None]


class Block(nn.Module):
  """Two 3 x 3 convolutions with batch normalisation beside a shortcut (He et al. 2016)."""

  def __init__(self, channels: int, width: int, stride: int):
    super().__init__()
    self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
    self.bn1 = nn.BatchNorm2d(width)
    self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
    self.bn2 = nn.BatchNorm2d(width)
    self.shortcut = nn.Sequential()
    if stride != 1 or channels != width:
      self.shortcut = nn.Sequential(
          nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    out = torch.relu(self.bn1(self.conv1(x)))
    return torch.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


def resnet18(width: int, num_outputs: int = 10) -> nn.Module:
  """ResNet-18 with a 3 x 3 stem, for images of three colours."""
  layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
  channels = width
  for stage, stride in enumerate((1, 2, 2, 2)):
    for first in (True, False):
      layers.append(Block(channels, width * 2**stage, stride if first else 1))
      channels = width * 2**stage
  return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                       nn.Linear(channels, num_outputs))


def perceptron(width: int, num_outputs: int = 10) -> nn.Module:
  """One hidden layer, for images of 32 x 32 and three colours."""
  return nn.Sequential(nn.Flatten(), nn.Linear(32 * 32 * 3, width), nn.ReLU(),
                       nn.Linear(width, num_outputs))


def memory_format(layout: str) -> torch.memory_format:
  """`channels_last` or PyTorch's own."""
  return torch.channels_last if layout == "channels_last" else torch.contiguous_format


def training_step(net: nn.Module, batch: int, layout: str) -> Step:
  """Forwards, backwards and a step of gradient descent on one batch of random images."""
  kind = memory_format(layout)
  net = net.to(memory_format=kind)
  optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
  images = torch.randn(batch, 3, 32, 32).to(memory_format=kind)
  labels = torch.arange(batch) % 10

  def step():
    optimiser.zero_grad()
    loss = functional.cross_entropy(net(images), labels)
    loss.backward()
    optimiser.step()
    loss.item()

  return step


class Reservoir:
  """A memory of examples as they come (Vitter 1985), one row a slot."""

  def __init__(self, size: int, *rows: torch.Tensor):
    """`rows` are examples of what is stored, without the axis of slots."""
    self._stored = [torch.zeros(size, *row.shape, dtype=row.dtype) for row in rows]
    self._size, self._seen = size, 0

  def add(self, *batches: torch.Tensor, keeps: torch.Tensor | None = None) -> None:
    """Offers a batch; what `keeps` says no to is counted and not stored."""
    for i in range(len(batches[0])):
      slot = self._seen if self._seen < self._size else random.randint(0, self._seen)
      self._seen += 1
      if slot < self._size and (keeps is None or keeps[i]):
        for stored, batch in zip(self._stored, batches, strict=True):
          stored[slot] = batch[i]

  def draw(self, number: int) -> list[torch.Tensor]:
    """So many different examples, fewer if there are not as many."""
    filled = min(self._seen, self._size)
    chosen = torch.randperm(filled)[:number]
    return [stored[chosen] for stored in self._stored]


def crop_and_flip(images: torch.Tensor) -> torch.Tensor:
  """Random crops of images padded by 4, and flips, one by one as in an image pipeline."""
  padded = functional.pad(images, (4, 4, 4, 4))
  out = torch.empty_like(images)
  side = images.shape[-1]
  for i in range(len(images)):
    top, left = random.randint(0, 8), random.randint(0, 8)
    window = padded[i, :, top:top + side, left:left + side]
    out[i] = window.flip(-1) if random.random() < 0.5 else window
  return out


def replay_step(width: int, batch: int, slots: int, layout: str) -> Step:
  """Experience replay on images like CIFAR-10's: as many replayed as current ones, augmented anew."""
  kind = memory_format(layout)
  net = resnet18(width).to(memory_format=kind)
  optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
  data = torch.randint(256, (1000, 3, 32, 32), dtype=torch.uint8)
  targets = torch.randint(10, (1000,))
  mean, std = torch.full((1, 3, 1, 1), 0.47), torch.full((1, 3, 1, 1), 0.25)
  memory = Reservoir(slots, data[0], targets[0])
  memory.add(data[:slots], targets[:slots])
  show = lambda images: (crop_and_flip(images.float() / 255) - mean) / std

  def step():
    at = torch.randint(len(data), (batch,))
    images, labels = data[at], targets[at]
    old_images, old_labels = memory.draw(batch)
    shown = torch.cat([show(images), show(old_images)]).to(memory_format=kind)
    optimiser.zero_grad()
    loss = functional.cross_entropy(net(shown), torch.cat([labels, old_labels]))
    loss.backward()
    optimiser.step()
    memory.add(images, labels)
    loss.item()

  return step
