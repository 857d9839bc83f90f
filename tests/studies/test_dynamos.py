"""The page of the study of Dynamos, from made-up summaries."""

import shutil

from studies import dynamos

_SEEDS = (0, 1, 2)


def _summary(job):
  """Accuracy 80, 81, 82; with agents also what they keep."""
  setting = next(walk.setting for stream, walk in dynamos.STREAMS.items()
                 if job.name.startswith(stream))
  summary = {"heads": {"working": {setting: {
      "final_average_accuracy": [80.0 + seed for seed in _SEEDS],
      "forgetting": [None if setting == "general" else 10.0] * 3}}}}
  if "dynamos" in job.name:
    overlap = [[[1.0, 0.5 + 0.1 * seed], [0.5 + 0.1 * seed, 1.0]] for seed in _SEEDS]
    summary["sparsity"] = {
        "keep_rate": {"thresholded": [[0.7, 0.9]] * 3, "drawn": [[0.6, 0.7]] * 3},
        "macs": {"dense": 200.0, "thresholded": [150.0, 160.0, 170.0]},
        "overlap": {"cosine": overlap, "jaccard": overlap}}
    summary["thresholds"] = {"accuracy": [[70.0 + seed, 71.0, 72.0, 73.0, 74.0] for seed in _SEEDS],
                             "macs": [[180.0, 170.0, 160.0, 150.0, 140.0 + seed] for seed in _SEEDS]}
  return summary


def test_runs(made_up):
  jobs, _ = made_up(dynamos, _summary, "--data=here")
  assert len(jobs) == 2 * (3 * 3 + 2)
  for slots in (500, 1000, 2000):
    assert jobs[f"seq-mnist-dynamos-{slots}"].options[0].endswith(f":dynamos,seq-mnist,{slots}")
  # What has no row of its own takes network, batches and walk of Dynamos.
  options = set(jobs["mnist-360-er-100"].options)
  assert {"--config.network.kind=gated_resnet", "--config.network.width=32",
          "--config.learner.buffer_size=100", "--config.learner.replay_batch_size=16",
          "--config.batch_size=16", "--config.learner.learning_rate=0.07",
          "--config.stream.mnist360_outputs=9"} <= options


def test_page(made_up, tmp_path):
  _, page = made_up(dynamos, _summary, "--data=here")
  assert ("| dynamos | 500 | 81.00 ± 0.58 | 80.0, 81.0, 82.0 | 10.00 ± 0.00 | 0.800 ± 0.000 "
          "| 0.650 ± 0.000 | 0.800 ± 0.029 |") in page
  # Of mnist-360: no tasks.
  assert "| sgd | - | 81.00 ± 0.58 | 80.0, 81.0, 82.0 | - | - | - | - |" in page
  start = page.index("| threshold | accuracy, %, 100 slots | MACs, 100 slots | accuracy, %, 200 slots "
                     "| MACs, 200 slots | accuracy, %, 500 slots | MACs, 500 slots |")
  assert page[start + 2].startswith("| 0.1 | 71.00 ± 0.58 | 0.900 ± 0.000 | 71.00 ± 0.58 |")
  assert page[start + 6].endswith("| 74.00 ± 0.00 | 0.705 ± 0.003 |")
  overlap = page.index("Overlap of the channels that classes keep, cosine, `dynamos` with 2000 slots, "
                       "mean over seeds:")
  assert page[overlap + 4] == "| 0 | 1.00 | 0.60 |"
  assert (tmp_path / "dynamos_mnist-360.png").read_text() == "mnist-360-dynamos-500"
  assert sum("](dynamos_mnist-360.png)" in line for line in page) == 1


def test_the_page_can_be_made_of_what_is_kept(made_up, tmp_path):
  flags = ("--data=here", "--streams=mnist-360")
  jobs, page = made_up(dynamos, _summary, *flags)
  assert not any(line.startswith("## seq-mnist") for line in page)
  assert page[-1].startswith("Not run yet: seq-mnist-dynamos-500, seq-mnist-multi_scale-500")
  shutil.rmtree(tmp_path / "runs")
  again = ("--data=elsewhere", "--show")
  asked, same = made_up(dynamos, _summary, *again)
  assert not asked and same == page
  # One without its record, and the one whose picture is gone.
  (tmp_path / "page" / "mnist-360-sgd-0.json").unlink()
  (tmp_path / "dynamos_mnist-360.png").unlink()
  _, page = made_up(dynamos, _summary, *again)
  assert page[-1].endswith("mnist-360-dynamos-500, mnist-360-sgd-0.")
  assert sum(line.startswith("| dynamos | ") for line in page) == 2
