"""The page of the study of socialized learning, from made-up summaries."""

import pytest

from studies import masc

_METHODS = ("isolated specialists", "joint training", "collaboration only", "MASC")
_AGENTS = 2


def _numbers(value):
  return {column: value for column in masc._COLUMNS}


def _summary(job):
  """Of the first seed MASC is 90 and all others 80; of each further seed MASC is 2 and they 1 more."""
  seed = int(job.options[1].rpartition("=")[2])
  sent = lambda stage, total: {"stage": stage, "images": total, "outputs": 0, "weights": 0, "total": total}
  each = lambda value: [value, value + 2.0]
  return {
      "data": {"name": job.name, "kind": "real", "training_images": [7, 7], "held_out": 2,
               "test_images": 10},
      "network": {"width_divisor": 8, "hidden_size": 16}, "num_agents": _AGENTS,
      "classes": [[0, 1], [2, 3]], "stages": [{"name": "specialists", "epochs": 3}],
      "wall_seconds": 100.0 + seed, "device_kind": "cpu",
      "methods": {method: _numbers(90.0 + 2 * seed if method == "MASC" else 80.0 + seed)
                  for method in _METHODS},
      "gates": {"lse": _numbers(70.0), "margin": _numbers(90.0)},
      "before": {"expert": each(60.0)},
      "after": {"expert": each(61.0), "general": each(62.0),
                "directionality": {"column": each(1.0), "gain": each(3.0)},
                "gate": {"own_to_expert": each(10.0), "others_to_student": each(20.0),
                         "oracle": each(95.0)}},
      "exchange": [sent("specialists", 0), sent("collaboration", 3 * 2**19)]}


def test_cifar100_is_not_left_out_in_silence(capsys):
  with pytest.raises(SystemExit, match="2"):
    masc.main([])
  assert "cifar100 needs --data=DIR" in capsys.readouterr().err


def test_runs(made_up):
  jobs, page = made_up(masc, _summary, "--sets=mnist5k,emoji")
  assert set(jobs) == {*(f"mnist5k-{seed}" for seed in range(5)), *(f"emoji-{seed}" for seed in range(3))}
  assert jobs["emoji-2"].options[0].endswith("masc_config.py:emoji")
  assert "## emoji" in page and "## cifar100" not in page
  jobs, page = made_up(masc, _summary, "--data=here")
  assert set(jobs) == {f"cifar100-{seed}" for seed in range(3)} and "## cifar100" in page
  options = jobs["cifar100-0"].options
  assert {"--config.data.dir=here", "--config.network.width_divisor=8"} <= set(options)
  jobs, same = made_up(masc, _summary, "--sets=emoji")  # What is not wanted is shown if it is there.
  assert not jobs and same == page


def test_page(made_up, tmp_path):
  _, page = made_up(masc, _summary, "--data=here")
  # Seeds 0 to 4: means 94 and 82, errors 2 and 1 times those of 0 ... 4.
  assert "| MASC | " + " | ".join(["94.0 ± 1.4"] * 6) + " |" in page
  assert "| joint training | " + " | ".join(["82.0 ± 0.7"] * 6) + " |" in page
  gains = [line for line in page if line.startswith("MASC less others")]
  assert "joint training: Expert 12.0 ± 0.7, General 12.0 ± 0.7" in gains[0]
  assert "joint training: Expert 11.0 ± 0.6, General 11.0 ± 0.6" in gains[2]
  agents = page.index("| agent | Expert before | Expert | General | lead | over the student | own "
                      "to expert | others to student | oracle |")
  assert page[agents + 3] == "| 1 | 62.0 | 63.0 | 64.0 | 3.0 | 5.0 | 12.0 | 22.0 | 97.0 |"
  assert "Sent between agents, MiB: specialists 0.0, collaboration 1.5." in page
  assert (tmp_path / "masc_emoji.png").read_text() == "emoji-0"
  assert sum("](masc_emoji.png)" in line for line in page) == 1
  about = [line for line in page if line.startswith("cifar100-0 (real)")]
  assert "**A reduced setting**" in about[0] and "3 seeds, 101 s a run on cpu" in about[0]


def test_a_set_that_is_not_there(capsys):
  with pytest.raises(SystemExit) as ended:
    masc.main(["--sets=chess"])
  assert ended.value.code == 2 and "mnist5k, emoji, cifar100" in capsys.readouterr().err
