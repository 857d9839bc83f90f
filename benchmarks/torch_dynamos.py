"""A step of Dynamos in PyTorch, written the plain way: the peer of `benchmarks.convolution_step`.

Source: Varma, Arani and Zonooz 2023, "Dynamically Modular and Sparse General Continual Learning".

Shapes: `B` batch, `L` agents, `C` channels of each; images are [B, 3, 28, 28].
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks import torch_resnet

_WIDTH, _TEMPERATURE = 32, 0.15


class Agent(nn.Module):
  """Looks at what a convolution reads, and says how much each of its channels is wanted, [B, C]."""

  def __init__(self, channels: int, width: int):
    super().__init__()
    self.conv, self.norm = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
    self.bottleneck = nn.Sequential(nn.Linear(width, width // 16), nn.ReLU(),
                                    nn.Linear(width // 16, width), nn.Sigmoid())

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    pooled = self.norm(self.conv(x)).mean(dim=(2, 3))
    return pooled * self.bottleneck(pooled)


class GatedBlock(torch_resnet.Block):
  """A block whose channels two agents keep or drop, for each image."""

  def __init__(self, channels: int, width: int, stride: int):
    super().__init__(channels, width, stride)
    self.agents = nn.ModuleList([Agent(channels, width), Agent(width, width)])

  def decide(self, agent: int, x: torch.Tensor, decisions: list[Any]) -> torch.Tensor:
    """The mask of an agent, [B, C, 1, 1]; notes (kept, logits, log-probability)."""
    logits = self.agents[agent](x)
    policy = torch.distributions.Bernoulli(logits=logits / _TEMPERATURE)
    kept = policy.sample()
    decisions.append((kept, logits, policy.log_prob(kept).sum(dim=1)))
    return kept[:, :, None, None]

  def gated(self, x: torch.Tensor, decisions: list[Any]) -> torch.Tensor:
    """The block in training."""
    mask = self.decide(0, x, decisions)
    out = torch.relu(self.bn1(self.conv1(x)) * mask)
    mask = self.decide(1, out, decisions)
    return torch.relu((self.bn2(self.conv2(out)) + self.shortcut(x)) * mask)


class GatedResNet(nn.Module):
  """A stem, two open blocks, two gated ones and a linear layer."""

  def __init__(self):
    super().__init__()
    width = _WIDTH
    self.open = nn.Sequential(
        nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        torch_resnet.Block(width, width, 1), torch_resnet.Block(width, width, 1))
    self.blocks = nn.ModuleList([GatedBlock(width, 2 * width, 2), GatedBlock(2 * width, 2 * width, 1)])
    self.linear = nn.Linear(2 * width, 10)

  def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Logits [B, 10], kept [B, L, C], logits of the agents [B, L, C], log-probabilities [B, L]."""
    x, decisions = self.open(x), []
    for block in self.blocks:
      x = block.gated(x, decisions)
    return self.linear(x.mean(dim=(2, 3))), *(torch.stack(each, dim=1) for each in zip(*decisions))


def _policy_terms(found: tuple[torch.Tensor, ...], labels: torch.Tensor
                 ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
  """Loss of the policies, ratio of distances, and which answers are right."""
  logits, kept, wanted, log_probs = found
  right = logits.argmax(dim=1) == labels
  reward = -(0.7 - kept.mean(dim=2))**2
  reward = torch.where(right[:, None], reward, 500 * reward)
  policy = -(reward * log_probs).mean()
  ratio = torch.zeros(())
  if right.sum() > 2:
    flat, of = wanted[right].flatten(1), labels[right]
    distances = torch.cdist(flat, flat)**2 / flat.shape[1]
    alike = of[:, None] == of
    upper = torch.ones_like(alike).triu(1)
    ratio = (1 + distances[alike & upper].sum()) / (1 + distances[~alike & upper].sum())
  return policy, ratio, right


def dynamos_step(batch: int, slots: int, layout: str) -> torch_resnet.Step:
  """Dynamos on images like MNIST's, grey as three colours, as many replayed as current ones."""
  kind = torch_resnet.memory_format(layout)
  net = GatedResNet().to(memory_format=kind)
  optimiser = torch.optim.SGD(net.parameters(), lr=0.07)
  data = torch.rand(1000, 1, 28, 28)
  targets = torch.randint(10, (1000,))
  memory = torch_resnet.Reservoir(slots, data[0], targets[0], torch.zeros(10), torch.zeros(4, 2 * _WIDTH))
  memory.add(data[:slots], targets[:slots], torch.zeros(slots, 10), torch.zeros(slots, 4, 2 * _WIDTH))
  show = lambda images: images.expand(-1, 3, -1, -1).contiguous(memory_format=kind)

  def step():
    at = torch.randint(len(data), (batch,))
    images, labels = data[at], targets[at]
    optimiser.zero_grad()
    found = net(show(images))
    policy, ratio, right = _policy_terms(found, labels)
    loss = functional.cross_entropy(found[0], labels) + 0.5 * policy + 0.3 * ratio
    old_images, old_labels, old_logits, old_wanted = memory.draw(batch)
    again = net(show(old_images))
    old_policy, old_ratio, _ = _policy_terms(again, old_labels)
    loss = (loss + 0.2 * functional.mse_loss(again[0], old_logits)
            + 0.2 * functional.mse_loss(again[2], old_wanted)
            + 2 * (functional.cross_entropy(again[0], old_labels) + 0.5 * old_policy)
            + 0.3 * old_ratio)
    loss.backward()
    optimiser.step()
    memory.add(images, labels, found[0].detach(), found[2].detach(), keeps=right)
    loss.item()

  return step
