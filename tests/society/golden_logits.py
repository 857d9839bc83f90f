"""Closed-form logits of MASC's golden numbers: student, teachers, and models to choose from."""

import numpy as np

LABELS = np.array([1, 4, 7, 0])
GATE_LABELS = np.array([83, 10, 17, 94, 71, 98, 45, 12])
# What is added to one class, and to all, of each model's logits on each image.
_HEIGHTS = np.array([[2, 8, 6, 1, 1, 2, 1, 4], [2, 3, 2, 1, 1, 9, 5, 7], [2, 3, 2, 1, 1, 1, 3, 2],
                     [2, 3, 2, 1, 1, 6, 2, 3], [3, 6, 5, 1, 1, 4, 6, 2]])
_OFFSETS = np.array([[0, 4, 4.2, 0, 0, 0, 0, 0], [0.5, 0, 0, 6, 0, -10, 1, 0],
                     [0, 0, 0, 0, 8, 0, 0, 0], [-0.5, 0, 0, 0, 0, 4, 2, 0],
                     [1, -1, 6, -0.5, 9, -2, 0, 0.2]])


def student(dtype=np.float64) -> np.ndarray:
  """[4, 10]."""
  b, k = np.ogrid[:4, :10]
  return (3 * np.sin(0.7 * b + 0.9 * k + 0.1 * b * k)).astype(dtype)


def teachers(dtype=np.float64) -> np.ndarray:
  """[4, 4, 10], teacher by teacher."""
  i, b, k = np.ogrid[:4, :4, :10]
  return (2 * np.cos(0.5 * b + 0.6 * k + 1.3 * i + 0.07 * b * k)).astype(dtype)


def models(dtype=np.float64) -> np.ndarray:
  """[5, 8, 100]: four specialists and the student."""
  m, b, k = np.ogrid[:5, :8, :100]
  peak = k == (20 * m + 7 * b + 3) % 100
  z = 0.3 * np.sin(0.3 * m + 0.7 * b + 0.9 * k) + _OFFSETS[..., None] + _HEIGHTS[..., None] * peak
  return z.astype(dtype)
