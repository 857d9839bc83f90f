"""`python -m emcom_datasets.build`: whole sets from folders of images, and what must not happen."""

from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

import emcom_datasets
from emcom_datasets import build
from emcom_datasets import builders
from emcom_datasets import image_features
from emcom_datasets import image_sets
from tests.emcom_datasets import image_folders

CELEBA, IMAGENET = "byol_celeb_a2", "byol_imagenet2012"
ENCODERS = "tests.emcom_datasets.image_folders"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
  root = tmp_path_factory.mktemp("source")
  image_folders.write_celeba(root / "celeba")
  image_folders.write_imagenet(root / "imagenet")
  return root


def _flags(source, name, out, *more, encoder="encode"):
  """The command line of a build; later flags win."""
  folders = [f"--images={source}/imagenet"] if name == IMAGENET else [
      f"--images={source}/celeba/images", f"--annotations={source}/celeba/annotations"]
  encoder = [f"--encoder={ENCODERS}:{encoder}"] if encoder else []
  return [f"--name={name}", *folders, *encoder, f"--out={out}", *map(str, more)]


def _command(*flags, **kwargs):
  return subprocess.run([sys.executable, "-m", "emcom_datasets.build", *flags], cwd=ROOT, text=True,
                        capture_output=True, timeout=60, **kwargs)


def _rows(split):
  return split.take(np.arange(len(split)))


def _features(folder, images):
  return image_folders.encode(np.stack([image_features.load_image(folder / image)
                                        for image in images]))


def test_celeba_from_the_command_line(source, tmp_path):
  done = _command(*_flags(source, CELEBA, tmp_path / "new/data", "--batch=5", "--with_images"))
  assert (done.returncode, done.stderr) == (0, "")
  sizes = "train 11, valid 1, test 1, test_official 3"
  first, encoded, wrote, last = done.stdout.splitlines()
  assert first == f"13 images: {sizes}"
  assert encoded.startswith("encoded 13 of 13 images, ")
  assert wrote.startswith("wrote 16 of 16 items, ")
  assert last == (f"{tmp_path}/new/data/{CELEBA}/1.0.0: {sizes}; use it with "
                  f"--config.data.dir={tmp_path}/new/data")
  assert [path.name for path in (tmp_path / "new/data").iterdir()] == [CELEBA]
  names = image_folders.names()
  expected = _features(source / "celeba/images", names)
  for split, places in image_folders.SPLITS.items():
    found = emcom_datasets.load(CELEBA, split, data_dir=tmp_path / "new/data")
    places = np.array(places)
    assert found.item_names(np.arange(len(found))) == [names[place] for place in places]
    assert found.attribute_names == tuple(sorted(image_folders.ATTRIBUTES))
    rows = _rows(found)
    np.testing.assert_array_equal(rows.inputs, expected[places])
    np.testing.assert_array_equal(
        rows.labels["identity"], np.array(image_folders.IDENTITIES)[places])
    for column, name in enumerate(image_folders.ATTRIBUTES):
      np.testing.assert_array_equal(
          rows.attributes[name], image_folders.flags()[places, column] == 1)


def test_what_tfds_itself_reads(source, tmp_path):
  assert build.main(_flags(source, CELEBA, tmp_path, "--with_images")) == 0
  builder = tfds.builder_from_directory(tmp_path / CELEBA / "1.0.0")
  assert builder.info.features["label"].num_classes == 10178
  assert "made by tests.emcom_datasets.image_folders:encode" in builder.info.description
  assert "not the published archive" in builder.info.description
  item = builder.as_data_source("test")[0]
  assert item["image_id"] == b"000012.jpg" and item["label"] == 9
  assert item["landmarks"] == dict(zip(image_folders.LANDMARKS, image_folders.landmarks()[11]))
  np.testing.assert_array_equal(
      item["image"], image_features.load_image(source / "celeba/images/000012.jpg"))
  assert "tensorflow" not in sys.modules


def test_imagenet_from_the_command_line(source, tmp_path):
  done = _command(*_flags(source, IMAGENET, tmp_path, "--valid_share=0.25"))
  assert done.returncode == 0
  assert done.stderr == (f"warning: {source}/imagenet/train holds 3 class folders; ImageNet has "
                         "1,000\n")
  found = {}
  for split, count in (("train", 9), ("valid", 3), ("test", 2)):
    loaded = emcom_datasets.load(IMAGENET, split, data_dir=tmp_path)
    assert (len(loaded), loaded.num_classes) == (count, {"class": 1000})
    names = loaded.item_names(np.arange(count))
    rows = _rows(loaded)
    np.testing.assert_array_equal(rows.inputs, _features(source / "imagenet", names))
    classes = [image_folders.CLASSES.index(name.split("/")[1]) for name in names]
    assert rows.labels["class"].tolist() == classes
    found[split] = names
  assert found["test"] == ["val/n01440764/ILSVRC2012_val_0.JPEG",
                           "val/n01443537/ILSVRC2012_val_1.JPEG"]
  assert sorted(found["train"] + found["valid"]) == [
      f"train/{name}/{name}_{index}.JPEG" for name in image_folders.CLASSES for index in range(4)]


@pytest.mark.parametrize("name", [CELEBA, IMAGENET])
def test_an_encoder_and_a_file_give_the_same_rows(source, tmp_path, capsys, name):
  more = ["--valid_share=0.25"] if name == IMAGENET else []
  assert build.main([*_flags(source, name, tmp_path, "--list_order", *more, encoder=None)]) == 0
  listed = capsys.readouterr().out.splitlines()
  folder = source / ("imagenet" if name == IMAGENET else "celeba/images")
  np.save(tmp_path / "features.npy", _features(folder, listed))
  features = f"--features={tmp_path}/features.npy"
  assert build.main(_flags(source, name, tmp_path / "a", *more)) == 0
  assert build.main(_flags(source, name, tmp_path / "b", *more, features, encoder=None)) == 0
  for split in ("train", "valid", "test"):
    first, second = (_rows(emcom_datasets.load(name, split, data_dir=tmp_path / out))
                     for out in "ab")
    np.testing.assert_array_equal(first.inputs, second.inputs)
    for key, codes in (first.labels | first.attributes).items():
      np.testing.assert_array_equal(codes, (second.labels | second.attributes)[key])


def test_features_of_celeba_need_no_images_and_landmarks_are_optional(tmp_path):
  image_folders.write_annotations(tmp_path / "annotations")
  (tmp_path / "annotations/list_landmarks_align_celeba.txt").unlink()
  features = np.random.RandomState(0).normal(size=(13, 5)).astype(np.float16)
  np.save(tmp_path / "features.npy", features)
  assert build.main([f"--name={CELEBA}", f"--features={tmp_path}/features.npy",
                     f"--annotations={tmp_path}/annotations", f"--out={tmp_path}"]) == 0
  found = emcom_datasets.load(CELEBA, "train", data_dir=tmp_path)
  np.testing.assert_array_equal(
      _rows(found).inputs, features[list(image_folders.SPLITS["train"])].astype(np.float32))
  info = tfds.builder_from_directory(tmp_path / CELEBA / "1.0.0").info
  assert set(info.features) == {"logit", "label", "attributes", "image_id"}


def test_more_than_one_record_file(source, tmp_path, monkeypatch):
  monkeypatch.setattr(builders, "_SHARD_BYTES", 5000)
  assert build.main(_flags(source, CELEBA, tmp_path)) == 0
  assert len(list((tmp_path / CELEBA / "1.0.0").glob("*train*"))) == 4
  found = emcom_datasets.load(CELEBA, "train", data_dir=tmp_path)
  np.testing.assert_array_equal(_rows(found).inputs, _features(
      source / "celeba/images", found.item_names(np.arange(11))))


def test_a_split_without_images_is_said(source, tmp_path, capsys):
  assert build.main(_flags(source, IMAGENET, tmp_path)) == 0
  assert "warning: no image falls into valid" in capsys.readouterr().err
  with pytest.raises(emcom_datasets.DataSetError, match="its splits are train, test"):
    emcom_datasets.load(IMAGENET, "valid", data_dir=tmp_path)


def _refused(capsys, flags):
  """Runs what must be refused; returns what it says, which is one line."""
  try:
    status = build.main([str(flag) for flag in flags])
  except SystemExit as stopped:
    status = stopped.code
  shown = capsys.readouterr()
  line = shown.err.splitlines()[-1]
  assert status == 2 and line.startswith("error: ")
  assert all(other.startswith("warning: ") for other in shown.err.splitlines()[:-1])
  return line


def _entries(folder):
  return sorted(path.relative_to(folder) for path in folder.rglob("*"))


@pytest.mark.parametrize("name, more, message", [
    (CELEBA, ["--name=celeba"], "invalid choice: 'celeba'"),
    (CELEBA, ["--batch=0"], "'0' is not a whole number from 1 on"),
    (IMAGENET, ["--valid_share=1"], "'1' is not a number between 0 and 1"),
    (IMAGENET, ["--valid_share=few"], "'few' is not a number between 0 and 1"),
    (CELEBA, ["--valid_share=0.1"], "--valid_share is for byol_imagenet2012"),
    (IMAGENET, ["--with_images"], "--annotations and --with_images are for byol_celeb_a2"),
    (IMAGENET, ["--features=f.npy"], "not allowed with argument --encoder"),
    (IMAGENET, ["--feature=f.npy"], "unrecognized arguments: --feature=f.npy"),
    (CELEBA, ["--encoder=encode"], "--encoder=encode: expected package.module:function"),
    (CELEBA, ["--encoder=gone:encode"], "--encoder=gone:encode: cannot be imported"),
    (CELEBA, [f"--encoder={ENCODERS}:failing"], "ValueError: no weights here"),
    (CELEBA, [f"--encoder={ENCODERS}:uneven", "--batch=7"], "returned 6 features an image, 7"),
    (CELEBA, ["--images=/no/such/folder"], "/no/such/folder: is not a folder"),
    (CELEBA, ["--annotations=/no/such/folder"], "/no/such/folder/identity_CelebA.txt: is missing"),
    (IMAGENET, ["--images=/no/such/folder"], "/no/such/folder/train: cannot be listed (No such file"),
    (CELEBA, ["--out=/dev/null/data"], "/dev/null/data: cannot be written (Not a directory)"),
])
def test_wrong_flags_are_one_line_and_leave_nothing(
    source, tmp_path, capsys, name, more, message):
  assert message in _refused(capsys, _flags(source, name, tmp_path / "some/data", *more))
  assert not _entries(tmp_path)


@pytest.mark.parametrize("flags, message", [
    ([f"--name={CELEBA}", "--out=x"], "one of --encoder, --features and --list_order is needed"),
    ([f"--name={CELEBA}", "--features=x", "--annotations=x"], "--out is needed"),
    ([f"--name={CELEBA}", "--features=x", "--out=x"], "needs --annotations"),
    ([f"--name={CELEBA}", "--encoder=x:y", "--annotations=x", "--out=x"], "--images is needed"),
    ([f"--name={IMAGENET}", "--list_order"], "--images is needed"),
    ([], "the following arguments are required: --name"),
])
def test_missing_flags(capsys, flags, message):
  assert message in _refused(capsys, flags)


def test_features_that_do_not_fit(source, tmp_path, capsys):
  np.save(tmp_path / "f.npy", np.zeros((12, 4)))
  before = _entries(tmp_path)
  message = _refused(capsys, _flags(source, CELEBA, tmp_path, f"--features={tmp_path}/f.npy",
                                    encoder=None))
  assert "f.npy: holds 12 rows for 13 images" in message
  assert _entries(tmp_path) == before


@pytest.mark.parametrize("part, make, message", [
    ("train/n01440764/more", Path.mkdir, "more: is a folder; expected only images"),
    ("train/n9", Path.mkdir, "n9: holds no images"),
    ("train/image.JPEG", Path.touch, "image.JPEG: is a file; expected only class folders"),
    ("val/ILSVRC2012_val_1.JPEG", Path.touch, "val_1.JPEG: is a file; expected only class folders"),
    ("val/n9", Path.mkdir, "val/n9: there is no such class folder in"),
    ("train/n01440764/notes.txt", Path.touch, "notes.txt: cannot be read as an image"),
])
def test_folders_that_are_not_like_imagenet(tmp_path, capsys, part, make, message):
  image_folders.write_imagenet(tmp_path / "imagenet")
  make(tmp_path / "imagenet" / part)
  (tmp_path / "imagenet/train/.DS_Store").touch()  # Does not matter.
  assert message in _refused(capsys, _flags(tmp_path, IMAGENET, tmp_path / "data"))
  assert not (tmp_path / "data").exists()


def test_a_missing_image_is_named_before_anything_is_encoded(tmp_path, capsys):
  image_folders.write_celeba(tmp_path / "celeba")
  missing = tmp_path / "celeba/images/000007.jpg"
  missing.unlink()
  message = _refused(capsys, _flags(tmp_path, CELEBA, tmp_path / "data", encoder="failing"))
  assert f"{missing}: is missing" in message


def test_an_image_that_is_damaged_while_the_set_is_written(tmp_path, capsys):
  image_folders.write_celeba(tmp_path / "celeba")
  damaged = tmp_path / "celeba/images/000007.jpg"
  damaged.write_bytes(b"no image")
  np.save(tmp_path / "f.npy", np.zeros((13, 4), np.float32))
  before = _entries(tmp_path)
  message = _refused(capsys, _flags(tmp_path, CELEBA, tmp_path / "data", "--with_images",
                                    f"--features={tmp_path}/f.npy", encoder=None))
  assert f"{damaged}: cannot be read as an image" in message
  assert _entries(tmp_path) == before


def test_a_full_disk(source, tmp_path, capsys, monkeypatch):
  def fail(*_, **__):
    raise RuntimeError("write() failed: No space left on device")

  monkeypatch.setattr(builders.ByolCelebA2, "download_and_prepare", fail)
  message = _refused(capsys, _flags(source, CELEBA, tmp_path / "data"))
  assert "cannot be written" in message and "No space left on device" in message
  assert not _entries(tmp_path)


def test_an_existing_set_is_not_touched(source, tmp_path, capsys):
  assert build.main(_flags(source, CELEBA, tmp_path)) == 0
  contents = lambda: {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
  before = contents()
  message = _refused(capsys, _flags(source, CELEBA, tmp_path, encoder="failing"))
  assert f"{tmp_path}/{CELEBA}: is there already and is not overwritten" in message
  assert contents() == before
  # Another set beside it is welcome.
  assert build.main(_flags(source, IMAGENET, tmp_path)) == 0
  assert {path: contents()[path] for path in before} == before


def test_an_interrupted_build_leaves_nothing(source, tmp_path, capsys):
  assert build.main(_flags(source, CELEBA, tmp_path / "data", encoder="stopped")) == 130
  assert capsys.readouterr().err == "stopped; nothing was written\n"
  assert not _entries(tmp_path)


def test_a_terminated_build_leaves_nothing(source, tmp_path):
  with subprocess.Popen(
      [sys.executable, "-m", "emcom_datasets.build",
       *_flags(source, CELEBA, tmp_path / "data", encoder="slow")],
      cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("data/.unfinished_*/features")) and time.monotonic() < deadline:
      time.sleep(0.05)
    assert list(tmp_path.glob("data/.unfinished_*/features"))
    process.send_signal(signal.SIGTERM)
    _, shown = process.communicate(timeout=60)
  assert (process.returncode, shown) == (130, "stopped; nothing was written\n")
  assert not _entries(tmp_path)


def test_help_needs_neither_tfds_nor_jax():
  code = ("import sys\nfrom emcom_datasets import build\ntry:\n  build.main(['--help'])\n"
          "except SystemExit: pass\n"
          "print(sorted({'tensorflow_datasets', 'jax', 'array_record'} & set(sys.modules)))")
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True,
                        check=True)
  assert done.stdout.endswith("\n[]\n")
  for flag in ("--name", "--images", "--encoder", "--features", "--annotations", "--out", "--batch",
               "--valid_share", "--list_order", "--with_images"):
    assert flag in done.stdout


def test_a_pipe_that_is_closed_early(source):
  done = subprocess.run(
      f"{sys.executable} -m emcom_datasets.build --name={CELEBA} --list_order "
      f"--annotations={source}/celeba/annotations | true; exit ${{PIPESTATUS[0]}}",
      shell=True, executable="/bin/bash", cwd=ROOT, text=True, capture_output=True)
  assert (done.returncode, done.stderr) == (0, "")


def test_a_builder_holds_only_its_own_set(source, tmp_path):
  images = image_sets.imagenet(source / "imagenet")
  with pytest.raises(ValueError, match="byol_celeb_a2 cannot hold byol_imagenet2012"):
    builders.ByolCelebA2(builders.Contents(images, np.zeros((14, 2)), "x"), data_dir=tmp_path)


def test_images_of_other_kinds(tmp_path):
  image_folders.write_imagenet(tmp_path / "imagenet", num_train=1)
  path = tmp_path / "imagenet/train/n02/grey.JPEG"
  Image.new("CMYK", (300, 400)).save(path, "JPEG")
  assert build.main(_flags(tmp_path, IMAGENET, tmp_path, "--valid_share=0.5")) == 0
