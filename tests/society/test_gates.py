"""Who answers, against golden numbers and a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.learners import steps
from socialized_learning.society import energy
from socialized_learning.society import gates
from tests.society import golden_logits

_LABELS = golden_logits.GATE_LABELS
# Gate -> models (4 is the student), predicted classes, top-1, cross-entropy with a second softmax.
_GOLDEN = {
    "lse": ([4, 0, 4, 0, 4, 0, 4, 0], [83, 10, 97, 24, 11, 38, 25, 52], 25, 4.469118),
    "specialists": ([1, 0, 0, 1, 2, 3, 3, 1], [23, 10, 17, 44, 71, 98, 5, 72], 50, 4.303266),
    "specialists_gap": ([4, 0, 4, 4, 2, 4, 4, 4], [83, 10, 97, 4, 71, 18, 25, 32], 37.5, 4.467562),
    "specialists_probability_gap": (
        [4, 0, 0, 4, 4, 3, 4, 4], [83, 10, 17, 4, 11, 98, 25, 32], 50, 4.282653),
}


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


def _answer(gate, models):
  """The answers, with the student numbered 4 and expert 0."""
  if gate in gates.SPECIALIST_GATES:
    return gates.specialists(gate, models[:4], models[4])
  answer = gates.pair(gate, models[4], models[0], jnp.asarray(_LABELS[:models.shape[1]]))
  return answer._replace(model=np.where(answer.model == gates.STUDENT, 4, 0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gate", _GOLDEN)
def test_golden_answers(gate, dtype):
  chosen, classes, top1, cross_entropy = _GOLDEN[gate]
  models = golden_logits.models(dtype)
  answer = _answer(gate, jnp.asarray(models))
  np.testing.assert_array_equal(answer.model, chosen)
  np.testing.assert_array_equal(answer.logits, models[chosen, np.arange(8)])
  np.testing.assert_array_equal(answer.logits.argmax(1), classes)
  assert 100 * gates.among_top(answer.logits, _LABELS, 1).mean() == top1
  doubled = steps.cross_entropy(jax.nn.softmax(answer.logits), _LABELS).mean()
  np.testing.assert_allclose(doubled, cross_entropy, rtol=1e-6 if dtype == np.float64 else 1e-5)


def test_temperature_decides_who_knows_an_image_better():
  # -T log(e^(10/T) + 3) and -T log(2 e^(9/T) + 2 e^(-9/T)): -10.0 and -9.7, but -10.9 and -11.8.
  logits = jnp.asarray([[[10.0, 0, 0, 0]], [[9.0, 9, -9, -9]]])
  first, second = (gates.specialists("specialists", logits, logits[0], temperature=t).model[0]
                   for t in (1.0, 4.0))
  assert (first, second) == (0, 1)


def test_golden_familiarity():
  models = golden_logits.models()
  np.testing.assert_allclose(-energy.free_energy(models)[3], [
      4.211044, 4.854966, 4.701154, 4.641386, 4.636044, 9.991721, 6.681900, 4.765572], atol=1e-6)
  np.testing.assert_allclose(gates.familiarity_gap(models[4], models[0]), [
      -1.128679, 6.499798, -1.464415, 0.498896, -9.004650, 1.538039, -1.669638, 0.274565],
                             atol=1e-6)
  cross_entropy = steps.cross_entropy(_answer("lse", models).logits, _LABELS).mean()
  np.testing.assert_allclose(cross_entropy, 4.193844, atol=1e-6)


@pytest.mark.parametrize("gate, top1", [("student", 12.5), ("expert", 37.5), ("oracle", 50)])
def test_one_of_them_always_and_whoever_is_right(gate, top1):
  models = golden_logits.models()
  answer = _answer(gate, models)
  right = np.asarray(gates.among_top(answer.logits, _LABELS, 1))
  assert 100 * right.mean() == top1
  if gate == "oracle":
    assert np.flatnonzero(right).tolist() == [0, 1, 2, 6]
    # Only where the expert alone is right: where both are, or none, the student answers.
    assert np.flatnonzero(answer.model == 0).tolist() == [
        i for i in (0, 1, 2, 6) if models[4, i].argmax() != _LABELS[i]]
  else:
    assert set(np.asarray(answer.model)) == {4 if gate == "student" else 0}


@pytest.mark.parametrize("margin, expert", [
    (-2, [0, 1, 2, 3, 5, 6, 7]), (0, [1, 3, 5, 7]), (0.4, [1, 3, 5]), (1, [1, 5]), (7, [])])
def test_a_margin(margin, expert):
  models = golden_logits.models()
  answer = gates.pair("margin", models[4], models[0], jnp.asarray(_LABELS), margin=margin)
  assert np.flatnonzero(answer.model == gates.EXPERT).tolist() == expert


def test_equals_are_decided_for_the_student_else_for_the_first():
  tied = np.full((5, 1, 100), -1000.)
  tied[np.arange(5), 0, 3 + 4 * np.arange(5)] = 1
  answered = lambda gate, models: int(_answer(gate, models).logits.argmax())
  assert answered("lse", tied) == 19  # The student's class here; the expert's is 3.
  assert answered("specialists", tied) == 3
  assert answered("specialists_gap", tied) == answered("specialists_probability_gap", tied) == 19
  lowered = tied - np.array([5, 0, 0, 5, 0])[:, None, None]
  assert answered("specialists", lowered) == 7


def test_the_sum_of_a_head_decides_whatever_it_says():
  models = golden_logits.models()
  models[0] += 1000
  assert (_answer("lse", models).model == 0).all()
  np.testing.assert_array_equal(_answer("lse", models).logits.argmax(1), models[0].argmax(1))


def test_a_temperature_moves_the_gate():
  # One high logit against many low ones: which is larger hangs on the temperature.
  student, expert = np.zeros((1, 100)), np.zeros((1, 100))
  student[0, 0], expert[0, 1:] = 10, 6
  choose = lambda t: gates.pair("lse", student, expert, jnp.zeros(1, int), temperature=t).model
  assert (choose(1.0), choose(0.1)) == (gates.EXPERT, gates.STUDENT)


def test_the_k_largest_of_equal_ones_the_first():
  z = jnp.asarray([[3., 5, 5, 1], [2, 2, 2, 2]])
  found = [[gates.among_top(z, jnp.full(2, label), k).tolist() for label in range(4)]
           for k in (1, 2, 3)]
  assert found[0] == [[False, True], [True, False], [False, False], [False, False]]
  assert found[1] == [[False, True], [True, True], [True, False], [False, False]]
  assert found[2] == [[True, True], [True, True], [True, True], [False, False]]


def test_experts_of_many_agents_at_once():
  models = golden_logits.models()
  gap_gate = jax.jit(jax.vmap(lambda expert, margin: gates.pair(
      "margin", models[4], expert, jnp.asarray(_LABELS), margin=margin)))
  margins = np.array([0., 1, -1, 0.5])
  answer = gap_gate(models[:4], margins)
  for agent in range(4):
    alone = gates.pair("margin", models[4], models[agent], jnp.asarray(_LABELS),
                       margin=margins[agent])
    np.testing.assert_array_equal(answer.model[agent], alone.model)
    np.testing.assert_array_equal(answer.logits[agent], alone.logits)


def test_unknown_gates():
  models = golden_logits.models()
  with pytest.raises(ValueError, match="one of lse, margin, student, expert, oracle"):
    gates.pair("largest", models[4], models[0], _LABELS)
  with pytest.raises(ValueError, match="one of specialists, specialists_gap, specialists_prob"):
    gates.specialists("lse", models[:4], models[4])
