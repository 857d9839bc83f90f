"""What classes share of a gated network, as a picture: profiles of channels and their overlap.

Shapes: `N` members (seeds), `O` classes, `L` agents, `C` channels of each.
"""

from collections.abc import Mapping
import io
from typing import Any

import numpy as np

_DPI = 150


def draw(report: Mapping[str, Any]) -> bytes:
  """A PNG of the first member's profiles and of all members' mean overlap.

  Args:
    report: from `learners.sparsity.report`.
  """
  # Drawing is loaded where it is needed: it would slow down the start of every run.
  from matplotlib import figure

  profiles = np.asarray(report["profiles"], float)[0]
  keep_rate = np.asarray(report["keep_rate"]["thresholded"], float)[0]
  page = figure.Figure(figsize=(12, 4), layout="constrained")
  wide, *narrow = page.subplots(1, 3, width_ratios=(2, 1, 1))
  shown = wide.imshow(profiles, aspect="auto", vmin=0, vmax=1, interpolation="nearest")
  num_channels = profiles.shape[1] // len(keep_rate)
  wide.set(title="share of a class's images that keep a channel", ylabel="class")
  wide.set_xticks((np.arange(len(keep_rate)) + 0.5) * num_channels - 0.5,
                  [f"agent {i}\nkeeps {rate:.2f}" for i, rate in enumerate(keep_rate)])
  for border in np.arange(1, len(keep_rate)) * num_channels - 0.5:
    wide.axvline(border, color="white")
  for axes, (name, overlap) in zip(narrow, report["overlap"].items(), strict=True):
    axes.imshow(np.mean(overlap, axis=0), vmin=0, vmax=1)
    axes.set(title=f"overlap of classes ({name})", xlabel="class", ylabel="class")
  page.colorbar(shown, ax=narrow)
  for axes in (wide, *narrow):
    axes.locator_params("y", integer=True)
  file = io.BytesIO()
  page.savefig(file, format="png", dpi=_DPI)
  return file.getvalue()
