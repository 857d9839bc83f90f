"""Images in a folder for each class, of known sets and of one's own."""

import shutil
import zipfile

import numpy as np
from PIL import ImageFile
import pytest

from socialized_learning.data import sources
from tests.data.sources import files

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGITS = tuple(map(str, range(10)))


def _image(place, number, shape):
  return np.full(shape, [place, number, 7][:shape[-1]], np.uint8)


def _write(root, names, train="train", test="test", shape=(32, 32, 3), below=""):
  """Writes two training images and one test image of each class."""
  for place, name in enumerate(names):
    for split, numbers in ((train, (0, 1)), (test, (2,))):
      folder = root / split / name / below
      folder.mkdir(parents=True)
      for number in numbers:
        image = _image(place, number, shape)
        (folder / f"{number}.png").write_bytes(files.encoded(image.squeeze()))


def _check(found, order, shape=(32, 32, 3)):
  """Checks a set whose label n is the class written as number `order[n]`."""
  files.check(found.train, np.stack([_image(place, number, shape) for place in order
                                     for number in (0, 1)]), np.repeat(range(len(order)), 2))
  files.check(found.test, np.stack([_image(place, 2, shape) for place in order]), range(len(order)))
  assert found.kind == f"images of {len(order)} classes in folders"
  assert found.num_classes == len(order)


@pytest.mark.parametrize("name, names, splits, place, shape", [
    ("cifar10", CIFAR10, ("train", "test"), ".", (32, 32, 3)),
    ("cifar10", CIFAR10, ("train", "val"), "CIFAR10/images", (32, 32, 3)),
    ("cifar10", DIGITS, ("Train", "Test"), "cifar-10", (32, 32, 3)),
    ("mnist", DIGITS, ("training", "testing"), "mnist_png", (28, 28, 1)),
    ("svhn", DIGITS, ("train", "validation"), "svhn", (32, 32, 3)),
])
def test_known_sets(tmp_path, name, names, splits, place, shape):
  _write(tmp_path / place, names, *splits, shape)
  _check(sources.load(name, data_dir=tmp_path), range(10), shape)


def test_numbers_are_ordered_as_numbers_in_a_known_set(tmp_path):
  _write(tmp_path, [str(number) for number in range(100)])
  _check(sources.load("cifar100", data_dir=tmp_path), range(100))


def test_folders_in_an_archive(tmp_path):
  _write(tmp_path / "images", CIFAR10)
  with zipfile.ZipFile(tmp_path / "cifar10.zip", "w") as archive:
    for path in sorted((tmp_path / "images").rglob("*.png"), reverse=True):
      archive.write(path, path.relative_to(tmp_path))
  shutil.rmtree(tmp_path / "images")
  _check(sources.load("cifar10", data_dir=tmp_path), range(10))


def test_a_set_of_ones_own(tmp_path):
  names = ("wren", "10", "2", "Owl")
  _write(tmp_path / "birds", names, shape=(6, 9, 3), below="images")
  found = sources.load("class_folders", data_dir=tmp_path / "birds")
  _check(found, [1, 2, 3, 0], (6, 9, 3))  # As text: 10, 2, Owl, wren.
  assert (found.name, found.tasks) == ("class_folders", ())
  _check(sources.load("class_folders", data_dir=tmp_path), [1, 2, 3, 0], (6, 9, 3))


def test_what_does_not_count(tmp_path):
  _write(tmp_path, ("a", "b"))
  hidden = tmp_path / "train" / ".ipynb_checkpoints"
  hidden.mkdir()
  (hidden / "0-checkpoint.png").write_bytes(files.encoded(_image(0, 0, (32, 32, 3))))
  for name in ("._0.png", ".DS_Store", "Thumbs.db", "labels.csv"):
    (tmp_path / "train" / "a" / name).write_bytes(b"x")
  (tmp_path / "train" / "readme.png").write_bytes(b"x")
  _check(sources.load("class_folders", data_dir=tmp_path), range(2))


def _refused(tmp_path, name, message):
  found = files.error(name, tmp_path)
  assert message in found
  return found


def test_a_wrong_number_of_classes(tmp_path):
  _write(tmp_path, CIFAR10[:9])
  _refused(tmp_path, "cifar10",
           f"{tmp_path / 'train'}: holds 9 folders of classes, cifar10 has 10 classes")


def test_splits_that_do_not_fit(tmp_path):
  _write(tmp_path, CIFAR10)
  for split, other in (("test", "train"), ("train", "test")):
    shutil.move(tmp_path / split / "ship", tmp_path / "kept")
    for name in ("cifar10", "class_folders"):
      _refused(tmp_path, name, f"{tmp_path / other / 'ship'}: {tmp_path / split} has no images of "
               "this class")
    shutil.move(tmp_path / "kept", tmp_path / split / "ship")
  (tmp_path / "train" / "empty").mkdir()
  _refused(tmp_path, "cifar10", f"{tmp_path / 'train' / 'empty'}: holds no images")
  shutil.rmtree(tmp_path / "test")
  (tmp_path / "train" / "empty").rmdir()
  _refused(tmp_path, "cifar10", "holds folders of classes in train/ but none in test/ or val/")


def test_sizes(tmp_path):
  _write(tmp_path, CIFAR10, shape=(8, 9, 3))
  first = tmp_path / "train" / "airplane" / "0.png"
  _refused(tmp_path, "cifar10", f"{first}: is 8 x 9 pixels, expected 32 x 32")
  path = tmp_path / "test" / "cat" / "2.png"
  path.write_bytes(files.encoded(files.pixels(0, 9, 8, 3)))
  _refused(tmp_path, "class_folders",
           f"{path}: is 9 x 8 pixels, the first image is 8 x 9; all must be of one size")


def test_an_image_that_unpacks_without_end_is_not_decoded(tmp_path, monkeypatch):
  _write(tmp_path, CIFAR10)
  path = tmp_path / "train" / "bird" / "1.png"
  path.write_bytes(files.encoded(np.zeros((3_000, 3_000), np.uint8)))
  assert path.stat().st_size < 20_000
  load = ImageFile.ImageFile.load

  def load_small(image):
    assert image.width < 3_000, "decoded"
    return load(image)

  monkeypatch.setattr(ImageFile.ImageFile, "load", load_small)
  _refused(tmp_path, "cifar10", f"{path}: is 3000 x 3000 pixels, expected 32 x 32")


def test_images_that_do_not_fit_into_memory(tmp_path, monkeypatch):
  _write(tmp_path, ("a", "b"), shape=(8, 8, 3))
  monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 1, "SC_PAGE_SIZE": 4 * 8 * 8 * 3 - 1}.get)
  _refused(tmp_path, "class_folders", "4 images of 8 x 8 pixels need 0 GB, this machine has 0")


def test_nothing_there(tmp_path):
  _refused(tmp_path, "class_folders",
           f"{tmp_path}: holds no folders of classes; expected train/CLASS/*.png and test/CLASS/*.png")
  _refused(tmp_path / "no", "class_folders", "no: cannot be listed (No such file or directory)")
