"""The benchmark of a Lewis step: its two systems are the same game, and its command line works."""

import functools
import json
import re
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from benchmarks import lewis_baseline
from benchmarks import lewis_engine
from benchmarks import lewis_step
from benchmarks import measure
from socialized_learning import agents
from socialized_learning import games
from socialized_learning.games import views

SMALL = ("--batch=6 --input=9 --vocab=5 --length=2 --speaker_hidden=4 --listener_hidden=7 "
         "--projection=8 --pairs=3").split()


def _config(arguments):
  return lewis_step.configure(lewis_step.parse(arguments))


def _inputs(arguments):
  flags = lewis_step.parse(arguments)
  return np.random.default_rng(1).standard_normal((flags.batch, flags.input), np.float32)


def _plain(params, names):
  """Haiku's tree of an agent as the baseline's: (module, name) for each of its entries."""
  layers = {name: params[module] for name, module in names.items()}
  return {name: layer.get("embeddings", layer) for name, layer in layers.items()}


def _plain_speaker(params):
  return _plain(params, {
      "embed": "speaker/~/embed", "adapter": "speaker/~/state_adapter",
      "lstm": "speaker/~/lstm/linear", "policy": "speaker/~/head/~/policy",
      "value": "speaker/~/head/~/value", "state_value": "speaker/~/head/~/dueling_state_value",
      "advantage": "speaker/~/head/~/dueling_advantage"})


def _plain_listener(params):
  return _plain(params, {
      "embed": "listener/~/embed", "lstm": "listener/~/lstm/linear",
      "message": "listener/~/cpc/~/message_projection/~/linear_0",
      "target": "listener/~/cpc/~/target_projection/~/linear_0"})


def _engine_loss(config, view, actions):
  """The engine's loss of one pair and its target along the given messages."""
  speaker = agents.make_speaker(config.speaker, config.message)
  listener = agents.make_listener(config.listener, config.message, {})
  game = games.make_lewis_game(speaker, listener, config, axis_name=None)

  def loss(params, target):
    episode = games.lewis.Episode(
        speaker.forced(params.speaker, view.speaker_inputs, actions),
        speaker.forced(target, view.speaker_inputs, actions),
        listener.apply(params.listener, actions, view.listener_inputs))
    return game.score(episode, view, None)

  return game, loss


def test_the_baseline_plays_the_same_game():
  config, inputs = _config(SMALL), _inputs(SMALL)
  config.speaker_loss.entropy = 0.1  # Large enough to be seen.
  view = views.make_view(inputs, {}, None, noise=0.0, axis_name=None)
  actions = np.random.default_rng(2).integers(0, 5, (6, 2)).astype(np.int32)
  game, engine_loss = _engine_loss(config, view, actions)
  init = jax.jit(lambda key: game.init(key, view))
  pair, other = init(jax.random.PRNGKey(0)), init(jax.random.PRNGKey(1))
  (loss, metrics), grads = jax.jit(jax.value_and_grad(engine_loss, has_aux=True))(
      pair, other.speaker)

  def plain_loss(speaker, listener):
    target = _plain_speaker(other.speaker)
    return lewis_baseline.pair_loss(speaker, listener, target, inputs, config, actions=actions)

  (plain, logged), plain_grads = jax.jit(
      jax.value_and_grad(plain_loss, argnums=(0, 1), has_aux=True))(
          _plain_speaker(pair.speaker), _plain_listener(pair.listener))
  np.testing.assert_allclose(plain, loss, rtol=1e-5)
  np.testing.assert_allclose(logged["accuracy"], metrics["accuracy"])
  expected = _plain_speaker(grads.speaker), _plain_listener(grads.listener)
  jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), plain_grads,
               expected)


def test_the_baseline_starts_alike():
  config = _config([])
  key = jax.random.PRNGKey(0)
  size = lambda tree: sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
  initial = lambda init: jax.eval_shape(lambda: init(key, 2048, config))
  assert size(initial(lewis_baseline.init_speaker)) == 1_333_500
  assert size(initial(lewis_baseline.init_listener)) == 1_727_176
  small = _config(["--speaker_hidden=50", "--vocab=500"])
  speaker = jax.jit(lambda: lewis_baseline.init_speaker(key, 400, small))()
  # A normal distribution cut off at two deviations is narrower by 0.8796.
  np.testing.assert_allclose(speaker["adapter"]["w"].std(), 0.8796 / 20, rtol=0.02)
  np.testing.assert_allclose(speaker["embed"].std(), 0.8796, rtol=0.03)
  assert not speaker["adapter"]["b"].any()


def test_an_update_of_the_baseline():
  config, inputs = _config([*SMALL, "--length=1"]), _inputs(SMALL)
  update = lewis_baseline.make_update(config)

  @jax.jit
  def first_update(key):
    speaker = lewis_baseline.new_speaker(key, 9, config)
    listener = lewis_baseline.new_listener(key, 9, config)
    return speaker, listener, update(speaker, listener, inputs, key)

  speaker, listener, updated = jax.device_get(first_update(jax.random.PRNGKey(3)))
  new_speaker, new_listener, metrics = updated
  assert np.isfinite(metrics["loss"])
  for old, new in ((speaker, new_speaker), (listener, new_listener)):
    moved = max(jax.tree.leaves(jax.tree.map(lambda a, b: float(abs(a - b).max()), old["params"],
                                             new["params"])))
    np.testing.assert_allclose(moved, 1e-4, rtol=1e-2)  # Adam's first step is its learning rate.
  average = jax.tree.map(lambda old, new: 0.99 * old + 0.01 * new, speaker["target"],
                         new_speaker["params"])
  jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-7), new_speaker["target"],
               average)


def test_arithmetic_is_counted_in_full():
  config = _config(["--pairs=2"])
  inputs = np.zeros((1024, 2048), np.float32)
  # Multiplications in the forward pass of a game: first state, 10 x (cell and heads); 10 x cell,
  # projections, scores. Backward is twice forward, without gradients of inputs; target: forward.
  speaker = 2048 * 512 + 10 * (266 * 1024 + 256 * 21)
  listener = 10 * 522 * 2048 + 512 * 256 + 2048 * 256 + 1024 * 256
  by_hand = 2 * 1024 * (3 * (speaker + listener) + speaker - 2048 * (512 + 256))
  np.testing.assert_allclose(lewis_engine.count_flops(config, inputs), 2 * by_hand, rtol=0.02)
  np.testing.assert_allclose(lewis_baseline.count_flops(config, inputs), by_hand, rtol=0.02)


def _shapes(text, pattern, separator):
  """The shapes of all arrays in the text of a program."""
  shapes = {shape.strip(separator) for shape in re.findall(pattern, text)}
  return {tuple(int(size) for size in shape.split(separator)) for shape in shapes}


def test_no_array_of_all_pairs_of_games_and_features():
  sizes = ("--batch=256 --input=13 --vocab=5 --length=3 --speaker_hidden=6 --listener_hidden=7 "
           "--projection=64 --pairs=2").split()
  config, inputs = _config(sizes), _inputs(sizes)
  config.population.mapping = "vmap"
  differences = (256, 256, 64)  # [B, B, K], 16 MiB.
  lowered = {"engine": lewis_engine.lower(config, inputs),
             "baseline": lewis_baseline.lower(config, inputs)}
  written = {name: _shapes(program.as_text(), r"tensor<((?:\d+x)+)", "x")
             for name, program in lowered.items()}
  assert differences in written["baseline"]
  compiled = lowered["engine"].compile()
  arrays = written["engine"] | _shapes(compiled.as_text(), r"\b[a-z]+\d*\[(\d[\d,]*)\]", ",")
  assert (2, 256, 256) in arrays  # The scores of both pairs.
  assert max(np.prod(shape) for shape in arrays) < np.prod(differences) / 4
  assert compiled.memory_analysis().temp_size_in_bytes < 4 * np.prod(differences) / 2


def _run(*arguments):
  """The JSON lines of a run of the command line."""
  done = subprocess.run([sys.executable, "-m", "benchmarks.lewis_step", *arguments],
                        capture_output=True, text=True, check=True)
  return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_command_line():
  line, = _run(*SMALL, "--only=engine", "--length=1", "--steps=2", "--matmul=64", "--device_count=2")
  numbers = ("seconds_to_first_step", "steps_per_second", "peak_memory_gib", "flops_per_step",
             "gflops", "matmul_gflops", "fraction_of_matmul_rate", "cores")
  assert line["benchmark"] == "lewis_step" and line["system"] == "engine"
  assert all(line[name] > 0 for name in numbers)
  assert [line[name] for name in lewis_step.SIZES] == [6, 9, 5, 1, 4, 7, 8, 3]
  assert line["jax"] == jax.__version__ and line["device"]
  assert (line["pairs_measured"], line["devices"]) == (3, 2)


def test_comparison_by_hand():
  line = lambda rate, first: {"steps_per_second": rate, "seconds_to_first_step": first}
  assert lewis_step.compare(line(4., 2.), line(12., 1.), line(0.5, 5.)) == {
      "benchmark": "lewis_step", "speedup_throughput": 8., "speedup_first_step": 2.5,
      "cost_over_one_pair": 3.}


def test_all_systems_are_measured_and_compared(monkeypatch, capsys):
  def measured(module, arguments, *, device_count):
    assert module == "benchmarks.lewis_step" and arguments[-1] == "--here"
    is_engine = "--only=engine" in arguments
    rate = 1. if not is_engine else 8. if "--pairs=1" in arguments else 4.
    return {"steps_per_second": rate, "seconds_to_first_step": 1., "devices": device_count}

  monkeypatch.setattr(measure, "in_fresh_process", measured)
  assert lewis_step.main([*SMALL, "--device_count=2"]) == 0
  engine, one_pair, baseline, ratios = map(json.loads, capsys.readouterr().out.splitlines())
  assert [line["devices"] for line in (engine, one_pair, baseline)] == [2, 2, 1]
  assert (ratios["speedup_throughput"], ratios["cost_over_one_pair"]) == (4., 2.)


def test_a_part_of_a_step_is_scaled():
  build = lambda: measure.System(lambda: time.sleep(0.02), lambda: 1e9, share=0.25)
  numbers = measure.measure(build, num_steps=3, matmul_size=32)
  assert 2 < numbers["steps_per_second"] <= 12.5
  assert numbers["seconds_to_first_step"] >= 0.08
  assert numbers["gflops"] == pytest.approx(numbers["steps_per_second"], rel=1e-3)


def test_a_process_that_fails_is_reported():
  with pytest.raises(measure.MeasurementError, match="status 2"):
    measure.in_fresh_process("benchmarks.lewis_step", ["--colour=red"], device_count=1)
