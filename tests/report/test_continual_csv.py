"""The tables of a continual-learning run: their columns, their lines, and what is not defined."""

import csv
import io

import numpy as np
import pytest

from socialized_learning.report import continual_csv

pytestmark = pytest.mark.filterwarnings("error")

# specs/golden_synergy.md, section 4.
_ACCURACY = np.array([
    [[40., 75., np.nan, np.nan], [50., 60., 30., np.nan], [35., 55., 45., 20.],
     [80., 50., 65., 70.]],
    [[91.25, 12.5, np.nan, np.nan], [70., 88.75, 9.375, np.nan], [62.5, 93.75, 85., 15.],
     [55., 67.5, 60., 82.5]]])
_RANDOM = [8.75, 11.25, 10., 13.125]
_RUN = dict(method="er", stream="seq-cifar10", buffer=200, seeds=[3, 7], steps=1560)


def _examination(accuracy=_ACCURACY, **others):
  return continual_csv.Examination(**dict(
      head="working", setting="class-il", label_space="all", task_identity="none",
      accuracy=accuracy, random_init=_RANDOM, ece=[12.5, 0.1]) | others)


def _read(text):
  return list(csv.DictReader(io.StringIO(text)))


def test_the_header_is_fixed():
  assert ",".join(continual_csv.header(2)) == (
      "method,stream,buffer,seed,head,setting,label_space,task_identity,steps,"
      "final_average_accuracy,backward_transfer,forward_transfer,forgetting,ece,task_1,task_2")
  text = continual_csv.to_csv([_examination()], **_RUN)
  assert text.split("\n")[0].split(",") == continual_csv.header(4) and "\r" not in text


def test_a_line_for_each_seed_head_and_setting():
  rows = _read(continual_csv.to_csv(
      [_examination(), _examination(head="semantic"),
       _examination(setting="task-il", label_space="task", task_identity="test")], **_RUN))
  assert [(row["seed"], row["head"], row["setting"]) for row in rows] == [
      (seed, head, setting) for seed in "37" for head, setting in (
          ("working", "class-il"), ("semantic", "class-il"), ("working", "task-il"))]
  assert {(row["method"], row["stream"], row["buffer"], row["steps"]) for row in rows} == {
      ("er", "seq-cifar10", "200", "1560")}
  assert (rows[2]["label_space"], rows[2]["task_identity"]) == ("task", "test")


def test_numbers_are_those_of_the_seed_with_all_digits():
  first, second = _read(continual_csv.to_csv([_examination()], **_RUN))
  expected = {"final_average_accuracy": 66.25, "backward_transfer": 50 / 3,
              "forward_transfer": 30 + 5 / 24, "forgetting": -40 / 3, "ece": 12.5,
              "task_1": 40, "task_2": 55, "task_3": 45, "task_4": 66.25}
  for name, value in expected.items():
    assert float(first[name]) == pytest.approx(value, rel=1e-14), name
  assert float(second["backward_transfer"]) == -27.5 and second["ece"] == "0.1"
  assert float(second["task_3"]) == (62.5 + 93.75 + 85) / 3


def test_the_definition_of_forgetting_can_be_chosen():
  first, _ = _read(continual_csv.to_csv([_examination()], **_RUN, forgetting="reference"))
  assert float(first["forgetting"]) == pytest.approx(25 / 3)


def test_what_is_not_defined_is_empty():
  row, = _read(continual_csv.to_csv(
      [_examination([[[81.5]]], random_init=[9.], ece=None)],
      **_RUN | dict(stream="mnist-360", buffer=None, seeds=[0])))
  assert row == dict(
      method="er", stream="mnist-360", buffer="0", seed="0", head="working", setting="class-il",
      label_space="all", task_identity="none", steps="1560", final_average_accuracy="81.5",
      backward_transfer="", forward_transfer="", forgetting="", ece="", task_1="81.5")
  rows = _read(continual_csv.to_csv([_examination(random_init=None)], **_RUN))
  assert [row["forward_transfer"] for row in rows] == ["", ""]
  assert all(row["backward_transfer"] for row in rows)
  rows = _read(continual_csv.to_csv([_examination(nested=True)], **_RUN))
  for row in rows:  # Of one task alone nothing was measured.
    assert row["final_average_accuracy"] and row["ece"] and row["task_4"]
    assert not any(row[name] for name in ("backward_transfer", "forward_transfer", "forgetting"))


def test_the_matrix_has_a_line_for_each_accuracy():
  text = continual_csv.matrix_to_csv([_examination(), _examination(head="semantic", random_init=None)],
                                     **{key: value for key, value in _RUN.items() if key != "steps"})
  rows = _read(text)
  assert ",".join(continual_csv.MATRIX_HEADER) == text.split("\n")[0] == (
      "method,stream,buffer,seed,head,setting,after_task,task,accuracy")
  found = np.full((2, 2, 5, 4), np.nan)
  for row in rows:
    assert (row["method"], row["stream"], row["buffer"], row["setting"]) == (
        "er", "seq-cifar10", "200", "class-il")
    place = ("37".index(row["seed"]), ["working", "semantic"].index(row["head"]), int(row["after_task"]),
             int(row["task"]) - 1)
    assert np.isnan(found[place])  # Once each.
    found[place] = float(row["accuracy"])
  np.testing.assert_array_equal(found[:, :, 1:], np.stack([_ACCURACY] * 2, axis=1))
  np.testing.assert_array_equal(found[:, 0, 0], [_RANDOM] * 2)
  assert np.isnan(found[:, 1, 0]).all() and len(rows) == 2 * (4 + 13 + 13)
  with pytest.raises(ValueError, match=r"must be \[S, T, T\] of 2 seeds"):
    continual_csv.matrix_to_csv([_examination(_ACCURACY[:1])], method="er", stream="s", buffer=1,
                                seeds=[3, 7])


@pytest.mark.parametrize("examinations, message", [
    ([], "must be of the same tasks"),
    ([_examination(), _examination(_ACCURACY[:, :2, :2], random_init=None)], "the same tasks"),
    ([_examination(_ACCURACY[0])], r"must be \[S, T, T\] of 2 seeds"),
    ([_examination(_ACCURACY[:1])], r"must be \[S, T, T\] of 2 seeds"),
    ([_examination(ece=[1.])], r"ece must be \[S\] of 2 seeds"),
    ([_examination(random_init=_RANDOM[:3])], "before training"),
])
def test_examinations_that_do_not_fit(examinations, message):
  with pytest.raises(ValueError, match=message):
    continual_csv.to_csv(examinations, **_RUN)
