"""Builds a BYOL set from images and their features.

  python -m emcom_datasets.build --name=byol_celeb_a2 --images=DIR --annotations=DIR \\
      (--encoder=package.module:function | --features=FILE.npy) --out=DATA
  python -m emcom_datasets.build --name=byol_imagenet2012 --images=DIR \\
      (--encoder=package.module:function | --features=FILE.npy) --out=DATA

An encoder is a function of images [B, 224, 224, 3] uint8 (short side resized to 256, bicubic; then
the central square of 224) that returns features [B, D] float. It normalises the images itself. A
file of features has one row for each image, in the order that --list_order prints.

The set is DATA/NAME/1.0.0, to be used with --config.data.dir=DATA. An existing one is never
overwritten, and what was not finished is removed.

Exit status: 0 done; 2 something you can put right, said in one line; 130 stopped.
"""

import argparse
from collections.abc import Iterator, Sequence
import contextlib
import os
from pathlib import Path
import shutil
import signal
import sys
import tempfile

from emcom_datasets import command_line
from emcom_datasets import image_features
from emcom_datasets import image_sets
from emcom_datasets.errors import DataSetError

_CELEBA = "byol_celeb_a2"
_IMAGENET = "byol_imagenet2012"


def _share(text: str) -> float:
  try:
    share = float(text)
  except ValueError:
    share = 0.0
  if not 0 < share < 1:
    raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
  return share


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = command_line.Parser("emcom_datasets.build", __doc__)
  parser.add_argument("--name", choices=(_CELEBA, _IMAGENET), required=True, help="which set")
  parser.add_argument("--images", type=Path, metavar="DIR", help=(
      "CelebA: the folder of the images, img_align_celeba (not needed with --features, unless "
      "--with_images); ImageNet: a folder with train/CLASS/FILE and val/CLASS/FILE"))
  parser.add_argument("--annotations", type=Path, metavar="DIR", help=(
      "CelebA: the folder of identity_CelebA.txt, list_attr_celeba.txt, list_eval_partition.txt "
      "and, for landmarks, list_landmarks_align_celeba.txt"))
  source = parser.add_mutually_exclusive_group()
  source.add_argument("--encoder", metavar="package.module:function",
                      help="makes the features; looked for in the current folder too")
  source.add_argument("--features", type=Path, metavar="FILE.npy",
                      help="the features, [images, D] float16, float32 or float64")
  source.add_argument("--list_order", action="store_true",
                      help="print the images in order, one a line, and stop")
  parser.add_argument("--out", type=Path, metavar="DATA", help="the folder of prepared sets")
  parser.add_argument("--batch", type=command_line.positive, default=64, metavar="B",
                      help="images the encoder is given at a time (64)")
  parser.add_argument("--valid_share", type=_share, metavar="SHARE", help=(
      "ImageNet: share of train/ that becomes the validation split, with a fixed seed "
      f"({image_sets.VALID_SHARE})"))
  parser.add_argument("--with_images", action="store_true", help=(
      "CelebA: keep the images too, as the encoder sees them (PNG, 224 x 224)"))
  flags = parser.parse_args(arguments)
  if message := _misfit(flags):
    parser.error(message)
  return flags


def _misfit(flags: argparse.Namespace) -> str | None:
  """Says which flag is missing or belongs to the other set."""
  is_celeba = flags.name == _CELEBA
  needs_images = not is_celeba or flags.encoder or flags.with_images
  if not (flags.encoder or flags.features or flags.list_order):
    return "one of --encoder, --features and --list_order is needed"
  if not flags.out and not flags.list_order:
    return "--out is needed"
  if not flags.images and needs_images:
    return "--images is needed"
  if is_celeba and not flags.annotations:
    return f"{_CELEBA} needs --annotations, the folder of the official text files"
  if is_celeba and flags.valid_share is not None:
    return f"--valid_share is for {_IMAGENET}; the split of {_CELEBA} is the published one"
  if not is_celeba and (flags.annotations or flags.with_images):
    return f"--annotations and --with_images are for {_CELEBA}"
  return None


def main(arguments: Sequence[str]) -> int:
  """Does what the flags ask for; returns the exit status."""
  flags = parse(arguments)
  try:
    if flags.out:
      _refuse_existing(flags.out / flags.name)
    if flags.name == _CELEBA:
      images = image_sets.celeba(flags.annotations)
    else:
      images = image_sets.imagenet(flags.images, flags.valid_share or image_sets.VALID_SHARE)
    if flags.list_order:
      return _print_order(images)
    for warning in images.warnings:
      print(f"warning: {warning}", file=sys.stderr)
    print(f"{len(images.images):,} images: " + _sizes(images), flush=True)
    folder = build(images, flags)
  except (DataSetError, OSError) as error:  # OSError: a folder that may not be looked into.
    print(f"error: {error}", file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print("stopped; nothing was written", file=sys.stderr)
    return 130
  print(f"{folder}: {_sizes(images)}; use it with --config.data.dir={flags.out}")
  return 0


def _print_order(images: image_sets.ImageSet) -> int:
  try:
    print("\n".join(images.images), flush=True)
  except BrokenPipeError:  # As with `| head`; what Python still holds must go somewhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
  return 0


def build(images: image_sets.ImageSet, flags: argparse.Namespace) -> Path:
  """Makes or opens the features and writes the set; returns its folder.

  Raises:
    DataSetError: something is missing, damaged or in the way; nothing has been written.
  """
  folder = flags.images
  if flags.name == _CELEBA and folder:
    folder = image_sets.locate(images.images, folder)
  # Whatever can be wrong is looked at before the long part.
  encoder = image_features.load_encoder(flags.encoder) if flags.encoder else None
  features = None if encoder else image_features.open_features(flags.features, len(images.images))
  builders = _import_builders()
  with _staging(flags.out) as staging:
    if encoder:
      paths = [folder / image for image in images.images]
      features = image_features.encode(encoder, paths, flags.batch, staging / "features")
    contents = builders.Contents(images, features, made_by=flags.encoder or flags.features.name,
                                 folder=folder if flags.with_images else None)
    version = builders.write(contents, staging)
    _refuse_existing(flags.out / flags.name)
    (staging / flags.name).rename(flags.out / flags.name)
  return flags.out / flags.name / version.name


@contextlib.contextmanager
def _staging(out: Path) -> Iterator[Path]:
  """A folder in `out` to write to; afterwards it is gone, and `out` too if it was made for it."""
  made = [folder for folder in (out, *out.parents) if not folder.exists()]
  staging = None
  try:
    out.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out, prefix=".unfinished_"))
    yield staging
  except OSError as error:
    reason = error.strerror or error
    raise DataSetError(f"{error.filename or out}: cannot be written ({reason})") from error
  finally:
    if staging is not None:
      shutil.rmtree(staging, ignore_errors=True)
    for folder in made:
      with contextlib.suppress(OSError):  # Not empty: the set is there.
        folder.rmdir()


def _refuse_existing(folder: Path) -> None:
  if folder.exists():
    raise DataSetError(f"{folder}: is there already and is not overwritten; move it away, or give "
                       "another --out")


def _import_builders():
  """Returns the module of the TFDS builders, which takes a second to import."""
  try:
    from emcom_datasets import builders  # pylint: disable=g-import-not-at-top
  except ImportError as error:
    raise DataSetError("building a set needs `pip install tensorflow-datasets array-record` "
                       f"({error})") from error
  return builders


def _sizes(images: image_sets.ImageSet) -> str:
  return ", ".join(f"{name} {len(indices):,}" for name, indices in images.splits.items())


if __name__ == "__main__":
  signal.signal(signal.SIGTERM, signal.default_int_handler)  # Cleans up as Ctrl-C does.
  sys.exit(main(sys.argv[1:]))
