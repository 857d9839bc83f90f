"""Which images a set has, in which order and splits."""

import numpy as np
import pytest

from emcom_datasets import celeba_split
from emcom_datasets import image_sets
from emcom_datasets.errors import DataSetError
from tests.emcom_datasets import image_folders


def test_celeba(tmp_path):
  image_folders.write_annotations(tmp_path / "annotations")
  found = image_sets.celeba(tmp_path / "annotations")
  assert (found.name, found.images, found.warnings) == ("byol_celeb_a2", image_folders.names(), [])
  assert {name: tuple(indices) for name, indices in found.splits.items()} == image_folders.SPLITS


def test_celeba_of_other_sizes_than_published(tmp_path, monkeypatch):
  image_folders.write_annotations(tmp_path / "annotations")
  monkeypatch.setattr(celeba_split, "PUBLISHED_SIZES", {"train": 10, "valid": 1, "test": 2})
  assert image_sets.celeba(tmp_path / "annotations").warnings == [
      "the splits are train 11, valid 1, test 1; as published they are train 10, valid 1, test 2"]


def test_the_default_share_of_validation_images(tmp_path):
  image_folders.write_imagenet(tmp_path, num_train=50)
  splits = image_sets.imagenet(tmp_path).splits
  assert {name: len(indices) for name, indices in splits.items()} == {
      "train": 148, "valid": 2, "test": 2}
  np.testing.assert_array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(152))


def test_validation_images_are_drawn_once_for_all(tmp_path):
  """Were the draw to change, results would no longer be comparable."""
  image_folders.write_imagenet(tmp_path)
  found = image_sets.imagenet(tmp_path, valid_share=0.25)
  assert found.splits["valid"].tolist() == [3, 5, 9]


def test_the_order_of_imagenet_is_by_name(tmp_path):
  for path in ("train/b/2.png", "train/b/10.png", "train/B/1.png", "val/b/1.png", "train/a/z.png"):
    image_folders.write_image(tmp_path / path, 0)
  found = image_sets.imagenet(tmp_path, valid_share=0.5)
  assert found.images == ["train/B/1.png", "train/a/z.png", "train/b/10.png", "train/b/2.png",
                          "val/b/1.png"]
  assert found.labels.tolist() == [0, 1, 2, 2, 2]


def test_more_classes_than_imagenet_has(tmp_path):
  for index in range(1001):
    (tmp_path / "train" / f"n{index}").mkdir(parents=True)
  with pytest.raises(DataSetError, match="holds 1001 class folders"):
    image_sets.imagenet(tmp_path)


def test_names_that_begin_with_a_dot_do_not_count(tmp_path):
  image_folders.write_imagenet(tmp_path)
  expected = image_sets.imagenet(tmp_path, valid_share=0.25)
  for place in ("train/.ipynb_checkpoints/0-checkpoint.JPEG", "train/n02/._n02_0.JPEG", ".DS_Store",
                "val/._n02", "val/n01440764/.cache/x"):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()
  found = image_sets.imagenet(tmp_path, valid_share=0.25)
  assert found.images == expected.images
  np.testing.assert_array_equal(found.labels, expected.labels)


def test_celeba_as_its_archives_unpack(tmp_path):
  """Annotations in `Anno/` and `Eval/`, images in a folder within a folder of the same name."""
  image_folders.write_celeba(tmp_path)
  expected = image_sets.celeba(tmp_path / "annotations")
  for part, name in (("Anno", "identity_CelebA.txt"), ("Anno", "list_attr_celeba.txt"),
                     ("Anno", "list_landmarks_align_celeba.txt"), ("Eval", "list_eval_partition.txt")):
    (tmp_path / "CelebA" / part).mkdir(parents=True, exist_ok=True)
    (tmp_path / "annotations" / name).rename(tmp_path / "CelebA" / part / name)
  found = image_sets.celeba(tmp_path / "CelebA")
  assert found.images == expected.images and set(found.landmarks) == set(expected.landmarks)
  inner = tmp_path / "img_align_celeba" / "img_align_celeba"
  inner.parent.mkdir()
  (tmp_path / "images").rename(inner)
  for folder in (inner, inner.parent):
    assert image_sets.locate(found.images, folder) == inner
  (inner / found.images[3]).unlink()
  with pytest.raises(DataSetError, match=f"{inner / found.images[3]}: is missing"):
    image_sets.locate(found.images, inner.parent)
