"""Where a set is found, whatever program put it there, and what is taken if it is there twice."""

import os
from pathlib import Path
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from socialized_learning.data import sources
from socialized_learning.data.sources import places
from tests.data.sources import files
from tests.data.sources import python2

TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory):
  """The official files of a few images of each set, unpacked."""
  root = tmp_path_factory.mktemp("made")
  files.write_idx(root / "mnist")
  files.write_idx(root / "mnist_gz", pack=True)
  batch = lambda key, size: {"data": files.pixels(size, size, 3072), key: list(range(size))}
  python2.write_folder(root / "cifar10", {
      name: batch("labels", 2) for name in TRAIN} | {"test_batch": batch("labels", 3)})
  python2.write_folder(root / "cifar100", {
      "train": batch("fine_labels", 6), "test": batch("fine_labels", 3)})
  (root / "svhn").mkdir()
  for name, size in (("train", 5), ("test", 3)):
    files.write_svhn(root / "svhn" / f"{name}_32x32.mat", files.pixels(size, size, 32, 32, 3),
                     [10, *range(1, size)])
  return root


SIZES = {"mnist": (7, 4), "cifar10": (10, 3), "cifar100": (6, 3), "svhn": (5, 3)}

# Set, what is copied to which place below a root, and which folder is given.
LAYOUTS = {
    "torchvision, its root": ("mnist", "mnist", "MNIST/raw", "."),
    "torchvision, in a folder of its own": ("mnist", "mnist", "MNIST/MNIST/raw", "."),
    "torchvision, in a folder of any name": ("mnist", "mnist", "torchvision/MNIST/raw", "."),
    "torchvision, its compressed files": ("mnist", "mnist_gz", "MNIST/raw", "."),
    "lower case": ("mnist", "mnist", "mnist/raw", "."),
    "the folder of the set": ("mnist", "mnist", "MNIST/raw", "MNIST"),
    "the folder of its files": ("mnist", "mnist", "MNIST/raw", "MNIST/raw"),
    "another name with raw/": ("mnist", "mnist", "digits/raw", "digits"),
    "upper case of all": ("mnist", "mnist", "MNIST/RAW", "."),
    "CIFAR-10 in a root": ("cifar10", "cifar10", "CIFAR10/cifar-10-batches-py", "."),
    "CIFAR-10 in a root of any name": ("cifar10", "cifar10", "a/b/cifar-10-batches-py", "."),
    "CIFAR-10, its own folder": ("cifar10", "cifar10", "cifar-10-batches-py", "cifar-10-batches-py"),
    "CIFAR-10, copied out of it": ("cifar10", "cifar10", "images", "images"),
    "Keras 3": ("cifar10", "cifar10", "cifar-10-batches-py-target/cifar-10-batches-py", "."),
    "Keras 3, extracted": ("cifar10", "cifar10", "cifar-10-python_extracted/cifar-10-batches-py", "."),
    "Keras 3 of CIFAR-100": ("cifar100", "cifar100", "cifar-100-python-target/cifar-100-python", "."),
    "CIFAR-100 in upper case": ("cifar100", "cifar100", "CIFAR-100-PYTHON", "."),
    "SVHN/": ("svhn", "svhn", "SVHN", "."),
    "svhn/": ("svhn", "svhn", "data/svhn", "."),
    "SVHN, its own folder": ("svhn", "svhn", "svhn", "svhn"),
}


def _load(name, root):
  found = sources.load(name, data_dir=root)
  assert (len(found.train.labels), len(found.test.labels)) == SIZES[name]
  return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_folders(made, tmp_path, capsys, layout):
  name, which, place, root = LAYOUTS[layout]
  shutil.copytree(made / which, tmp_path / place)
  found = _load(name, tmp_path / root)
  assert found.kind.startswith("real, but")
  assert found.train.images.any() and not capsys.readouterr().err


def test_names_of_files_in_any_case(made, tmp_path):
  for path in (made / "svhn").iterdir():
    shutil.copy(path, tmp_path / path.name.upper())
  _load("svhn", tmp_path)


# Set, name of the archive, folder in it.
ARCHIVES = [
    ("cifar10", "cifar-10-python.tar.gz", "cifar-10-batches-py"),
    ("cifar10", "cifar-10-python.tar", "cifar-10-batches-py"),
    ("cifar10", "CIFAR10.zip", "."),
    ("cifar10", "downloads/cifar-10-python.tgz", "./cifar-10-batches-py"),
    ("cifar10", "cifar-10-batches-py-target_archive", "cifar-10-batches-py"),
    ("cifar100", "cifar-100-python.tar.bz2", "cifar-100-python"),
    ("mnist", "mnist.zip", "MNIST/raw"),
    ("svhn", "SVHN.tar.xz", "."),
]


def _pack(folder, path, inside):
  """Packs the files of a folder, and those macOS would add."""
  path.parent.mkdir(exist_ok=True)
  members = [(file, os.path.join(inside, file.name)) for file in sorted(folder.iterdir())]
  members += [(file, os.path.join(inside, f"._{file.name}")) for file, _ in members]
  if path.suffix.lower() == ".zip":
    with zipfile.ZipFile(path, "w") as archive:
      for file, name in members:
        archive.write(file, name)
  else:
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:
      for file, name in members:
        archive.add(file, name)


@pytest.mark.parametrize("name, archive, inside", ARCHIVES, ids=[row[1] for row in ARCHIVES])
def test_archives(made, tmp_path, name, archive, inside):
  _pack(made / name, tmp_path / archive, inside)
  packed = _load(name, tmp_path)
  unpacked = _load(name, made / name)
  files.check(packed.train, *unpacked.train)
  files.check(packed.test, *unpacked.test)


def test_a_half_unpacked_folder_beside_a_good_archive(made, tmp_path, capsys):
  folder = tmp_path / "cifar-10-batches-py"
  shutil.copytree(made / "cifar10", folder)
  (folder / "data_batch_4").unlink()
  assert files.error("cifar10", tmp_path) == (
      f"{folder / 'data_batch_4'}: is missing, though other files of its set are there; copy or "
      "download the whole set")
  archive = tmp_path / "cifar-10-python.tar.gz"
  _pack(made / "cifar10", archive, "cifar-10-batches-py")
  _load("cifar10", tmp_path)
  note = capsys.readouterr().err
  assert note.startswith(f"note: {folder / 'data_batch_4'}: is missing")
  assert note.endswith(f"; cifar10 was read from {archive}/cifar-10-batches-py instead\n")


def test_a_file_that_was_cut_off_beside_a_good_archive(made, tmp_path, capsys):
  """The last file that an interrupted program unpacked."""
  folder = shutil.copytree(made / "cifar100", tmp_path / "cifar-100-python")
  (folder / "test").write_bytes((folder / "test").read_bytes()[:500])
  _pack(made / "cifar100", tmp_path / "cifar-100-python.tar", "cifar-100-python")
  _load("cifar100", tmp_path)
  assert f"{folder / 'test'}: cannot be read, it is damaged" in capsys.readouterr().err


def test_if_nothing_is_complete_everything_is_named(made, tmp_path):
  folder = shutil.copytree(made / "cifar10", tmp_path / "cifar-10-batches-py")
  (folder / "test_batch").unlink()
  archive = tmp_path / "cifar-10-python.tar.gz"
  archive.write_bytes(b"\x1f\x8b half")
  message = files.error("cifar10", tmp_path)
  assert message.startswith(f"{folder / 'test_batch'}: is missing")
  assert f"; and {archive}: cannot be read" in message


def test_a_half_copied_folder_beside_a_good_one_in_the_folder_of_the_set(made, tmp_path, capsys):
  files.write_idx(tmp_path / "MNIST" / "copy")
  (tmp_path / "MNIST" / "copy" / "t10k-labels-idx1-ubyte").unlink()
  shutil.copytree(made / "mnist", tmp_path / "MNIST" / "raw")
  _load("mnist", tmp_path)
  assert "copy/t10k-labels-idx1-ubyte: is missing" in capsys.readouterr().err


def test_the_nearest_is_taken(made, tmp_path):
  files.write_idx(tmp_path / "old" / "MNIST", train=3)
  shutil.copytree(made / "mnist", tmp_path / "MNIST" / "raw")
  _load("mnist", tmp_path)


@pytest.mark.parametrize("other", ["FashionMNIST", "fashion-mnist", "KMNIST", "EMNIST", "QMNIST",
                                   "mnist-m", "mnist_c"])
def test_files_of_the_same_names_in_the_folder_of_another_set(made, tmp_path, other):
  shutil.copytree(made / "mnist", tmp_path / other / "raw")
  assert "mnist: nothing found" in files.error("mnist", tmp_path)


@pytest.mark.parametrize("name, known", [
    ("CIFAR-10", "cifar10"), ("cifar-10-batches-py-target", "cifar10"), ("cifar10_webp", "cifar10"),
    ("cifar-10.1", "cifar101"), ("cifar-10-c", "cifar10c"), ("CIFAR-100-python", "cifar100"),
    ("datasets--uoft-cs--cifar10", "cifar10"), ("mnist_png", "mnist"), ("svhn_cropped", "svhn"),
    ("tiny-imagenet-200", "tinyimagenet200"), ("data", ""), ("FashionMNIST", "fashionmnist")])
def test_what_a_name_says(name, known):
  assert places.known_as(name) == known


@pytest.mark.parametrize("place", ["._train-images-idx3-ubyte", ".cache/train-images-idx3-ubyte",
                                   ".MNIST/raw/train-images-idx3-ubyte",
                                   "MNIST/.raw/train-images-idx3-ubyte", "._mnist.npz", "._mnist.zip"])
def test_names_that_begin_with_a_dot_do_not_count(tmp_path, place):
  path = tmp_path / place
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(b"x")
  assert "mnist: nothing found" in files.error("mnist", tmp_path)


def test_any_set_in_one_npz_with_labels_as_columns(tmp_path):
  images = files.pixels(0, 4, 32, 32, 3)
  np.savez_compressed(tmp_path / "CIFAR10.npz", x_train=images, y_train=np.arange(4)[:, None],
                      x_test=images[:2], y_test=np.uint8([[9], [0]]))
  found = sources.load("cifar10", data_dir=tmp_path)
  files.check(found.train, images, range(4))
  files.check(found.test, images[:2], [9, 0])


@pytest.mark.parametrize("changes, message", [
    ({"x_train": np.zeros((4_000_000, 28, 28), np.uint8)},
     "holds 4,000,000 training images, mnist has 60,000; it is another set"),
    ({"x_train": np.zeros((3, 40_000, 30_000), np.uint8)}, "its images are uint8 40000 x 30000 x 1"),
    ({"y_test": np.zeros(40_000_000)}, "holds 40,000,000 test images, mnist has 10,000"),
], ids=["number", "size", "labels"])
def test_zeros_without_end_are_refused_by_their_header(tmp_path, monkeypatch, changes, message):
  arrays = {"x_train": files.pixels(5, 5, 28, 28), "y_train": np.arange(5), "x_test":
            files.pixels(3, 3, 28, 28), "y_test": np.arange(3)} | changes
  _write_headers(tmp_path / "mnist.npz", arrays)
  monkeypatch.setattr(np.lib.format, "read_array", lambda *args, **kwargs: pytest.fail("unpacked"))
  assert message in files.error("mnist", tmp_path)


def _write_headers(path: Path, arrays):
  """Writes an npz whose arrays say what they hold, and hold nothing: gigabytes take seconds."""
  with zipfile.ZipFile(path, "w") as archive:
    for key, array in arrays.items():
      with archive.open(f"{key}.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(array))


def test_a_compressed_file_that_unpacks_without_end(made, tmp_path, monkeypatch):
  shutil.copytree(made / "mnist_gz", tmp_path / "mnist")
  this = sources._SETS["mnist"]
  monkeypatch.setattr(type(this.spec), "max_bytes", 1000)
  assert "train-images-idx3-ubyte.gz: holds more than 1,000 bytes" in files.error("mnist", tmp_path)
