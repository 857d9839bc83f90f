"""TFRecord framing, by hand-computed numbers and by every way to cut a file."""

import numpy as np
import pytest

from emcom_datasets.errors import DataSetError
from emcom_datasets.tfrecord import masked_crc32c
from emcom_datasets.tfrecord import TFRecordFile
from tests.emcom_datasets.prepared import tfrecord_bytes

RECORDS = [b"first", b"", bytes(range(256)) * 3]


def test_checksum_of_known_strings():
  # CRC-32C check values: of "123456789" in the Rocksoft catalogue, of 32 zeros in RFC 3720, B.4.
  for data, crc in ((b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA)):
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2 ** 32
    assert masked_crc32c(data) == masked


def test_positions_in_any_order(tmp_path):
  (tmp_path / "a").write_bytes(tfrecord_bytes(RECORDS))
  file = TFRecordFile(tmp_path / "a")
  assert len(file) == 3
  assert file.read([2, 0, 1, 0]) == [RECORDS[i] for i in (2, 0, 1, 0)]
  assert file.read([]) == []


def test_empty_file(tmp_path):
  (tmp_path / "a").touch()
  assert len(TFRecordFile(tmp_path / "a")) == 0


def test_every_truncation_is_noticed_or_ends_at_a_record(tmp_path):
  whole = tfrecord_bytes(RECORDS)
  ends = np.cumsum([0] + [len(record) + 16 for record in RECORDS]).tolist()
  path = tmp_path / "a"
  for size in range(len(whole) + 1):
    path.write_bytes(whole[:size])
    if size in ends:
      assert len(TFRecordFile(path)) == ends.index(size)
    else:
      with pytest.raises(DataSetError, match="truncated in record"):
        TFRecordFile(path)


def test_damaged_length(tmp_path):
  whole = bytearray(tfrecord_bytes(RECORDS))
  whole[len(RECORDS[0]) + 16] ^= 1
  (tmp_path / "a").write_bytes(whole)
  with pytest.raises(DataSetError, match="damaged, .* in record 1 at byte 21"):
    TFRecordFile(tmp_path / "a")


def test_missing_file_and_folder(tmp_path):
  for path in (tmp_path / "gone", tmp_path):
    with pytest.raises(DataSetError, match=f"{path}: cannot be read"):
      TFRecordFile(path)
