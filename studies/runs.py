"""Many runs of the command line, a few at a time, each on cores of its own.

A run that is there already is not made again, and one that was interrupted goes on: a study can be
stopped at any time and started again. A run's options lie beside its folder: one that was begun with
other options is neither taken for this one nor gone on with. What is done is kept beside its page
(`records.Records`): the page can be made anew without the folders of the runs, and a study go on from
there; with another `--page` and other `--runs` all is run again.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
import functools
import json
import os
import pathlib
import queue
import subprocess
import sys
from typing import Any

from emcom_datasets import command_line
import numpy as np
from scipy import stats

from studies import records


class RunFailed(Exception):
  """A run ended with an error; its output is in the file named."""


class OtherRun(Exception):
  """What lies in the folder of a run is another one."""


def parser(study: str, description: str, *, folder: str | None = None) -> argparse.ArgumentParser:
  """The flags that all studies have; `folder` is that of its runs if it shares another's."""
  made = command_line.Parser(f"studies.{study}", description)
  made.add_argument("--runs", type=pathlib.Path, default=f"runs/study_{folder or study}",
                    help="folder of the runs (%(default)s)")
  made.add_argument("--processes", type=command_line.positive, default=2, help="runs at a time (%(default)s)")
  made.add_argument("--page", type=pathlib.Path, default=f"docs/results/{study}.md",
                    help="to write (%(default)s)")
  return made


def parse(made: argparse.ArgumentParser, arguments: Sequence[str], **choices: Sequence[str]
         ) -> argparse.Namespace:
  """The flags; of what there is a choice of, those that are wanted, all unless some are named.

  Exits with status 2 for wrong flags.
  """
  for name, values in choices.items():
    made.add_argument(f"--{name}", default=",".join(values), help="those to run (all)")
  flags = made.parse_args(arguments)
  for name, values in choices.items():
    wanted = getattr(flags, name).split(",")
    if unknown := [each for each in wanted if each not in values]:
      made.error(f"no such {name.removesuffix('s')}: {', '.join(unknown)}; there are "
                 f"{', '.join(values)}")
    setattr(flags, name, wanted)
  if flags.runs.exists() and not flags.runs.is_dir():
    made.error(f"--runs={flags.runs}: is a file, name a folder")
  if not flags.page.parent.is_dir():
    made.error(f"--page={flags.page}: there is no folder {flags.page.parent}")
  return flags


def order_note(summaries: Iterable[Mapping[str, Any]]) -> list[str]:
  """Lines of a page, if some of its runs have the images in the order of the files they came in."""
  if all(summary.get("data", {}).get("order") == "content" for summary in summaries):
    return []
  return ["", "In these runs the images are in the order of the files that were read "
          "(`data.order=files`), and batches, chunks, phases and held-out images depend on it. Runs now "
          "order images by content unless told otherwise: on the same seed they differ from these as on "
          "another seed."]


def complete(flags: argparse.Namespace, wanted: Sequence[records.Job],
             page: Callable[[dict[str, dict[str, Any]]], str],
             shown: Sequence[records.Job] | None = None, first: Sequence[records.Job] = ()) -> int:
  """Makes the runs that are missing, then the page of their summaries; returns the exit status.

  Args:
    flags: those of `parse`.
    wanted: what to run.
    page: summaries by name -> the page in Markdown.
    shown: what is on the page if it is done, by default what is wanted.
    first: runs whose folders those wanted read: what is kept of them is not enough.
  """
  kept = records.Records(flags.page)
  try:
    run_all(first, flags.runs, num_processes=flags.processes)
    run_all(wanted, flags.runs, num_processes=flags.processes, kept=kept)
  except (OtherRun, RunFailed) as error:
    print(f"error: {error}", file=sys.stderr)
    return 2 if isinstance(error, OtherRun) else 1
  except KeyboardInterrupt:
    print("stopped; the same command goes on", file=sys.stderr)
    return 130
  summaries = {job.name: found(job, flags.runs, kept) for job in shown or wanted}
  flags.page.write_text(page({name: summary for name, summary in summaries.items() if summary}),
                        encoding="utf-8")
  print(f"written: {flags.page}")
  return 0


def complete_parts(flags: argparse.Namespace, jobs: Mapping[str, Sequence[records.Job]],
                   wanted: Sequence[str],
                   page: Callable[[Sequence[str], dict[str, dict[str, Any]]], str]) -> int:
  """Makes the runs that are missing of some parts of a page, then the page of all parts that are whole.

  Args:
    flags: those of `parse`.
    jobs: the runs of every part: of a stream, or of a data set.
    wanted: the parts to run.
    page: (parts all of whose runs are done, summaries by name) -> the page in Markdown.

  Returns:
    The exit status.
  """
  whole = lambda summaries: [part for part, of_part in jobs.items()
                             if all(job.name in summaries for job in of_part)]
  return complete(flags, [job for part in wanted for job in jobs[part]],
                  lambda summaries: page(whole(summaries), summaries),
                  shown=[job for of_part in jobs.values() for job in of_part])


def run_all(wanted: Sequence[records.Job], folder: pathlib.Path, *, num_processes: int,
            kept: records.Records | None = None) -> dict[str, dict[str, Any]]:
  """Makes all runs that are missing; returns their summaries by name.

  Args:
    wanted: what to run.
    folder: where the run folders are, or will be.
    num_processes: how many runs at a time; the cores are shared out among them.
    kept: where they are kept, each as soon as it is done; what is kept there is not run again.

  Raises:
    RunFailed: a run did.
    OtherRun: there is another one in its place.
  """
  folder.mkdir(parents=True, exist_ok=True)
  shares: queue.SimpleQueue[set[int]] = queue.SimpleQueue()
  for share in np.array_split(_cores(), num_processes):
    shares.put(set(share.tolist()))
  run = functools.partial(_run, folder=folder, shares=shares, kept=kept)
  with futures.ThreadPoolExecutor(num_processes) as pool:
    summaries = list(pool.map(run, wanted))
  return {job.name: summary for job, summary in zip(wanted, summaries, strict=True)}


def _cores() -> list[int]:
  if hasattr(os, "sched_getaffinity"):
    return sorted(os.sched_getaffinity(0))
  return list(range(os.cpu_count() or 1))


def _run(job: records.Job, folder: pathlib.Path, shares: "queue.SimpleQueue[set[int]]",
         kept: records.Records | None) -> dict[str, Any]:
  if done := found(job, folder, kept):
    return done
  _begin(job, folder)
  cores, log = shares.get(), folder / f"{job.name}.log"
  try:
    status = _call(job, folder, log, cores)
  finally:
    shares.put(cores)
  summary = None if status else found(job, folder, kept)
  if summary is None:
    raise RunFailed(f"{job.name} ended with status {status}, see {log}")
  print(f"done: {job.name}", flush=True)
  return summary


def _call(job: records.Job, folder: pathlib.Path, log: pathlib.Path, cores: set[int]) -> int:
  """The command line of a run, on some cores; returns its exit status."""
  given = [option.replace(records.RUNS, str(folder)) for option in job.options]
  with open(log, "w", encoding="utf-8") as file:
    return subprocess.run(
        [sys.executable, "-m", "socialized_learning.main", *given,
         *([f"--config.training_steps={job.steps}"] if job.steps else []),
         f"--workdir={folder / job.name}"],
        stdout=file, stderr=subprocess.STDOUT, check=False,
        preexec_fn=functools.partial(_pin, cores)).returncode


def found(job: records.Job, folder: pathlib.Path, kept: records.Records | None) -> dict[str, Any] | None:
  """The summary of a run that is done: of its record, else of its folder, which is then kept."""
  if kept is None:
    return finished(job, folder)
  if noted := kept.read(job):
    return noted
  summary = finished(job, folder)
  return kept.write(job, folder / job.name, summary) if summary else None


def _pin(cores: set[int]) -> None:
  """One run a core makes more steps in all than runs that share the cores."""
  if cores and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, cores)


def _begin(job: records.Job, folder: pathlib.Path) -> None:
  """Leaves the options of a run beside its folder; what is there already must have been begun with them."""
  if not (folder / job.name).exists():
    told = json.dumps(records.lasting_options(job), indent=2)
    _begun_with(job, folder).write_text(told + "\n", encoding="utf-8")
  elif not _is_begun(job, folder):
    raise OtherRun(f"{folder / job.name} was not begun by this study with the options it has now: "
                   "remove it, or name another folder with --runs")


def _is_begun(job: records.Job, folder: pathlib.Path) -> bool:
  try:
    told = json.loads(_begun_with(job, folder).read_text(encoding="utf-8"))
    return told == records.lasting_options(job)
  except (OSError, ValueError):  # Not there, or damaged.
    return False


def _begun_with(job: records.Job, folder: pathlib.Path) -> pathlib.Path:
  return folder / f"{job.name}.options.json"


def finished(job: records.Job, folder: pathlib.Path) -> dict[str, Any] | None:
  """The summary of a run that has made all its steps, begun with its options; None if it has not.

  What a job wants of its metrics beside it is under `logged`.
  """
  run = folder / job.name
  try:
    summary, config = (json.loads((run / name).read_text(encoding="utf-8"))
                       for name in ("summary.json", "config.json"))
    is_whole = summary["step"] == (job.steps or config["training_steps"])
    if job.logged:
      rows = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
      last = {row["split"]: row for row in rows}
      summary["logged"] = {split: last[split] for split in job.logged}
  except (OSError, ValueError, KeyError, TypeError):  # Not there, or damaged: the run makes it anew.
    return None
  return summary if is_whole and _is_begun(job, folder) else None


def mean_and_error(values: Sequence[float], *, digits: int = 3, scale: float = 1.0) -> str:
  """`mean ± standard error` over seeds; values that are None make it a dash."""
  if any(value is None for value in values):
    return "-"
  values = np.asarray(values, np.float64) * scale
  return f"{values.mean():.{digits}f} ± {stats.sem(values):.{digits}f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """A table in Markdown."""
  lines = [header, ["---"] * len(header), *rows]
  return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def options(prefix: str, values: Mapping[str, Any]) -> tuple[str, ...]:
  """Command-line options `--prefix.name=value`."""
  return tuple(f"--{prefix}.{name}={value}" for name, value in values.items())
