"""The split of CelebA, worked out on paper, and its annotation files, whole and damaged."""

import numpy as np
import pytest

from emcom_datasets import celeba_split
from emcom_datasets.errors import DataSetError
from tests.emcom_datasets import image_folders


def _split(*identities):
  found = celeba_split.published_split(np.array(identities))
  return {name: indices.tolist() for name, indices in found.items()}


def test_one_identity_at_a_time():
  assert _split(*[2] * 5) == {"train": [0, 1, 2, 3, 4], "valid": [], "test": []}
  assert _split(*[2] * 6) == {"train": [0, 1, 2, 3, 4], "valid": [5], "test": []}
  assert _split(*[3] * 12) == {"train": [0, 1, 2, 3, 4, 6, 7, 8, 9, 11], "valid": [],
                               "test": [5, 10]}


def test_identities_are_counted_apart():
  #        0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17
  found = _split(8, 5, 5, 8, 8, 1, 5, 8, 5, 8, 5, 8, 5, 5, 8, 8, 8, 8)
  # Of 8: 0 3 4 7 9 [11] 14 15 16 17; of 5: 1 2 6 8 10 [12] 13; of 1: 5.
  assert found["valid"] == [11] and found["test"] == [12]
  assert found["train"] == sorted(set(range(18)) - {11, 12})


@pytest.mark.parametrize("count", range(1, 36))
def test_how_many_of_an_identity_are_held_out(count):
  assert len(_split(*[6] * count)["valid"]) == (count - 1) // 5


def test_every_image_is_in_one_split():
  identities = np.random.RandomState(0).randint(1, 50, size=1000)
  found = celeba_split.published_split(identities)
  np.testing.assert_array_equal(np.sort(np.concatenate(list(found.values()))), np.arange(1000))
  assert (identities[found["valid"]] % 2 == 0).all() and (identities[found["test"]] % 2 == 1).all()


def test_what_the_published_sizes_say_of_the_first_image_held_out():
  sizes = celeba_split.PUBLISHED_SIZES
  held_out = sizes["valid"] + sizes["test"]
  num_images, num_identities = sum(sizes.values()), 10_177
  assert (held_out, num_images) == (33_155, 202_599)
  remainder = [(num_images + (5 - first) * num_identities - 5 * held_out) / num_identities
               for first in (1, 2, 3, 4, 5, 6)]
  assert np.round(remainder, 1).tolist() == [7.6, 6.6, 5.6, 4.6, 3.6, 2.6]
  # With a share s of remainders 4 and all others at most 3, the mean is at most 3 + s.
  assert remainder[4] - 3 > 0.61


def test_sizes_of_the_whole_are_compared_with_the_published():
  sizes = celeba_split.PUBLISHED_SIZES
  splits = {name: np.arange(size) for name, size in sizes.items()} | {"test_official": np.arange(3)}
  assert celeba_split.size_warning(splits) is None
  assert celeba_split.size_warning(splits | {"train": np.arange(9)}) is None  # Not all of CelebA.
  other = splits | {"train": np.arange(sizes["train"] - 1), "test": np.arange(sizes["test"] + 1)}
  assert celeba_split.size_warning(other) == (
      "the splits are train 169,443, valid 16,669, test 16,487; as published they are train "
      "169,444, valid 16,669, test 16,486")


@pytest.fixture
def folder(tmp_path):
  image_folders.write_annotations(tmp_path / "annotations")
  return tmp_path / "annotations"


def _assert_whole(found):
  assert found.images == image_folders.names()
  assert found.identities.tolist() == list(image_folders.IDENTITIES)
  assert found.partition.tolist() == list(image_folders.PARTITION)
  assert tuple(found.attributes) == image_folders.ATTRIBUTES
  np.testing.assert_array_equal(
      np.stack(list(found.attributes.values()), 1), image_folders.flags() == 1)


def test_files_are_understood(folder):
  found = celeba_split.read_annotations(folder)
  _assert_whole(found)
  assert tuple(found.landmarks) == image_folders.LANDMARKS
  np.testing.assert_array_equal(
      np.stack(list(found.landmarks.values()), 1), image_folders.landmarks())
  assert celeba_split.official_test(found.partition).tolist() == list(
      image_folders.SPLITS["test_official"])


def test_landmarks_are_optional_and_lines_may_end_as_on_windows(folder):
  (folder / "list_landmarks_align_celeba.txt").unlink()
  for path in folder.iterdir():
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
  found = celeba_split.read_annotations(folder)
  _assert_whole(found)
  assert found.landmarks == {}


def test_the_first_file_gives_the_order(folder):
  path = folder / "list_attr_celeba.txt"
  first, second, *rows = path.read_text().splitlines()
  path.write_text("\n".join([first, second, *reversed(rows)]))
  _assert_whole(celeba_split.read_annotations(folder))


def _error(folder):
  with pytest.raises(DataSetError) as caught:
    celeba_split.read_annotations(folder)
  assert "\n" not in str(caught.value)
  return str(caught.value)


@pytest.mark.parametrize(
    "name", ["identity_CelebA.txt", "list_attr_celeba.txt", "list_eval_partition.txt"])
def test_missing_empty_and_binary_files(folder, name):
  path = folder / name
  path.write_bytes(b"\xff\xfe\x00")
  assert _error(folder) == f"{path}: cannot be read (it is not text)"
  path.write_bytes(b"")
  assert f"{path}, line 1: ''" in _error(folder)
  path.unlink()
  assert f"{path}: is missing" in _error(folder)
  path.mkdir()
  assert _error(folder) == f"{path}: cannot be read (Is a directory)"


@pytest.mark.parametrize("name, line, text, message", [
    ("identity_CelebA", 3, "000003.jpg", "has 0 numbers after the image, expected 1"),
    ("identity_CelebA", 3, "000003.jpg 4 4", "has 2 numbers after the image, expected 1"),
    ("identity_CelebA", 3, "000003.jpg four", "is not an image and its numbers"),
    ("identity_CelebA", 3, "", "'' has 0 numbers"),
    ("identity_CelebA", 3, "000001.jpg 4", "is a second line of 000001.jpg"),
    ("identity_CelebA", 3, "000003.jpg 10178", "an identity is a number from 0 to 10177"),
    ("identity_CelebA", 3, "000003.jpg -1", "identity of 000003.jpg is -1"),
    ("identity_CelebA", 3, "000003.jpg 99999999999999999999", "is not an image and its numbers"),
    ("list_eval_partition", 13, "000013.jpg 3", "the official split is 0, 1 or 2"),
    ("list_eval_partition", 13, "000014.jpg 1", "has no line for 000013.jpg"),
    ("list_attr_celeba", 1, "14", "'14' is not the number of images, which is 13"),
    ("list_attr_celeba", 1, "images", "'images' is not the number of images"),
    ("list_attr_celeba", 2, " ", "there are no names"),
    ("list_attr_celeba", 2, "Young Young", "a name is there twice"),
    ("list_attr_celeba", 2, "Young Bald", "line 3: '000001.jpg"),
    ("list_attr_celeba", 4, "000002.jpg" + " 1" * 39 + " 0",
     "Attribute_39 of 000002.jpg is 0; an attribute is -1 or 1"),
    ("list_attr_celeba", 4, "000002.jpg" + " 1" * 39, "has 39 numbers after the image"),
    ("list_landmarks_align_celeba", 15, "000013.jpg 1 2 3 4 5 6 7 8 9 1.5",
     "is not an image and its numbers"),
])
def test_a_damaged_line_is_named(folder, name, line, text, message):
  path = folder / f"{name}.txt"
  lines = path.read_text().splitlines()
  lines[line - 1] = text
  path.write_text("\n".join(lines) + "\n")
  found = _error(folder)
  assert message in found and str(path) in found
  if "has no line" not in message and not message.startswith("line"):
    assert f"{path}, line {line}: " in found


def test_a_file_cut_short(folder):
  path = folder / "list_eval_partition.txt"
  path.write_text("\n".join(path.read_text().splitlines()[:-1]))
  assert f"{path}: has no line for 000013.jpg" in _error(folder)


def test_an_image_the_first_file_does_not_name(folder):
  path = folder / "list_eval_partition.txt"
  path.write_text("more.jpg 0\n" + path.read_text())
  assert f"{path}, line 1: more.jpg is not named in {folder}/identity_CelebA.txt" in _error(folder)
