"""What counts as a name in folders and archives, and how much an archive may hold."""

import gzip
import io
import tarfile
import zipfile

import pytest

from emcom_datasets import listing
from emcom_datasets.errors import DataSetError

FILES = {"b/2.png": b"two", "b/10.png": b"ten", "B/1.png": b"one", "top.txt": b"top",
         ".DS_Store": b"x", "b/._2.png": b"x", ".ipynb_checkpoints/0.png": b"x",
         "__MACOSX/b/._2.png": b"x"}
LIMIT = 1000


def _write(root, kind):
  """Writes the files as a folder or an archive; returns its path."""
  path = root / kind
  if kind == "folder":
    for name, data in FILES.items():
      (path / name).parent.mkdir(parents=True, exist_ok=True)
      (path / name).write_bytes(data)
  elif kind.startswith("zip"):
    with zipfile.ZipFile(path, "w") as archive:
      for name, data in FILES.items():
        archive.writestr(name.replace("/", "\\") if kind == "zip_of_windows" else name, data)
  else:
    with tarfile.open(path, f"w:{kind}".rstrip(":").replace("plain", "")) as archive:
      for name, data in FILES.items():
        member = tarfile.TarInfo(f"./{name}")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
  return path


@pytest.mark.parametrize("kind", ["folder", "zip", "zip_of_windows", "plain", "gz", "bz2", "xz"])
def test_one_view_of_folders_and_archives(tmp_path, kind):
  path = _write(tmp_path, kind)
  if kind == "folder":
    _check(listing.on_disk(path))
  else:
    with listing.archive(path, LIMIT * 20) as folder:
      _check(folder)


def _check(folder):
  assert list(folder.files) == ["top.txt"]
  assert [name for name in folder.folders if name != "__MACOSX"] == ["B", "b"]
  assert list(folder.folders["b"].files) == ["10.png", "2.png"]
  # The exact name first, then any case.
  assert folder.folder("b").file("10.PNG").read() == b"ten"
  assert folder.folder("B").file("1.png").read() == b"one"
  assert folder.file("absent", "TOP.TXT").path == folder.path / "top.txt"
  assert folder.file("b") is None and folder.folder("top.txt") is None
  assert folder.file(".DS_Store") is None and folder.folder(".ipynb_checkpoints") is None
  names = [below.path.name for below in folder.walk(1)]
  assert names[1:] == [name for name in ("B", "__MACOSX", "b") if name in folder.folders]
  seen = {name for below in folder.walk(3) for name in below.files}
  assert seen == {"top.txt", "1.png", "2.png", "10.png"}


def test_a_folder_that_is_not_there(tmp_path):
  with pytest.raises(DataSetError, match="no: cannot be listed .No such file"):
    listing.on_disk(tmp_path / "no").folder("x")


def test_members_that_lead_out_do_not_count(tmp_path):
  with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
    archive.writestr("../out.txt", b"x")
    archive.writestr("/abs/in.txt", b"x")
  with listing.archive(tmp_path / "a.zip", LIMIT) as folder:
    assert not folder.files and list(folder.folders) == ["abs"]


@pytest.mark.parametrize("name, is_archive, stem", [
    ("cifar-10-python.tar.gz", True, "cifar-10-python"), ("MNIST.ZIP", True, "MNIST"),
    ("cifar-10-batches-py-target_archive", True, "cifar-10-batches-py-target"),
    ("train-labels.gz", False, "train-labels.gz"), ("data.tgz", True, "data")])
def test_names_of_archives(name, is_archive, stem):
  assert (listing.is_archive(name), listing.without_ending(name)) == (is_archive, stem)


def _bomb(path, kind, size):
  """An archive of zeros, much smaller than they are."""
  zeros = io.BytesIO(bytes(size))
  if kind == "zip":
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
      archive.writestr("zeros", zeros.read())
    return
  with tarfile.open(path, "w:gz") as archive:
    member = tarfile.TarInfo("zeros")
    member.size = size
    if kind == "header":  # Read by the module before it returns a member.
      member.type = tarfile.XHDTYPE
    archive.addfile(member, zeros)


@pytest.mark.parametrize("kind", ["zip", "tar", "header", "tail"])
def test_no_archive_is_unpacked_beyond_the_limit(tmp_path, kind):
  path = tmp_path / "bomb"
  if kind == "tail":  # After the end of the tar.
    path.write_bytes(gzip.compress(bytes(1 << 22)))
  else:
    _bomb(path, kind, 1 << 22)
  assert path.stat().st_size < 20_000
  with pytest.raises(DataSetError, match="bomb.*: unpacks to more than 1,048,576 bytes"):
    with listing.archive(path, 1 << 20) as folder:
      folder.file("zeros").read()
  if kind in ("zip", "tar"):
    with listing.archive(path, 1 << 23) as folder:
      assert len(folder.file("zeros").read()) == 1 << 22


def test_a_sparse_file_counts_with_all_its_zeros(tmp_path):
  path = tmp_path / "sparse.tar"
  data = io.BytesIO(b"GNU.sparse")
  with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
    member = tarfile.TarInfo("zeros")
    member.size = 10
    member.pax_headers = {"GNU.sparse.map": "0,10", "GNU.sparse.size": str(1 << 40)}
    archive.addfile(member, data)
  with pytest.raises(DataSetError, match="zeros: unpacks to more than 1,000,000 bytes"):
    with listing.archive(path, 1_000_000):
      pass


# A plain tar has no checksum of its content.
@pytest.mark.parametrize("kind, damage", [
    (kind, damage) for kind in ("zip", "plain", "gz") for damage in ("empty", "garbage", "cut", "flipped")
    if (kind, damage) != ("plain", "flipped")])
def test_damaged_archives_are_one_line(tmp_path, kind, damage):
  path = _write(tmp_path, kind)
  whole = bytearray(path.read_bytes())
  whole[-6 if kind == "gz" else whole.index(b"ten")] ^= 255
  path.write_bytes({"empty": b"", "garbage": b"x" * 2000, "cut": whole[:len(whole) // 3],
                    "flipped": whole}[damage])
  with pytest.raises(DataSetError, match="cannot be read, it is damaged") as caught:
    with listing.archive(path, LIMIT * 20) as folder:
      folder.folder("b").file("10.png").read()
  assert str(path) in str(caught.value) and "\n" not in str(caught.value)
