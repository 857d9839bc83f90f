"""Tiny-ImageNet's official folder."""

import shutil

import numpy as np
from PIL import Image
import pytest

from socialized_learning.data import sources
from tests.data.sources import files

# Not in the order of their numbers, as in the official list.
WNIDS = [f"n{number:08d}" for number in np.random.RandomState(0).permutation(200) * 7 + 1]
ORDER = sorted(WNIDS)


def _colour(label, number):
  return np.full((64, 64, 3), [label, number, 255 - label], np.uint8)


@pytest.fixture(scope="module", name="written")
def _written(tmp_path_factory):
  """A folder with one image of each class, three of the class 5, and four validation images."""
  root = tmp_path_factory.mktemp("tiny")
  folder = root / "tiny-imagenet-200"
  (folder / "val" / "images").mkdir(parents=True)
  (folder / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
  for label, wnid in enumerate(ORDER):
    images = folder / "train" / wnid / "images"
    images.mkdir(parents=True)
    (images.parent / f"{wnid}_boxes.txt").write_text("boxes\n")
    for number in range(3 if label == 5 else 1):
      # PNG by its content: so that pixels can be compared.
      (images / f"{wnid}_{number}.JPEG").write_bytes(files.encoded(_colour(label, number)))
  lines = []
  for number, label in enumerate((199, 0, 5, 5)):
    (folder / "val" / "images" / f"val_{number}.JPEG").write_bytes(
        files.encoded(_colour(label, 100 + number)))
    lines.append(f"val_{number}.JPEG\t{ORDER[label]}\t0\t32\t44\t62")
  (folder / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
  return root


@pytest.fixture(name="root")
def _root(written, tmp_path):
  """A copy to damage."""
  shutil.copytree(written / "tiny-imagenet-200", tmp_path / "tiny-imagenet-200")
  return tmp_path


def test_images_and_labels_are_those_written(written):
  found = sources.load("tinyimagenet", data_dir=written)
  labels = sorted([*range(200), 5, 5])
  numbers = [0, 0, 0, 0, 0, 0, 1, 2, *[0] * 194]
  files.check(found.train, np.stack([_colour(*each) for each in zip(labels, numbers)]), labels)
  files.check(found.test, np.stack([_colour(199, 100), _colour(0, 101), _colour(5, 102),
                                    _colour(5, 103)]), [199, 0, 5, 5])
  assert found.num_classes == 200


@pytest.mark.parametrize("place", ["val/{}", "val/{}/images", "val/images/{}"])
@pytest.mark.parametrize("has_lists", [True, False])
def test_validation_images_sorted_into_classes(root, place, has_lists):
  """As many scripts leave them, with the lists or without."""
  folder = _folder(root)
  for path in (folder / "val" / "images").iterdir():
    path.unlink()
  for label, wnid in enumerate(ORDER):
    path = folder / place.format(wnid) / f"val_{label}.JPEG"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(files.encoded(_colour(label, 100)))
  (folder / "test" / "images").mkdir(parents=True)  # Without labels.
  (folder / "test" / "images" / "test_0.JPEG").write_bytes(files.encoded(_colour(0, 0)))
  if not has_lists:
    (folder / "wnids.txt").unlink()
    (folder / "val" / "val_annotations.txt").unlink()
  found = sources.load("tinyimagenet", data_dir=root)
  files.check(found.test, np.stack([_colour(label, 100) for label in range(200)]), range(200))
  assert np.bincount(found.train.labels).tolist() == [3 if label == 5 else 1 for label in range(200)]


def test_its_archive(written, tmp_path):
  shutil.make_archive(tmp_path / "tiny-imagenet-200", "zip", written, "tiny-imagenet-200")
  found = sources.load("tinyimagenet", data_dir=tmp_path)
  files.check(found.test, *sources.load("tinyimagenet", data_dir=written).test)


def test_names_that_begin_with_a_dot_do_not_count(root):
  for place in ("train/.cache/images", f"train/{ORDER[0]}/images", "val/images"):
    (_folder(root) / place).mkdir(parents=True, exist_ok=True)
    (_folder(root) / place / "._0.JPEG").write_bytes(b"attributes")
  assert np.bincount(sources.load("tinyimagenet", data_dir=root).train.labels)[0] == 1


def test_real_jpeg_files_and_grey_ones_become_rgb(root):
  grey = np.repeat(np.arange(64, dtype=np.uint8)[None] * 4, 64, axis=0)
  path = root / "tiny-imagenet-200" / "train" / ORDER[0] / "images" / f"{ORDER[0]}_0.JPEG"
  Image.fromarray(grey).save(path, "JPEG", quality=100)
  with Image.open(path) as image:
    assert (image.format, image.mode) == ("JPEG", "L")
  image = sources.load("tinyimagenet", data_dir=root).train.images[0]
  np.testing.assert_allclose(image.astype(int), np.repeat(grey[..., None], 3, -1), atol=2)


def _folder(root):
  return root / "tiny-imagenet-200"


def test_a_class_without_its_folder(root):
  shutil.rmtree(_folder(root) / "train" / ORDER[3])
  message = files.error("tinyimagenet", root)
  assert str(_folder(root) / "train" / ORDER[3]) in message
  assert "the folder of a class is missing" in message


def test_a_class_without_images(root):
  path = _folder(root) / "train" / ORDER[3]
  next(path.glob("images/*")).unlink()
  assert f"{path}: holds no *.JPEG" in files.error("tinyimagenet", root)


@pytest.mark.parametrize("place", ["wnids.txt", "val/val_annotations.txt"])
def test_a_missing_list(root, place):
  (_folder(root) / place).unlink()
  assert f"{_folder(root) / place}: is missing" in files.error("tinyimagenet", root)


@pytest.mark.parametrize("lines, part", [
    (WNIDS[:199], "names 199 classes in 199 lines, expected 200"),
    (WNIDS[:199] + WNIDS[:1], "names 199 classes in 200 lines, expected 200"),
    (WNIDS[:199] + ["n99999999"], "train/n99999999: the folder of a class"),
])
def test_another_list_of_classes(root, lines, part):
  (_folder(root) / "wnids.txt").write_text("\n".join(lines))
  assert part in files.error("tinyimagenet", root)


def test_a_list_that_is_no_text(root):
  (_folder(root) / "wnids.txt").write_bytes(b"\xff\xfe\x00")
  assert "wnids.txt: cannot be read" in files.error("tinyimagenet", root)


@pytest.mark.parametrize("line", ["val_0.JPEG\tn12", "val_0.JPEG", "n00000001"])
def test_a_line_of_another_class_or_of_none(root, line):
  path = _folder(root) / "val" / "val_annotations.txt"
  path.write_text(path.read_text() + line + "\n")
  message = files.error("tinyimagenet", root)
  assert f"{path}: line 5 gives" in message and "which wnids.txt does not name" in message


def test_no_line_leads_out_of_the_folder(root):
  path = _folder(root) / "val" / "val_annotations.txt"
  path.write_text(f"../../train/{ORDER[0]}/images/{ORDER[0]}_0.JPEG\t{ORDER[0]}\n")
  assert f"val/images/{ORDER[0]}_0.JPEG: is missing" in files.error("tinyimagenet", root)


@pytest.mark.parametrize("damage", ["missing", "half", "garbage"])
def test_a_damaged_image_is_named(root, damage):
  path = _folder(root) / "val" / "images" / "val_2.JPEG"
  whole = files.encoded(files.pixels(0, 64, 64, 3), "JPEG")
  path.unlink()
  if damage != "missing":
    path.write_bytes(whole[:len(whole) // 2] if damage == "half" else b"x" * 99)
  cause = "is missing" if damage == "missing" else "cannot be read"
  assert f"{path}: {cause}" in files.error("tinyimagenet", root)


def test_an_image_of_another_size_is_named(root):
  path = _folder(root) / "val" / "images" / "val_2.JPEG"
  path.write_bytes(files.encoded(files.pixels(0, 64, 48, 3)))
  assert f"{path}: is 64 x 48 pixels, expected 64 x 64" in files.error("tinyimagenet", root)
