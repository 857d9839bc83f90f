"""How images are prepared, what an encoder must return, what a file of features must hold."""

import re

import numpy as np
from PIL import Image
import pytest

from emcom_datasets import image_features
from emcom_datasets.errors import DataSetError
from tests.emcom_datasets import image_folders

_HERE = "tests.emcom_datasets.image_folders"


@pytest.mark.parametrize("width, height, left, top", [(256, 256, 16, 16), (300, 256, 38, 16),
                                                      (256, 401, 16, 88)])
def test_an_image_of_short_side_256_is_only_cropped(tmp_path, width, height, left, top):
  pixels = np.random.RandomState(0).randint(256, size=(height, width, 3)).astype(np.uint8)
  Image.fromarray(pixels).save(tmp_path / "a.png")
  found = image_features.load_image(tmp_path / "a.png")
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found, pixels[top:top + 224, left:left + 224])


def test_others_are_resized_to_it(tmp_path):
  # Ten stripes, 64 pixels wide and 32 when halved: their middles are at 16, 48, ..., 304 of 320
  # pixels. The central 224 begin at 48.
  stripes = np.repeat(20 * np.arange(10, dtype=np.uint8), 64)
  Image.fromarray(np.tile(stripes, (512, 1))).save(tmp_path / "grey.png")
  found = image_features.load_image(tmp_path / "grey.png")
  assert found.shape == (224, 224, 3)
  assert found[100, [32, 64, 96, 128, 160, 192]].tolist() == [
      [40] * 3, [60] * 3, [80] * 3, [100] * 3, [120] * 3, [140] * 3]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_kinds_of_images(tmp_path, mode):
  path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
  Image.new("RGB", (178, 218), (200, 200, 200)).convert(mode).save(path)
  assert image_features.load_image(path).shape == (224, 224, 3)


@pytest.mark.parametrize("damage", ["missing", "text", "half", "folder"])
def test_a_file_that_is_no_image_is_named(tmp_path, damage):
  path = tmp_path / "a.png"
  image_folders.write_image(path, 0)
  whole = path.read_bytes()
  path.unlink()
  if damage == "folder":
    path.mkdir()
  elif damage != "missing":
    path.write_bytes({"text": b"not an image", "half": whole[:len(whole) // 2]}[damage])
  with pytest.raises(DataSetError, match=f"{path}: cannot be read as an image"):
    image_features.load_image(path)


@pytest.mark.parametrize("name, message", [
    ("numpy", "expected package.module:function"),
    (":mean", "expected package.module:function"),
    ("no_such_module:encode", "cannot be imported .ModuleNotFoundError: No module named 'no_such"),
    (f"{_HERE}:no_such_function", "cannot be imported .AttributeError"),
    (f"{_HERE}:NOT_CALLABLE", "is a int, not a function"),
])
def test_an_encoder_that_is_none(name, message):
  with pytest.raises(DataSetError, match=f"--encoder={name}: {message}"):
    image_features.load_encoder(name)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
  folder = tmp_path_factory.mktemp("images")
  found = [folder / f"{index}.png" for index in range(7)]
  for seed, path in enumerate(found):
    image_folders.write_image(path, seed)
  return found


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_features_are_in_the_order_of_the_images(paths, tmp_path, batch_size):
  sizes = []

  def encoder(images):
    sizes.append(len(images))
    return image_folders.encode(images)

  found = image_features.encode(encoder, paths, batch_size, tmp_path / "features")
  images = np.stack([image_features.load_image(path) for path in paths])
  np.testing.assert_array_equal(found, image_folders.encode(images))
  assert found.dtype == np.float32
  assert sum(sizes) == 7 and set(sizes[:-1]) <= {batch_size}


def test_a_half_precision_encoder_may_be_anything_that_numpy_understands(paths, tmp_path):
  found = image_features.encode(
      lambda images: [[np.float16(image.mean()) / 3] for image in images], paths, 2, tmp_path / "f")
  assert found.shape == (7, 1) and found.dtype == np.float32


@pytest.mark.parametrize("encoder, message", [
    ("failing", r"images 0 to 3 of the order, failed in .*image_folders.py, line \d+ "
                r"\(ValueError: no weights here\)"),
    ("one_vector", r"images 0 to 3 of the order, returned float32\[12\], expected .* \[4, D\]"),
    ("codes", r"returned int64\[4, 12\]"),
    ("nothing", r"returned object\[\]"),
    ("infinite", "returned a value that is not a finite float32"),
    ("uneven", "images 4 to 6 of the order, returned 3 features an image, 4 before"),
])
@pytest.mark.filterwarnings("error")  # A warning would be a second line.
def test_what_an_encoder_may_not_return(paths, tmp_path, encoder, message):
  function = image_features.load_encoder(f"{_HERE}:{encoder}")
  with pytest.raises(DataSetError) as caught:
    image_features.encode(function, paths, 4, tmp_path / "features")
  assert re.search(message, str(caught.value)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_features_of_a_file(tmp_path, dtype):
  np.save(tmp_path / "a.npy", np.arange(12, dtype=dtype).reshape(4, 3))
  found = image_features.open_features(tmp_path / "a.npy", 4)
  assert isinstance(found, np.memmap)
  np.testing.assert_array_equal(found, np.arange(12).reshape(4, 3))


@pytest.mark.parametrize("array, message", [
    (np.zeros((3, 2)), "holds 3 rows for 4 images; --list_order prints"),
    (np.zeros(4), "holds float64.4., expected one row"),
    (np.zeros((4, 2, 2)), "holds float64.4, 2, 2., expected one row"),
    (np.zeros((4, 0)), "holds float64.4, 0., expected one row"),
    (np.zeros((4, 2), np.int64), "holds int64.4, 2., expected one row of float features"),
    (np.array([[0], [1], [np.nan], [np.inf]]), "row 2 .counted from 0. holds a value"),
    (np.array([[0], [1e300], [0], [0]]), "row 1 .counted from 0. holds a value"),
    (np.array([[None]] * 4), "cannot be read as a .npy file .ValueError: .*Python objects"),
])
@pytest.mark.filterwarnings("error")  # A warning would be a second line.
def test_features_that_do_not_fit(tmp_path, array, message):
  np.save(tmp_path / "a.npy", array, allow_pickle=True)
  with pytest.raises(DataSetError, match=f"{tmp_path}/a.npy: {message}"):
    image_features.open_features(tmp_path / "a.npy", 4)


def test_features_that_are_no_array(tmp_path):
  np.savez(tmp_path / "a.npz", features=np.zeros((4, 2)))
  (tmp_path / "text.npy").write_text("features")
  for name, message in (("a.npz", "is an archive of arrays"), ("text.npy", "cannot be read"),
                        ("gone.npy", "cannot be read as a .npy file .FileNotFoundError")):
    with pytest.raises(DataSetError, match=f"{tmp_path}/{name}: {message}"):
      image_features.open_features(tmp_path / name, 4)
