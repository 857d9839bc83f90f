"""What is logged of a training run: means of numbers and arrays, and a watch over all of them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.experiments import base
from socialized_learning.platform.errors import NonFiniteError

_NAN, _INF = np.nan, np.inf


def _call(first_step, **metrics):
  """One call's metrics [K, ...] as they come from one device."""
  return first_step, len(next(iter(metrics.values()))), {
      name: jnp.asarray(values, jnp.float32)[None] for name, values in metrics.items()}


# Two updates, then one, then three; `each` is one number for each of two speakers' two listeners.
_CALLS = [
    _call(0, loss=[1., 2.], each=[[[1., 2.], [3., 4.]], [[3., 2.], [1., 0.]]]),
    _call(2, loss=[6.], each=[[[5., 8.], [0., 2.]]]),
    _call(3, loss=[0., 0.1, 0.2], each=[[[1 / 3, 0.], [0., 0.]]] * 3)]


def test_what_only_fills_up_a_call_does_not_count():
  first_step, _, metrics = _call(7, loss=[1., 2., _NAN])
  assert _means([(first_step, 2, metrics)]).values() == {"loss": 1.5}


def _means(calls):
  means = base.RunningMeans()
  means.add(calls)
  return means


def test_means_of_numbers_and_arrays_by_hand():
  values = _means(_CALLS[:2]).values()
  assert values == {"loss": 3.0, "each": [[3.0, 4.0], [4 / 3, 2.0]]}
  assert isinstance(values["loss"], float)


def test_means_do_not_hang_on_how_updates_are_cut_into_calls():
  whole = _call(0, **{name: np.concatenate([np.asarray(metrics[name])[0] for _, _, metrics in _CALLS])
                      for name in ("loss", "each")})
  one, several = _means([whole]).values(), _means(_CALLS).values()
  for name in ("loss", "each"):
    np.testing.assert_allclose(one[name], several[name], rtol=1e-12)


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_interrupted_means_go_on_exactly_where_they_were(cut):
  before = _means(_CALLS[:cut])
  text = before.to_json()
  json.loads(text, parse_constant=pytest.fail)  # Strict JSON: neither NaN nor Infinity.
  after = base.RunningMeans(text)
  assert after.values() == before.values()
  after.add(_CALLS[cut:])
  assert after.values() == _means(_CALLS).values()  # To the last bit.
  assert after.to_json() == _means(_CALLS).to_json()


@pytest.mark.parametrize("earlier", [None, "", "{}"])
def test_means_of_nothing(earlier):
  means = base.RunningMeans(earlier)
  assert means.values() == {} and means.to_json() == "{}"


def test_occasional_metrics_are_means_over_where_they_were():
  # Imitation every third update; of two students the second is taught less often.
  calls = [_call(0, loss=[1., 1., 1.], imitation_loss=[[_NAN, _NAN], [2., _NAN], [_NAN, _NAN]]),
           _call(3, loss=[1., 1.], imitation_loss=[[4., _NAN], [_NAN, _NAN]])]
  np.testing.assert_array_equal(_means(calls).values()["imitation_loss"], [3., _NAN])
  resumed = base.RunningMeans(_means(calls[:1]).to_json())
  resumed.add(calls[1:])
  resumed.add([_call(5, loss=[1.], imitation_loss=[[_NAN, 7.]])])
  np.testing.assert_array_equal(resumed.values()["imitation_loss"], [3., 7.])


def test_metrics_of_several_devices_are_those_of_the_first():
  assert jax.local_device_count() > 1
  each = np.arange(12.).reshape(2, 3, 2)
  metrics = jax.pmap(lambda x: {"loss": x[:, 0], "each": x})(each)
  assert _means([(0, 3, metrics)]).values() == {"loss": 2.0, "each": [2.0, 3.0]}


def _with(shape, **places):
  """Zeros but for the values at the places, given as nan=place, inf=place."""
  array = np.zeros(shape)
  for value, place in places.items():
    array[place] = {"nan": _NAN, "inf": _INF}[value]
  return array


@pytest.mark.parametrize("metrics, step, name, value", [
    ({"each": _with((4, 2, 3), nan=(2, 1, 2))}, 12, "each", "nan"),
    ({"each": _with((4, 2, 3), inf=(3, 0, 0))}, 13, "each", "inf"),
    ({"each": -_with((4, 2, 3), inf=(0, 0, 0))}, 10, "each", "-inf"),
    ({"speed": _with(4, nan=3)}, 13, "speed", "nan"),
    # The first step counts, wherever in the array and whichever metric it is.
    ({"loss": _with(4, nan=3), "each": _with((4, 2, 3), inf=(1, 1, 2))}, 11, "each", "inf"),
    # At the same step it is the loss that is named first, else the first by name.
    ({"a": _with((4, 2), nan=(1, 0)), "loss": _with(4, inf=1)}, 11, "loss", "inf"),
    ({"b": _with(4, inf=1), "a": _with((4, 2), nan=(1, 0))}, 11, "a", "nan"),
    # Occasional metrics may be absent, not infinite.
    ({"imitation_loss": _with((4, 2), nan=(0, 0), inf=(2, 1))}, 12, "imitation_loss", "inf"),
])
def test_the_first_number_that_is_not_finite_is_found(metrics, step, name, value):
  with pytest.raises(NonFiniteError, match=f"^{name} is {value} at step {step}:") as caught:
    base.check_finite(10, {"fine": np.ones((4, 5))} | metrics)
  assert (caught.value.step, caught.value.metric) == (step, name)


def test_finite_numbers_pass():
  base.check_finite(0, {"loss": np.ones(3), "each": np.full((3, 2), 1e300),
                        "imitation_loss": np.full((3, 2), _NAN)})


def test_running_means_stop_at_the_call_in_which_it_happens():
  means = base.RunningMeans()
  bad = _call(20, loss=[1., 1.], each=[[1., 1.], [1., _NAN]])
  with pytest.raises(NonFiniteError,
                     match="^each is nan at step 21: in the state then net/w and 1 more; "):
    means.add([_call(18, loss=[1., 1.], each=[[1., 1.], [1., 1.]]), bad], ["net/w", "net/b"])
  assert means.values() == {"loss": 1.0, "each": [1.0, 1.0]}  # What was before.


def test_stopwatch_counts_neither_the_first_lap_nor_pauses(monkeypatch):
  now = [0.0]
  monkeypatch.setattr(base.time, "monotonic", lambda: now[0])

  def wait(seconds):
    now[0] += seconds

  watch = base.Stopwatch()
  wait(100)  # Compiles.
  assert watch.lap(10) == 0.1  # All there is.
  wait(50)  # Saves.
  watch.start()
  wait(2)
  with watch.pause():
    wait(30)  # Examines.
  wait(2)
  assert watch.lap(20) == 5
  watch.start()
  wait(6)
  assert watch.lap(10) == 3
