"""Rotations as tables of whole numbers, so that a device does nothing that could round.

Bit for bit the nearest-neighbour rotation of Pillow 13 (`Image.rotate`): counter-clockwise, about
the centre, same size, zeros outside.
"""

from collections.abc import Sequence
import math

import numpy as np

from socialized_learning.streams.types import ROTATION
from socialized_learning.streams.types import Views

# Positions are whole numbers of 1 / 65536 of a pixel.
FRACTION_BITS = 16


def table(degrees: Sequence[float], height: int, width: int) -> np.ndarray:
  """Where output pixels come from, for each angle.

  The source of output pixel (row, column) is at x = (x0 + xc column + xr row) >> 16 and
  y = (y0 + yc column + yr row) >> 16.

  Args:
    degrees: [M], counter-clockwise.
    height: of the images, in pixels.
    width: of the images, in pixels.

  Returns:
    [M, 6] int32: xc, xr, x0, yc, yr, y0 in units of 1 / 65536 pixel.
  """
  # Python's own cosine and rounding, as Pillow has them: NumPy's may differ in the last bit.
  angles = [-math.radians(angle % 360.0) for angle in degrees]
  cos = np.array([round(math.cos(angle), 15) for angle in angles])
  sin = np.array([round(math.sin(angle), 15) for angle in angles])
  x, y = width / 2, height / 2
  start_x = (cos * -x + sin * -y) + x
  start_y = (-sin * -x + cos * -y) + y
  coefficients = np.stack([
      cos, sin, start_x + cos * 0.5 + sin * 0.5,
      -sin, cos, start_y + -sin * 0.5 + cos * 0.5], axis=-1)
  return np.floor(coefficients * (1 << FRACTION_BITS) + 0.5).astype(np.int32)


def views(degrees: Sequence[float], image_shape: tuple[int, int, int]) -> Views:
  """Views of images [H, W, C] rotated by these angles."""
  degrees = np.asarray(degrees, np.float64)
  return Views(ROTATION, table(degrees.tolist(), *image_shape[:2]), degrees)
