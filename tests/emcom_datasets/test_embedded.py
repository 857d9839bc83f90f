"""The embedded sets and the synthetic one: sizes, splits, contents, damaged files."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

import emcom_datasets
from emcom_datasets import embedded

SPLITS = ("train", "valid", "test")
SIZES = {
    "emoji": (1119, 256, 256),
    "emoji_people": (620, 128, 128),
    "mnist5k": (3500, 500, 1000),
    "dummy": (256, 64, 64),
}
SHAPES = {"emoji": (128,), "emoji_people": (32, 32, 3), "mnist5k": (28, 28, 1), "dummy": (16,)}
# Of the stored column of splits: were it to change, results would no longer be comparable.
SPLIT_CHECKSUMS = {
    "emoji": "9639ed2186e784ea",
    "emoji_people": "4f031a9415d60eac",
    "mnist5k": "6f08ba65478ecfaa",
}
DUMMY_CHECKSUM = "319236d4fbe7061b"


@pytest.fixture(scope="module")
def sets():
  return {name: [emcom_datasets.load(name, split) for split in SPLITS] for name in SIZES}


def _checksum(array):
  return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def _flat(splits):
  return np.concatenate([split.rows.inputs.reshape(len(split), -1) for split in splits])


@pytest.mark.parametrize("name", SIZES)
def test_sizes_and_types(sets, name):
  assert tuple(len(split) for split in sets[name]) == SIZES[name]
  for split, known in zip(sets[name], SPLITS):
    assert isinstance(split, emcom_datasets.Split)
    assert (split.name, split.split, split.resident) == (name, known, True)
    assert split.input_shape == SHAPES[name] == split.rows.inputs.shape[1:]
    assert split.rows.inputs.dtype == np.float32
    assert np.isfinite(split.rows.inputs).all()
    assert tuple(split.rows.labels) == split.label_names
    assert tuple(split.rows.attributes) == split.attribute_names
    for key, codes in (split.rows.labels | split.rows.attributes).items():
      assert codes.shape == (len(split),) and codes.dtype == np.int32
      assert 0 <= codes.min() and codes.max() < split.num_classes[key]


@pytest.mark.parametrize("name", SIZES)
def test_no_two_items_are_equal(sets, name):
  inputs = _flat(sets[name])
  assert len(np.unique(inputs, axis=0)) == len(inputs)


@pytest.mark.parametrize("name", ["emoji", "emoji_people", "mnist5k"])
def test_no_two_images_are_equal(sets, name):
  images = np.concatenate([split.images for split in sets[name]])
  assert images.dtype == np.uint8
  assert len(np.unique(images.reshape(len(images), -1), axis=0)) == sum(SIZES[name])


@pytest.mark.parametrize("name", SIZES)
def test_loading_twice_gives_the_same(sets, name):
  again = emcom_datasets.load(name, "train")
  np.testing.assert_array_equal(again.rows.inputs, sets[name][0].rows.inputs)
  everything = np.arange(len(again))
  assert again.item_names(everything) == sets[name][0].item_names(everything)


@pytest.mark.parametrize("name", SPLIT_CHECKSUMS)
def test_split_is_the_published_one(name):
  with np.load(embedded.ARRAYS / f"{name}.npz") as arrays:
    assert _checksum(arrays["split"]) == SPLIT_CHECKSUMS[name]


def test_dummy_is_the_published_one(sets):
  attributes = [split.rows.attributes["colour"].astype("<i4") for split in sets["dummy"]]
  assert _checksum(np.concatenate(attributes)) == DUMMY_CHECKSUM


def test_dummy_can_be_learned(sets):
  train, _, test = sets["dummy"]
  for key in train.attribute_names:
    target = np.eye(4)[train.rows.attributes[key]]
    bias = lambda rows: np.concatenate([rows.inputs, np.ones((len(rows.inputs), 1))], axis=1)
    weights = np.linalg.lstsq(bias(train.rows), target, rcond=None)[0]
    accuracy = (bias(test.rows) @ weights).argmax(1) == test.rows.attributes[key]
    assert accuracy.mean() > 0.9


def test_mnist5k_is_balanced(sets):
  for split, count in zip(sets["mnist5k"], (350, 50, 100)):
    assert np.bincount(split.rows.labels["digit"]).tolist() == [count] * 10
    assert split.rows.inputs.min() == 0 and split.rows.inputs.max() == 1


def test_emoji_people_is_a_full_grid_and_train_has_every_value(sets):
  train = sets["emoji_people"][0]
  assert train.num_classes == {"role": 73, "gender": 2, "skin_tone": 6}
  for key, num_classes in train.num_classes.items():
    assert len(np.unique(train.rows.attributes[key])) == num_classes
  grid = np.concatenate([np.stack(list(split.rows.attributes.values()), 1)
                         for split in sets["emoji_people"]])
  assert len(np.unique(grid, axis=0)) == 73 * 2 * 6
  np.testing.assert_array_equal(train.rows.labels["role"], train.rows.attributes["role"])


def test_emoji_people_names_say_what_the_codes_mean(sets):
  train = sets["emoji_people"][0]
  row = train.take(np.array([100])).attributes
  role, gender, tone = (train.class_names[key][row[key][0]] for key in train.attribute_names)
  assert train.item_names(np.array([100])) == [f"{role}, {gender}, {tone} skin tone"]


@pytest.mark.parametrize("name", SIZES)
def test_take_keeps_the_order(sets, name):
  split = sets[name][0]
  indices = np.array([7, 0, 7, len(split) - 1], np.int32)
  rows = split.take(indices)
  np.testing.assert_array_equal(rows.inputs, split.rows.inputs[indices])
  for key, codes in (rows.labels | rows.attributes).items():
    np.testing.assert_array_equal(codes, (split.rows.labels | split.rows.attributes)[key][indices])
  names = split.item_names(indices)
  assert names[0] == names[2] and all(names)
  assert split.take(np.array([], np.int64)).inputs.shape == (0, *split.input_shape)


def test_what_take_returns_is_the_callers_own(sets):
  split = sets["dummy"][0]
  rows = split.take(np.arange(3))
  rows.inputs[:] = 0
  assert split.rows.inputs[:3].any()
  with pytest.raises(ValueError):
    split.rows.inputs[0] = 0


@pytest.mark.parametrize("indices", [[-1], [0, 256]])
def test_indices_outside_the_split(sets, indices):
  with pytest.raises(IndexError, match="split of 256 items"):
    sets["dummy"][0].take(np.array(indices))


@pytest.mark.parametrize("indices", [np.array([0.0]), np.array([[1]]), np.array([True]), 3])
def test_indices_that_are_none(sets, indices):
  with pytest.raises(TypeError):
    sets["dummy"][0].take(indices)


def test_unknown_set_lists_the_known():
  with pytest.raises(emcom_datasets.DataSetError, match="'emojis'.*emoji, emoji_people, mnist5k"):
    emcom_datasets.load("emojis", "train")


@pytest.mark.parametrize("name", SIZES)
def test_unknown_split_lists_the_known(name):
  with pytest.raises(emcom_datasets.DataSetError, match=f"{name}.*'eval'.*train, valid, test"):
    emcom_datasets.load(name, "eval")


def test_missing_and_damaged_package_files(tmp_path, monkeypatch):
  whole = (embedded.ARRAYS / "emoji_people.npz").read_bytes()
  monkeypatch.setattr(embedded, "ARRAYS", tmp_path)
  path = tmp_path / "emoji_people.npz"
  flipped = bytearray(whole)
  flipped[len(whole) // 2] ^= 255
  np.savez(tmp_path / "other.npz", split=np.zeros(3))
  other = (tmp_path / "other.npz").read_bytes()
  for content in (None, b"", b"not a zip file", whole[:len(whole) // 2], bytes(flipped), other):
    if content is not None:
      path.write_bytes(content)
    with pytest.raises(emcom_datasets.DataSetError) as caught:
      emcom_datasets.load("emoji_people", "train")
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    assert ("is missing" if content is None else "is damaged") in message


def test_pickles_are_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(embedded, "ARRAYS", tmp_path)
  with np.load(embedded.__file__.replace("embedded.py", "arrays/emoji_people.npz")) as arrays:
    contents = dict(arrays)
  contents["names"] = contents["names"].astype(object)
  np.savez(tmp_path / "emoji_people.npz", **contents)
  with pytest.raises(emcom_datasets.DataSetError, match="is damaged"):
    emcom_datasets.load("emoji_people", "train")


def test_import_is_light():
  code = ("import sys, emcom_datasets; "
          "heavy = {'tensorflow', 'tensorflow_datasets', 'array_record', 'jax'}; "
          "print(sorted(heavy & set(sys.modules)))")
  shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  assert shown.stdout.strip() == "[]"


def test_embedded_files_are_small():
  assert sum(path.stat().st_size for path in embedded.ARRAYS.iterdir()) < 5e6
