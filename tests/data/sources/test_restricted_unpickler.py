"""What a pickle may ask for, and that nothing of what it may not is ever run."""

import pickle
import pickletools

import numpy as np
import pytest

from socialized_learning.data.sources import restricted_unpickler
from socialized_learning.platform.errors import UserError
from tests.data.sources import files
from tests.data.sources import python2

DATA = files.pixels(0, 3, 8)


def _error(data):
  with pytest.raises(UserError) as caught:
    restricted_unpickler.read(data, "batch")
  assert "\n" not in str(caught.value) and str(caught.value).startswith("batch: ")
  return str(caught.value)


def test_a_batch_of_python_2():
  batch = {"data": DATA, "labels": [3, 1, 4], "batch_label": "training batch 1 of 5"}
  found = restricted_unpickler.read(python2.pickled(batch), "batch")
  assert list(found) == list(batch)
  np.testing.assert_array_equal(found["data"], DATA)
  assert found["data"].dtype == np.uint8
  assert found["labels"] == [3, 1, 4] and found["batch_label"] == b"training batch 1 of 5"


def test_these_pickles_are_what_python_2_wrote_as_far_as_python_3_and_numpy_can_tell():
  found = pickle.loads(python2.pickled({"data": DATA, "labels": [3]}), encoding="bytes")
  np.testing.assert_array_equal(found[b"data"], DATA)
  assert found[b"data"].dtype == np.uint8 and found[b"labels"] == [3]


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_batch_of_python_3(protocol, order):
  data = pickle.dumps({"data": np.asarray(DATA, order=order), "labels": [3, 1, 4]}, protocol)
  assert (b"numpy._core.numeric" if protocol == 5 else b"numpy._core.multiarray") in data
  found = restricted_unpickler.read(data, "batch")["data"]
  np.testing.assert_array_equal(found, DATA)
  assert found.dtype == np.uint8


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_published_batch_written_again_by_python_3(protocol):
  """As `pickle.load(file, encoding="bytes")` gives it: with keys of bytes."""
  data = pickle.dumps({b"data": DATA, b"labels": [3, 1, 4], b"batch_label": b"\xff1"}, protocol)
  found = restricted_unpickler.read(data, "batch")
  np.testing.assert_array_equal(found["data"], DATA)
  assert found["labels"] == [3, 1, 4] and found["batch_label"] == b"\xff1"


@pytest.mark.parametrize("array", [DATA[:, ::2], DATA.astype(np.int64), np.float32(DATA),
                                   np.array([None])], ids=["strided", "int64", "float", "object"])
def test_other_arrays_of_protocol_5(array):
  data = pickle.dumps({"data": array}, 5)
  if array.dtype == np.uint8:
    np.testing.assert_array_equal(restricted_unpickler.read(data, "batch")["data"], array)
  else:
    assert "an array of another type than uint8" in _error(data)


@pytest.mark.parametrize("module, name, arguments", [
    ("_codecs", "encode", ("text", "utf7")), ("_codecs", "encode", (b"bytes", "latin1")),
    ("_codecs", "encode", ("\u2603", "latin1")), ("_codecs", "encode", ("text",)),
    ("numpy._core.numeric", "_frombuffer", (b"abc", "u1", (3,), "C")),
    ("numpy._core.numeric", "_frombuffer", (b"abc",)),
    ("numpy.core.numeric", "_frombuffer", (b"abc", None, (1 << 40,), "C"))])
def test_calls_that_no_array_makes(module, name, arguments):
  """The names stand for functions of this project, which take nothing else."""
  pickled = pickle.dumps(arguments, 2)[2:-1]
  data = b"\x80\x02c%s\n%s\n%sR." % (module.encode(), name.encode(), pickled)
  assert "cannot be read, it is damaged" in _error(data)


# Each would make a file if it ran: (module, name, argument).
CALLS = [
    ("os", "system", "touch {}"),
    ("posix", "system", "touch {}"),
    ("subprocess", "getoutput", "touch {}"),
    ("builtins", "eval", "open({!r}, 'w')"),
    ("builtins", "exec", "open({!r}, 'w')"),
    ("__builtin__", "eval", "open({!r}, 'w')"),
    # In NumPy, but none of what makes an array.
    ("numpy.testing._private.utils", "runstring", "open({!r}, 'w')"),
    ("numpy", "loadtxt", "{}"),
    ("numpy", "memmap", "{}"),
    ("numpy.core.multiarray", "fromfile", "{}"),
    ("numpy.core.multiarray", "scalar", "{}"),
    ("numpy.core", "multiarray._reconstruct", "{}"),
    ("numpy", "ndarray.tofile", "{}"),
    ("_codecs", "decode", "{}"),
    ("copyreg", "_reconstructor", "{}"),
]


def _attacks(module, name, argument):
  """The same call in each way a pickle can make it."""
  text = argument.encode()
  string = b"X" + len(text).to_bytes(4, "little") + text
  unicode = lambda s: b"\x8c" + bytes([len(s)]) + s.encode()
  return {
      "reduce": b"\x80\x02c%s\n%s\n%s\x85R." % (module.encode(), name.encode(), string),
      "inst": b"(%si%s\n%s\n." % (string, module.encode(), name.encode()),
      "obj": b"(c%s\n%s\n%so." % (module.encode(), name.encode(), string),
      "stack_global": b"\x80\x04%s%s\x93%s\x85R." % (unicode(module), unicode(name), string),
      "newobj": b"\x80\x04%s%s\x93%s\x85\x81." % (unicode(module), unicode(name), string),
  }


@pytest.mark.parametrize("module, name, argument", CALLS, ids=[f"{c[0]}.{c[1]}" for c in CALLS])
def test_nothing_else_is_found_whatever_the_opcode(tmp_path, module, name, argument):
  target = tmp_path / "ran"
  for attack in _attacks(module, name, argument.format(str(target))).values():
    message = _error(attack)
    assert f"asks for '{module}.{name}'" in message and "nothing of it was run" in message
  assert not target.exists()


def test_these_attacks_are_real(tmp_path):
  target = tmp_path / "ran"
  attacks = _attacks("os", "system", f"touch {target}")
  for kind in ("reduce", "inst", "obj", "stack_global"):
    pickle.loads(attacks[kind])
    assert target.exists(), kind
    target.unlink()


def test_a_call_hidden_among_the_data_of_a_batch(tmp_path):
  target = tmp_path / "ran"
  inner = _attacks("os", "system", f"touch {target}")["reduce"][2:-1]
  whole = python2.pickled({"data": DATA, "labels": [1]})
  assert whole.endswith(b"u.")
  attack = whole[:-2] + b"U\x01x" + inner + b"u."
  assert "os.system" in _error(attack) and not target.exists()


def test_a_name_with_line_ends_and_escapes_stays_one_line():
  attack = b"\x80\x04\x8c\x07o\ns\x1b[2J\x8c\x06system\x93."
  message = _error(attack)
  assert r"o\ns\x1b[2J.system" in message and "\x1b" not in message


@pytest.mark.parametrize("pickle_of", [
    b"\x80\x02U\x04nameQ.",  # A persistent id.
    b"\x80\x02\x82\x01.",  # The extension registry.
    b"\x80\x02cnumpy\ndtype\nN}U\x0b__setstate__K\x01s\x86b.",  # Attributes of a class.
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R(K\x01K\x01tb.",  # A state of two.
    b"\x80\x02NP1\n.",  # A persistent id, as text.
    b"\x80\x02}(K\x01K\x02u.",  # A number for a key.
    b"\x80\x02}r\xff\xff\xff\x7f.",  # A memo of 2 ** 31 places.
    b"\x80\x02}p99999999999999999999\n.",
    b"\x80\x04\x96" + b"\xff" * 7 + b"\x7f.",  # Bytes without end.
    b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
    b"\x80\x02T\xff\xff\xff\x7f.",
    b"",
    b"not a pickle",
], ids=["persistent", "extension", "class_state", "state", "persistent_text", "key", "memo",
        "memo_text", "bytearray", "bytes", "string", "empty", "text"])
def test_other_programs_end_in_one_line(pickle_of):
  assert "cannot be read, it is damaged" in _error(pickle_of)


def test_an_array_that_is_made_without_being_called():
  data = b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\n)\x81s."
  assert restricted_unpickler.read(data, "batch") == {"data": None}


def test_classes_are_not_changed_by_a_pickle():
  # BUILD on the stand-in for dtype, with a state that would set an attribute of the class.
  _error(b"\x80\x02cnumpy\ndtype\nN}U\x04codeK\x01s\x86b.")
  test_a_batch_of_python_2()


@pytest.mark.parametrize("code, shape, data", [
    (b"O8", 8, 8), (b"u1", 7, 8), (b"i8", 1, 8), (b"V8", 1, 8), (b"u1", 9, 8)])
def test_arrays_of_other_types_or_sizes(code, shape, data):
  array = (b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
           b"U\x01b\x87R(K\x01K%c\x85cnumpy\ndtype\nU\x02%bK\x00K\x01\x87R\x89U%c%btbs." % (
               shape, code, data, bytes(data)))
  assert len(list(pickletools.genops(array))) > 20  # It is a pickle.
  if (code, shape) == (b"u1", data):
    restricted_unpickler.read(array, "batch")
  else:
    assert "cannot be read" in _error(array)


def test_every_truncation_is_one_line():
  whole = python2.pickled({"data": DATA, "labels": [3, 1, 4]})
  for size in range(len(whole)):
    _error(whole[:size])


def test_something_else_than_a_dictionary():
  assert "a list instead of a dictionary" in _error(pickle.dumps([1], 2))
