"""The page of the study of the Lewis game, from made-up summaries."""

import shutil

from studies import lewis


def _summary(job):
  """Of each seed all is 0.01 more; newcomers know 0.4 of what they are tested in."""
  setting, _, seed = job.name.removesuffix("-lessons").rpartition("-seed")
  more = 0.01 * int(seed) + (0.1 if setting == "imitation" else 0.0)
  if job.name.endswith("-lessons"):
    return {"ease_of_learning": {"area_under_curve": {"mean": 0.8 + more}},
            "test": {"accuracy": {"mean": 0.4 + more}}}
  numbers = {"accuracy": 0.5 + more, "accuracy_vote": 0.6 + more}
  return {"data": {"kind": "real"}, "device_kind": "cpu", "evaluated": {"step": 250},
          "valid": {"accuracy": 0.7 + more},
          "test": numbers | {"num_candidates": 256, "chance": 1 / 256,
                             "topographic_similarity": 0.3 - more},
          "robustness": numbers | {"noise": 0.5, "accuracy_drop": 0.2, "accuracy_vote_drop": 0.1}}


def test_runs(made_up):
  jobs, _ = made_up(lewis, _summary)
  assert len(jobs) == 2 * 3 * 5
  options = set(jobs["imitation-seed3-lessons"].options)
  # Newcomers have another start for each seed; their speakers lie where the study's runs do.
  assert {"--config.random_seed=3", "--config.speaker_checkpoint={runs}/imitation-seed3",
          "--config.speaker_series=best"} <= options
  assert "--config.random_seed=3" in jobs["imitation-seed3"].options


def test_page(made_up, tmp_path):
  _, page = made_up(lewis, _summary)
  assert ("| 1 pair | 0.520 ± 0.007 | 0.520 ± 0.007 | 0.200 ± 0.000 | 0.280 ± 0.007 | 0.820 ± 0.007 "
          "| 0.420 ± 0.007 |") in page
  assert "| 10 pairs | 0.720 ± 0.007 | 0.500 ± 0.000 | 250 ± 0 |" in page  # The last line has 0.5.
  assert ("| imitation makes ten pairs generalise better (+0.8, +1.0) | +10.0 ± 1.0 points | higher |"
          ) in page
  shutil.rmtree(tmp_path / "runs")
  asked, same = made_up(lewis, _summary)
  assert not asked and same == page


def test_a_game_is_played_again_for_those_who_learn_from_it(made_up, tmp_path):
  _, page = made_up(lewis, _summary)
  shutil.rmtree(tmp_path / "runs")
  (tmp_path / "page" / "ten_pairs-seed1-lessons.json").unlink()
  asked, same = made_up(lewis, _summary)
  assert list(asked) == ["ten_pairs-seed1", "ten_pairs-seed1-lessons"] and same == page
