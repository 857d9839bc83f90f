"""Presets: numbers typed again from the published tables, keys of every row, unknown ones."""

import collections

import pytest

from socialized_learning.configs import presets

_UNIF, _LONGTAIL = "gcil-cifar100-unif", "gcil-cifar100-longtail"

# Typed from specs/synergy.md, section 4.
_NUMBERS = [
    ("synergy", "rot-mnist", 200, "importance_rate", 0.4),
    ("synergy", "rot-mnist", 500, "importance_rate", 0.8),
    ("synergy", "rot-mnist", 1000, "ema_decay", 0.99),
    ("synergy", "mnist-360", 200, "importance_rate", 0.9),
    ("synergy", "mnist-360", 1000, "consistency_weight", 0.8),
    ("synergy", "seq-cifar10", 200, "penalty_weight", 5),
    ("synergy", "seq-cifar10", 500, "importance_rate", 0.007),
    ("synergy", "seq-cifar10", 1000, "ema_rate", 0.9),
    ("synergy", "seq-tinyimg", 200, "importance_rate", 0.0005),
    ("synergy", "seq-tinyimg", 1000, "penalty_weight", 0.1),
    ("synergy", _UNIF, 500, "ema_rate", 0.3),
    ("synergy", _LONGTAIL, 500, "ema_rate", 0.2),
    ("synergy", _LONGTAIL, 1000, "importance_decay", 0.999),
    ("sgd", "mnist-360", 0, "batch_size", 4),
    ("sgd", "seq-tinyimg", 0, "num_epochs", 100),
    ("joint", "seq-mnist", 0, "learning_rate", 0.03),
    ("ewc_on", "seq-mnist", 0, "ewc_weight", 90),
    ("ewc_on", "rot-mnist", 0, "ewc_weight", 0.7),
    ("ewc_on", "seq-tinyimg", 0, "ewc_decay", 1),
    ("er", "seq-mnist", 200, "learning_rate", 0.01),
    ("er", "seq-tinyimg", 500, "learning_rate", 0.03),
    ("er", "mnist-360", 500, "batch_size", 1),
    ("er", "mnist-360", 1000, "batch_size", 4),
    ("er", "rot-mnist", 5120, "replay_batch_size", 128),
    ("derpp", "rot-mnist", 200, "logit_weight", 1),
    ("derpp", "rot-mnist", 1000, "label_weight", 0.5),
    ("derpp", "perm-mnist", 5120, "label_weight", 1),
    ("derpp", "seq-mnist", 5120, "replay_batch_size", 64),
    ("derpp", "seq-cifar10", 500, "logit_weight", 0.2),
    ("derpp", "mnist-360", 1000, "replay_batch_size", 128),
    ("derpp", _UNIF, 1000, "label_weight", 0.6),
    ("derpp", _LONGTAIL, 1000, "label_weight", 0.9),
    ("clser", "rot-mnist", 500, "consistency_weight", 0.75),
    ("clser", "perm-mnist", 5120, "stable_ema_rate", 0.9),
    ("clser", "seq-mnist", 500, "replay_batch_size", 32),
    ("clser", "seq-cifar10", 200, "plastic_ema_rate", 0.3),
    ("clser", "seq-cifar10", 5120, "stable_ema_rate", 0.8),
    ("clser", "mnist-360", 500, "consistency_weight", 1.25),
    ("clser", _UNIF, 200, "num_epochs", 200),
    ("clser", _UNIF, 500, "plastic_ema_rate", 0.9),
    ("clser", _LONGTAIL, 500, "consistency_weight", 0.1),
]

# All that differs between the rows of Dynamos, typed from specs/dynamos.md, section 4.
_DYNAMOS_KEYS = ("batch_size", "replay_batch_size", "num_epochs", "logit_weight", "label_weight",
                 "policy_logit_weight", "policy_penalty", "policy_weight", "prototype_weight")
_DYNAMOS = {
    ("seq-mnist", 500): (10, 10, 1, 0.2, 2.0, 0.2, -500, 0.5, 0.3),
    ("seq-mnist", 1000): (10, 10, 1, 0.1, 2.5, 0.2, -200, 0.7, 0.5),
    ("seq-mnist", 2000): (10, 10, 1, 0.5, 3.0, 0.2, -200, 0.5, 0.5),
    ("seq-svhn", 500): (16, 16, 70, 2.0, 3.0, 1.0, -500, 1.0, 0.5),
    ("seq-svhn", 1000): (16, 16, 70, 2.5, 2.0, 0.2, -500, 1.0, 0.5),
    ("seq-svhn", 2000): (16, 16, 70, 2.5, 2.0, 0.2, -500, 1.0, 0.5),
    ("mnist-360", 100): (16, 16, 1, 0.2, 1.0, 0.1, -200, 0.5, 0.5),
    ("mnist-360", 200): (16, 16, 1, 0.2, 1.5, 0.1, -200, 1.0, 0.5),
    ("mnist-360", 500): (16, 16, 1, 0.1, 1.5, 0.1, -200, 0.3, 0.3),
}

# Rows of SYNERGy's and of CLS-ER's `best_args` for their baselines, all that there are of these methods on
# our streams: (method, stream) -> buffer -> (whose table has it, flags as there). With "both" the two agree.
_LWF = dict(softmax_temp=2.0, wd_reg=0.0005)
_BASELINES = {
    ("si", "rot-mnist"): {0: ("both", dict(lr=0.1, c=1.0, xi=1.0, batch_size=128, n_epochs=1))},
    ("si", "perm-mnist"): {0: ("cls-er", dict(lr=0.1, c=0.5, xi=1.0, batch_size=128, n_epochs=1))},
    ("si", "seq-mnist"): {0: ("cls-er", dict(lr=0.1, c=1.0, xi=0.9, batch_size=10, n_epochs=1))},
    ("si", "seq-cifar10"): {0: ("both", dict(lr=0.03, c=0.5, xi=1.0, batch_size=32, n_epochs=50))},
    ("si", "seq-tinyimg"): {0: ("both", dict(lr=0.03, c=0.5, xi=1.0, batch_size=32, n_epochs=100))},
    ("lwf", "seq-mnist"): {
        0: ("cls-er", dict(lr=0.03, alpha=1, batch_size=10, n_epochs=1, **_LWF))},
    ("lwf", "seq-cifar10"): {
        0: ("both", dict(lr=0.01, alpha=3.0, batch_size=32, n_epochs=50, **_LWF))},
    ("lwf", "seq-tinyimg"): {
        0: ("both", dict(lr=0.01, alpha=1.0, batch_size=32, n_epochs=100, **_LWF))},
    ("der", "rot-mnist"): {
        200: ("both", dict(lr=0.2, minibatch_size=128, alpha=1.0, batch_size=128, n_epochs=1)),
        500: ("both", dict(lr=0.2, minibatch_size=128, alpha=0.5, batch_size=128, n_epochs=1)),
        1000: ("synergy", dict(lr=0.2, minibatch_size=128, alpha=0.5, batch_size=128, n_epochs=1)),
        5120: ("cls-er", dict(lr=0.2, minibatch_size=128, alpha=0.5, batch_size=128, n_epochs=1))},
    ("der", "perm-mnist"): {
        200: ("cls-er", dict(lr=0.2, minibatch_size=128, alpha=1.0, batch_size=128, n_epochs=1)),
        500: ("cls-er", dict(lr=0.2, minibatch_size=128, alpha=1.0, batch_size=128, n_epochs=1)),
        5120: ("cls-er", dict(lr=0.2, minibatch_size=128, alpha=0.5, batch_size=128, n_epochs=1))},
    ("der", "seq-mnist"): {
        200: ("cls-er", dict(lr=0.03, minibatch_size=10, alpha=0.2, batch_size=10, n_epochs=1)),
        500: ("cls-er", dict(lr=0.03, minibatch_size=128, alpha=1.0, batch_size=10, n_epochs=1)),
        5120: ("cls-er", dict(lr=0.1, minibatch_size=128, alpha=0.5, batch_size=10, n_epochs=1))},
    ("der", "seq-cifar10"): {
        slots: ("both", dict(lr=0.03, minibatch_size=32, alpha=0.3, batch_size=32, n_epochs=50))
        for slots in (200, 500, 5120)},
    # That of 200 slots has softmax_temp=2.0 as well, which DER does not read.
    ("der", "seq-tinyimg"): {
        slots: ("both", dict(lr=0.03, minibatch_size=32, alpha=0.1, batch_size=32, n_epochs=100))
        for slots in (200, 500, 5120)},
    ("der", "mnist-360"): {
        200: ("both", dict(lr=0.1, batch_size=16, minibatch_size=64, alpha=0.5)),
        500: ("both", dict(lr=0.2, batch_size=16, minibatch_size=16, alpha=0.5)),
        1000: ("both", dict(lr=0.1, batch_size=8, minibatch_size=16, alpha=0.5))},
    ("agem", "rot-mnist"): {
        200: ("both", dict(lr=0.1, minibatch_size=128, batch_size=128, n_epochs=1)),
        500: ("both", dict(lr=0.3, minibatch_size=128, batch_size=128, n_epochs=1)),
        5120: ("both", dict(lr=0.3, minibatch_size=128, batch_size=128, n_epochs=1))},
    ("agem", "perm-mnist"): {
        slots: ("cls-er", dict(lr=0.1, minibatch_size=128, batch_size=128, n_epochs=1))
        for slots in (200, 500, 5120)},
    ("agem", "seq-mnist"): {
        slots: ("cls-er", dict(lr=0.1, minibatch_size=128, batch_size=10, n_epochs=1))
        for slots in (200, 500, 5120)},
    ("agem", "seq-cifar10"): {
        slots: ("both", dict(lr=0.03, minibatch_size=32, batch_size=32, n_epochs=50))
        for slots in (200, 500, 5120)},
    ("agem", "seq-tinyimg"): {
        slots: ("both", dict(lr=0.01, minibatch_size=32, batch_size=32, n_epochs=100))
        for slots in (200, 500, 5120)},
    ("agem_r", "mnist-360"): {
        200: ("both", dict(lr=0.1, batch_size=16, minibatch_size=128)),
        500: ("both", dict(lr=0.1, batch_size=16, minibatch_size=128)),
        1000: ("both", dict(lr=0.1, batch_size=4, minibatch_size=128))},
}
# The tables have the same rows for A-GEM with either memory.
_BASELINES |= {("agem_r", stream): rows for (method, stream), rows in _BASELINES.items()
               if method == "agem"}
_FLAGS = dict(lr="learning_rate", minibatch_size="replay_batch_size", batch_size="batch_size",
              n_epochs="num_epochs", c="si_weight", xi="si_damping", softmax_temp="temperature",
              wd_reg="weight_decay")

# Of the published streams: how many rows the tables have, and how many are ours.
_NUM_PUBLISHED = dict(synergy=18, sgd=8, joint=8, ewc_on=5, si=5, lwf=3, er=24, agem=15, agem_r=18,
                      der=19, derpp=27, clser=27, dynamos=9)
_NUM_OURS = dict(mean_er=23, multi_scale=12, dynamos_sgd=4)
# Ours, of methods that were published.
_NUM_FILLED_IN = dict(synergy=5, er=3, agem=6, agem_r=6, der=8, dynamos=3)
_WITHOUT_MEMORY = {"sgd", "joint", "ewc_on", "si", "lwf", "dynamos_sgd"}
_OWN_KEYS = dict(
    sgd=(), joint=(), er=(), agem=(), agem_r=(),
    ewc_on=("ewc_weight", "ewc_decay"), si=("si_weight", "si_damping"),
    lwf=("distillation_weight", "temperature", "weight_decay"),
    der=("logit_weight", "label_weight"), derpp=("logit_weight", "label_weight"),
    clser=("consistency_weight", "stable_ema_rate", "stable_ema_decay", "plastic_ema_rate",
           "plastic_ema_decay"),
    mean_er=("consistency_weight", "ema_rate", "ema_decay"),
    multi_scale=("logit_weight", "label_weight", "width", "grey_as_colour"),
)
_OWN_KEYS["synergy"] = (
    *_OWN_KEYS["mean_er"], "penalty_weight", "importance_decay", "importance_rate")
_OWN_KEYS["dynamos_sgd"] = (
    "width", "grey_as_colour", "warmup_steps", "warmup_epochs", "keep_ratio", "policy_penalty",
    "policy_weight", "prototype_weight", "policy_temperature", "bottleneck_ratio", "inference",
    "inference_threshold")
_OWN_KEYS["dynamos"] = (
    *_OWN_KEYS["dynamos_sgd"], "logit_weight", "label_weight", "policy_logit_weight")


@pytest.mark.parametrize("method, stream, buffer, key, value", _NUMBERS)
def test_published_numbers(method, stream, buffer, key, value):
  row = presets.preset(method, stream, buffer)
  assert row[key] == value
  assert not row["ours"] and not row["reason"]


def test_whole_rows():
  row = presets.preset("synergy", "seq-cifar10", 500)
  assert row == dict(
      source="synergy", ours=False, reason="", learning_rate=0.05, batch_size=32,
      replay_batch_size=32, num_epochs=50, consistency_weight=0.2, ema_rate=0.4, ema_decay=0.999,
      penalty_weight=5.0, importance_decay=0.999, importance_rate=0.007)
  row = presets.preset("clser", "seq-mnist", 200)
  assert row == dict(
      source="cls-er", ours=False, reason="", learning_rate=0.03, batch_size=10,
      replay_batch_size=128, num_epochs=1, consistency_weight=2.0, stable_ema_rate=0.9,
      stable_ema_decay=0.99, plastic_ema_rate=1.0, plastic_ema_decay=0.99)


@pytest.mark.parametrize("stream, buffer", _DYNAMOS)
def test_rows_of_dynamos(stream, buffer):
  numbers = dict(zip(_DYNAMOS_KEYS, _DYNAMOS[stream, buffer], strict=True))
  warm_up = dict(zip(("warmup_steps", "warmup_epochs"),
                     (10, 0) if numbers["num_epochs"] == 1 else (0, 10)))
  assert presets.preset("dynamos", stream, buffer) == numbers | warm_up | dict(
      source="dynamos", ours=False, reason="", learning_rate=0.07, width=32, grey_as_colour=True,
      keep_ratio=0.7, policy_temperature=0.15, bottleneck_ratio=16, inference="threshold",
      inference_threshold=0.5)


@pytest.mark.parametrize("method, stream", _BASELINES)
def test_rows_of_the_baselines_are_published(method, stream):
  names = _FLAGS | {"alpha": "distillation_weight" if method == "lwf" else "logit_weight"}
  rows = _BASELINES[method, stream]
  for buffer, (table, flags) in rows.items():
    expected = {"num_epochs": 1} | {names[flag]: value for flag, value in flags.items()}
    if method == "der":
      expected["label_weight"] = 0  # DER is DER++ without it.
    assert presets.preset(method, stream, buffer) == expected | dict(
        source="synergy" if table == "both" else table, ours=False, reason="")
  # What else there is of the method on this stream is ours.
  for _, _, buffer in (each for each in presets.combinations() if each[:2] == (method, stream)):
    assert presets.preset(method, stream, buffer)["ours"] == (buffer not in rows)


def test_how_many_rows_of_the_baselines_are_published():
  assert sum(map(len, _BASELINES.values())) == 60
  ours = {(method, stream, buffer) for method, stream, buffer in presets.combinations()
          if method in {each for each, _ in _BASELINES} and not _is_other_data(stream)
          and presets.preset(method, stream, buffer)["ours"]}
  gcil = {(method, stream, buffer) for method in ("agem", "agem_r", "der")
          for stream in (_UNIF, _LONGTAIL) for buffer in (200, 500, 1000)}
  assert ours == gcil | {("der", "seq-cifar10", 1000), ("der", "seq-tinyimg", 1000)}


def _is_other_data(stream):
  return "5k" in stream or stream == "seq-cifar100"


def test_number_of_rows():
  found = {True: collections.Counter(), False: collections.Counter()}
  for method, stream, buffer in presets.combinations():
    if not _is_other_data(stream):
      found[presets.preset(method, stream, buffer)["ours"]][method] += 1
  assert found[False] == _NUM_PUBLISHED
  assert found[True] == _NUM_OURS | _NUM_FILLED_IN
  assert len(set(presets.combinations())) == len(list(presets.combinations()))


@pytest.mark.parametrize("method", _NUM_PUBLISHED | _NUM_OURS)
def test_rows_have_the_keys_of_their_method(method):
  for _, stream, buffer in (each for each in presets.combinations() if each[0] == method):
    row = presets.preset(method, stream, buffer)
    keys = {"source", "ours", "reason", "learning_rate", "batch_size", "num_epochs",
            *_OWN_KEYS[method]} | ({"replay_batch_size"} if buffer else set())
    assert set(row) == keys, (method, stream, buffer)
    assert bool(buffer) == (method not in _WITHOUT_MEMORY)
    assert 0 < row["learning_rate"] < 1 and row["ours"] == bool(row["reason"])
    assert row["ours"] or not (method in _NUM_OURS or _is_other_data(stream))
    assert row["source"] in {"synergy", "cls-er", "dynamos", "ours"} and "\n" not in row["reason"]
    for key in ("batch_size", "num_epochs", *(["replay_batch_size"] if buffer else [])):
      assert isinstance(row[key], int) and row[key] > 0


def test_where_two_codes_differ_synergys_row_is_the_default():
  for buffer, rate in ((200, 0.04), (500, 0.05)):
    ours = presets.preset("clser", "seq-tinyimg", buffer)
    theirs = presets.preset("clser", "seq-tinyimg", buffer, source="cls-er")
    assert (ours["learning_rate"], theirs["learning_rate"]) == (0.1, 0.05)
    assert ours["stable_ema_rate"] == theirs["stable_ema_rate"] == rate
    assert (ours["source"], theirs["source"]) == ("synergy", "cls-er")
    assert ours == presets.preset("clser", "seq-tinyimg", buffer, source="synergy")
  # The third row is under another number of slots in each.
  assert presets.preset("clser", "seq-tinyimg", 1000)["learning_rate"] == 0.1
  assert presets.preset("clser", "seq-tinyimg", 5120)["learning_rate"] == 0.05


def test_rows_that_were_only_renamed():
  for method in ("derpp", "clser"):
    for stream in ("rot-mnist", "seq-cifar10"):
      new, old = (presets.preset(method, stream, buffer) for buffer in (1000, 5120))
      assert new == old | {"source": "synergy"} and old["source"] == "cls-er"


def test_methods_after_another():
  assert presets.preset("joint", "seq-cifar10") == presets.preset("sgd", "seq-cifar10", 0)
  synergy, mean_er = (presets.preset(each, "seq-tinyimg", 200) for each in ("synergy", "mean_er"))
  assert mean_er["ours"] and mean_er["ema_rate"] == synergy["ema_rate"] == 0.05
  for buffer in (500, 1000, 2000):
    dynamos, plain = (
        presets.preset(each, "seq-svhn", buffer) for each in ("dynamos", "multi_scale"))
    assert plain["logit_weight"] == dynamos["logit_weight"] and plain["ours"]
  assert presets.preset("dynamos_sgd", "mnist-360")["policy_weight"] == 0.3
  assert presets.preset("agem", _UNIF, 200)["learning_rate"] == 0.1
  der, derpp = (presets.preset(each, _LONGTAIL, 1000) for each in ("der", "derpp"))
  assert der["logit_weight"] == derpp["logit_weight"] and der["label_weight"] == 0


def test_rows_that_were_filled_in():
  perm, rot = (presets.preset("synergy", each, 500) for each in ("perm-mnist", "rot-mnist"))
  assert perm == rot | {
      "source": "ours", "ours": True, "reason": "the row of rot-mnist: none was published"}
  for buffer in (200, 500):
    mine, clser, like = (presets.preset(method, stream, buffer) for method, stream in (
        ("synergy", "seq-mnist"), ("clser", "seq-mnist"), ("synergy", "mnist-360")))
    for key in ("learning_rate", "batch_size", "replay_batch_size"):
      assert mine[key] == clser[key]
    for key in _OWN_KEYS["synergy"]:
      assert mine[key] == like[key]
  assert presets.preset("er", "seq-tinyimg", 1000)["learning_rate"] == 0.1
  for method in ("er", "derpp", "clser", "mean_er", "synergy", "sgd", "joint"):
    buffer = 0 if method in _WITHOUT_MEMORY else 500
    like, row = (presets.preset(method, each, buffer) for each in ("seq-cifar10", "seq-cifar100"))
    assert row["ours"] and row["reason"].startswith("the row of seq-cifar10, on cifar100")
    assert row == like | {key: row[key] for key in ("ours", "reason")}


@pytest.mark.parametrize("method, buffer, others", [
    ("sgd", 0, "learning_rate 0.03"), ("joint", 0, "learning_rate 0.03"),
    ("lwf", 0, "learning_rate 0.03"), ("er", 500, "the same values"), ("der", 500, "the same values"),
    ("derpp", 500, "logit_weight 0.1"), ("derpp", 200, None), ("synergy", 500, None), ("si", 0, None)])
def test_rows_of_cifar100_say_what_mammoth_has(method, buffer, others):
  row, like = (presets.preset(method, each, buffer) for each in ("seq-cifar100", "seq-cifar10"))
  told = "" if others is None else ("; Mammoth's row, for 10 tasks of 10 classes and a learning rate that "
                                    f"falls, has {others}")
  assert row["reason"] == f"the row of seq-cifar10, on cifar100{told}"
  assert row == like | {"ours": True, "reason": row["reason"]}


def test_rows_of_dynamos_that_were_not_published():
  published, row = (presets.preset("dynamos", each, 1000) for each in ("seq-svhn", "seq-cifar100"))
  ours = {"source": "ours", "ours": True, "reason": row["reason"], "num_epochs": 50}
  assert row["reason"].endswith("on cifar100; the row of seq-svhn with 50 epochs: none was published")
  assert row == published | ours
  for method, stream, buffer in presets.combinations():
    if method in ("dynamos", "dynamos_sgd"):
      row = presets.preset(method, stream, buffer)
      # Of a stream of one epoch ten steps are without agents, of any other ten epochs.
      expected = (10, 0) if row["num_epochs"] == 1 else (0, 10)
      assert (row["warmup_steps"], row["warmup_epochs"]) == expected


def test_small_versions_of_streams_are_ours():
  row, small = (presets.preset("synergy", each, 500) for each in ("rot-mnist", "rot-mnist5k"))
  assert small == row | {"ours": True, "reason": "the row of rot-mnist, on mnist5k"}
  assert presets.preset("mean_er", "rot-mnist5k", 500)["reason"] == (
      "the row of rot-mnist, on mnist5k; SYNERGy without its penalty: no row was published")
  assert presets.preset("er", "mnist5k-360", 1000)["batch_size"] == 4


def test_a_preset_is_a_new_dictionary():
  presets.preset("er", "rot-mnist", 200)["learning_rate"] = 9
  assert presets.preset("er", "rot-mnist", 200)["learning_rate"] == 0.2
  assert presets.preset("er", "rot-mnist", 500)["learning_rate"] == 0.2


@pytest.mark.parametrize("arguments, line", [
    (("adam", "rot-mnist", 200), "no method 'adam' among the presets: there are sgd, ewc_on, si, "
     "lwf, er, agem, agem_r, derpp, der, clser, synergy, dynamos, joint, mean_er, multi_scale, "
     "dynamos_sgd"),
    (("lwf", "rot-mnist", None), "no stream 'rot-mnist' among the presets of lwf: there are "
     "seq-mnist, seq-cifar10, seq-tinyimg, seq-mnist5k, seq-cifar100"),
    (("er", "perm-mnist", 1000), "no buffer 1000 among the presets of er on perm-mnist: there are "
     "200, 500, 5120"),
    (("er", "perm-mnist", None), "er on perm-mnist needs a buffer size: name er,perm-mnist,SLOTS, there "
     "are presets for 200, 500, 5120"),
    (("agem_r", "mnist5k-360", 0), "agem_r on mnist5k-360 needs a buffer size: name "
     "agem_r,mnist5k-360,SLOTS, there are presets for 200, 500, 1000"),
    (("sgd", "rot-mnist", 200), "buffer 200: sgd has no memory, name sgd,rot-mnist without a buffer"),
])
def test_unknown_combinations(arguments, line):
  with pytest.raises(KeyError) as error:
    presets.preset(*arguments)
  assert error.value.args == (line,)


def test_unknown_source():
  with pytest.raises(KeyError) as error:
    presets.preset("clser", "seq-tinyimg", 1000, source="cls-er")
  assert error.value.args == (
      "no source 'cls-er' among the presets of clser on seq-tinyimg with buffer 1000: there are "
      "synergy",)
