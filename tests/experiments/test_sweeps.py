"""Every sweep of the Lewis game, as small as it can be, through the command line."""

import shutil

import numpy as np
import pytest

from tests.emcom_datasets import prepared
from tests.experiments import cli


# The smallest sizes with which a sweep is still itself.
_TINY = ("--config.training_steps=2", "--config.batch_size=8", "--config.evaluation.interval=0",
         "--config.speaker.core.hidden_size=4", "--config.listener.core.hidden_size=4",
         "--config.listener.head.hidden_sizes=(4,)", "--config.evaluation.similarity_items=20",
         "--config.message.length=3", "--config.evaluation.checkpoint=latest", "--config.evaluation.num_candidates=6")


def _summary_of(command, folder):
  result = command.wait()
  assert result.status == 0 and not result.stderr, result
  summary = cli.summary(folder)
  assert summary["step"] == 2 and 0 <= summary["test"]["accuracy"] <= 1
  return summary


def test_sweeps_without_download(line, tmp_path):
  sweeps = ("emoji", "emoji_people", "emoji_attributes", "mnist")
  commands = [line.start(*_TINY, f"--workdir={tmp_path / sweep}", sweep=sweep)
              for sweep in sweeps]
  for sweep, command in zip(sweeps, commands):
    summary = _summary_of(command, tmp_path / sweep)
    assert summary["sweep"] == sweep and summary["data"]["kind"].startswith("real")
    assert cli.lines(tmp_path / sweep / "messages.jsonl")[0]["name"]


@pytest.fixture(name="data_dir", scope="module")
def _data_dir(tmp_path_factory):
  """Tiny prepared sets under the published names."""
  root = tmp_path_factory.mktemp("data")
  features = prepared.celeba_features()
  items = {split: [prepared.celeba_item(split, i) for i in range(n)]
           for split, n in prepared.NUM_ITEMS.items()}
  celeba = prepared.write_array_record(root, "byol_celeb_a2", features, items)
  plain = type(features)({name: features[name] for name in ("logit", "label")})
  items = {split: [prepared.subset(item | {"label": item["label"] % 1000}, plain) for item in rows]
           for split, rows in items.items()}
  source = prepared.write_array_record(root / "source", "byol_imagenet2012", plain, items)
  prepared.write_tfrecord(source, root, plain, items)
  assert celeba.exists()
  return root


def test_sweeps_of_prepared_sets(line, data_dir, tmp_path):
  three = ("--config.population.num_pairs=3", "--config.population.num_speakers=3",
           "--config.population.num_listeners=3", "--config.imitation.num_students=2",
           "--config.imitation.interval=1")

  def start(sweep, *options):
    return line.start(*_TINY, *options, f"--config.data.dir={data_dir}",
                      f"--workdir={tmp_path / sweep}", sweep=sweep)

  elsewhere = ("--config.evaluation.transfer=byol_imagenet2012", "--config.evaluation.official=True",
               "--config.evaluation.num_candidates=5", "--config.evaluation.similarity_over=inputs")
  commands = {"celeba": start("celeba", *elsewhere),
              "imagenet_imitation": start("imagenet_imitation", *three)}
  celeba, imitation = (_summary_of(command, tmp_path / sweep)
                       for sweep, command in commands.items())
  assert celeba["data"] == {"name": "byol_celeb_a2", "kind": "real"}
  assert cli.lines(tmp_path / "celeba/messages.jsonl")[3]["name"] == "test_000003.jpg"
  assert celeba["transfer"]["data"] == {"name": "byol_imagenet2012", "kind": "real", "split": "test"}
  assert celeba["out_of_distribution"]["data"]["split"] == "test_official"
  robustness = celeba["robustness"]
  assert robustness["noise"] == 0.5
  assert robustness["accuracy_drop"] == celeba["test"]["accuracy"] - robustness["accuracy"]
  for name in ("robustness", "transfer", "out_of_distribution"):
    assert celeba[name]["num_candidates"] == 5 and 0 <= celeba[name]["accuracy"] <= 1
  splits = {row["split"] for row in cli.lines(tmp_path / "celeba/metrics.jsonl")}
  assert {"robustness", "transfer", "out_of_distribution"} <= splits
  assert imitation["test"]["edit_distance"] >= 0
  losses = [row["imitation_loss"] for row in cli.lines(
      tmp_path / "imagenet_imitation/metrics.jsonl") if row["split"] == "train"]
  assert losses and losses[-1] > 0
  # Compiled to the same programs as celeba, and therefore after it.
  imagenet = _summary_of(start("imagenet"), tmp_path / "imagenet")
  assert imagenet["test"]["edit_distance"] is None  # There is one speaker.
  assert cli.lines(tmp_path / "imagenet/messages.jsonl")[3]["name"] is None


def test_channels_and_messages_that_end(line, tmp_path):
  ends = ("--config.message.variable_length=True", "--config.speaker_loss.length_cost=0.01")
  variants = {
      "gumbel_softmax": ("--config.channel.kind=gumbel_softmax", *ends),
      "straight_through": ("--config.channel.kind=straight_through",),
      "sampled": ends,
  }
  commands = {name: line.start(*options, f"--workdir={tmp_path / name}")
              for name, options in variants.items()}
  for name, command in commands.items():
    result = command.wait()
    assert result.status == 0 and not result.stderr, result
    summary = cli.summary(tmp_path / name)
    said = [row["message"] for row in cli.lines(tmp_path / name / "messages.jsonl")]
    train = [row for row in cli.lines(tmp_path / name / "metrics.jsonl") if row["split"] == "train"]
    relaxed = name != "sampled"
    assert all(("policy_loss" in row) != relaxed for row in train)
    if name == "straight_through":
      assert {len(message) for message in said} == {3} and "message_length" not in summary["test"]
      continue
    assert all(0 not in message and len(message) <= 3 for message in said)  # Symbol 0 is the end.
    assert summary["test"]["message_length"] == pytest.approx(np.mean([len(m) for m in said]))
    assert all(0 <= row["message_length"] <= 3 for row in train)
    assert all(("length_loss" in row) == relaxed for row in train)


def test_damaged_data(line, data_dir, tmp_path):
  broken = shutil.copytree(data_dir, tmp_path / "data")
  options = (*_TINY, f"--config.data.dir={broken}")
  for sweep in ("celeba", "imagenet"):
    file = next(path for path in sorted(broken.glob("byol_*/1.0.0/byol*train*"))
                if ("celeb" in path.name) == (sweep == "celeba"))
    file.write_bytes(file.read_bytes()[:-40])
    cli.assert_refused(line.run(*options, sweep=sweep), file.name, "truncated")
  assert not list(line.folder.iterdir())
