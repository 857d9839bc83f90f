"""What the command line refuses, in one line and with exit status 2."""

import subprocess
import sys
import time

import pytest

from tests.experiments import cli


def test_help_needs_neither_jax_nor_tensorflow():
  started = time.monotonic()
  result = subprocess.run(
      [sys.executable, "-X", "importtime", "-m", "socialized_learning.main", "--help"],
      cwd=cli.ROOT, capture_output=True, text=True, check=True)
  assert time.monotonic() - started < 3
  assert "--jaxline_mode" in result.stdout and "train_eval_multithreaded" in result.stdout
  imported = {row.split("|")[-1].strip() for row in result.stderr.splitlines()}
  assert "absl.flags" in imported and not imported & {"jax", "tensorflow", "haiku", "numpy.random"}


_WRONG_RECIPES = {
    "": ("no --config", "--help"),
    "nowhere.py": ("no recipe 'nowhere.py'", "socialized_learning/configs"),
    f"{cli.RECIPE}:nosweep": ("unknown sweep 'nosweep'", "emoji, emoji_people", "debug"),
    f"{cli.RECIPE}:": ("unknown sweep ''",),
    str(cli.ROOT / "tests"): ("no recipe",),
    str(cli.ROOT / "requirements.txt"): ("cannot be used", "requirements.txt"),
    str(cli.RECIPE.with_name("common.py")): ("get_config() missing 2 required",),
}


@pytest.mark.parametrize("recipe", _WRONG_RECIPES)
def test_wrong_recipe(line, recipe):
  cli.assert_refused(line.run(recipe=recipe), *_WRONG_RECIPES[recipe])


# Options -> words of the answer.
_WRONG_OPTIONS = {
    "--nothing": ("Unknown command line flag 'nothing'",),
    "nothing": ("'nothing' is not an option",),
    "--jaxline_mode=trian": ("train, eval, train_eval_multithreaded",),
    "--jaxline_mode=eval": ("--workdir",),
    "--workdir=": ("--workdir is empty",),
    "--workdir": ("Missing value",),
    "--config.nothing=1": ("no 'nothing'",),
    "--config.message.lenght=3": ("no 'message.lenght'", "did you mean --config.message.length?"),
    "--config.seed=3": ("no 'seed'", "did you mean --config.random_seed?"),
    "--lr=0.1": ("flag 'lr'", "--config.speaker_optimiser.learning_rate"),
    "--config.message=3": ("config.message is a group", "--config.message.NAME=VALUE"),
    "--config.population={'num_speakers':4}": ("config.population is a group", "one by one"),
    "--config.message.length=abc": ("message.length=abc", "int"),
    "--config.message.length=2.5": ("message.length=2.5", "int"),
    "--config.speaker_optimiser.learning_rate=fast": ("learning_rate=fast", "float"),
    "--config.speaker_loss.baseline=maybe": ("baseline=maybe", "oolean"),
    "--config.logging_interval_type=secs": ("logging_interval_type", "not supported"),
    "--config.interval_type=secs": ("intervals are counted in 'steps'",),
    "--config.experiment=continual": ("config.experiment belongs to the recipe", "another --config"),
    "--config.sweep=mnist": ("config.sweep belongs to the recipe", "FILE:SWEEP"),
    "--config.preset_values.learning_rate=1": ("config.preset_values belongs to the recipe",),
    "--config.log_tensors_interval=0": ("log_tensors_interval=0", "at least 1"),
    "--config.log_all_hosts=True": ("log_all_hosts=True has no effect",),
    "--config.random_mode_eval=junk": ("random_mode_eval='junk' has no effect",),
    "--config.training_steps=0": ("training_steps=0", "at least 1"),
    "--config.training_steps=99999999999999999999": ("must be at most 2147483647",),
    "--config.random_seed=-1": ("random_seed=-1",),
    "--config.random_seed=99999999999999999999": ("random_seed", "from 0 to 4294967295"),
    "--config.updates_per_call=0": ("updates_per_call=0",),
    "--config.log_train_data_interval=2.5": ("log_train_data_interval=2.5", "whole number"),
    "--config.save_checkpoint_interval=0": ("save_checkpoint_interval=0",),
    "--config.max_checkpoints_to_keep=0": ("max_checkpoints_to_keep=0",),
    "--config.batch_size=0": ("batch_size=0",),
    "--config.batch_size=257": ("more than the 256 items", "at most 256"),
    "--config.message.vocab_size=1": ("vocab_size=1", "at least 2"),
    "--config.message.vocab_size=100000000000": ("vocab_size=100000000000", "at most 2147483647"),
    "--config.message.length=0": ("length=0", "at least 1"),
    "--config.speaker_loss.kl=nan": ("speaker_loss.kl=nan", "finite"),
    "--config.best_checkpoint_all_hosts=True": ("best_checkpoint_all_hosts=True has no effect",),
    "--config.speaker.head=nose": ("speaker.head='nose'", "policy_q_value_dueling"),
    "--config.speaker.head=policy": ("has no value", "baseline=False"),
    "--config.speaker.core.kind=apple": ("speaker.core.kind='apple'", "lstm, gru, identity"),
    "--config.listener.core.kind=apple": ("listener.core.kind='apple'",),
    "--config.speaker.torso.kind=marble": ("speaker.torso.kind='marble'", "identity, mlp"),
    "--config.speaker.torso.kind=discrete": ("whole numbers", "choose identity or mlp"),
    "--config.speaker.core.hidden_size=0": ("speaker.core.hidden_size=0",),
    "--config.speaker.embed_dim=0": ("speaker.embed_dim=0",),
    "--config.speaker.unroll=0": ("speaker.unroll=0",),
    "--config.listener.head.kind=multi_mlp": ("'cpc' reads a listener.head.kind of 'cpc'",),
    "--config.listener.head.hidden_sizes=(0,)": ("at least 1",),
    "--config.listener.head.hidden_sizes=()": ("hidden_sizes is empty",),
    "--config.listener_loss.kind=classification": ("'multi_mlp', not 'cpc'",),
    "--config.listener_loss.questions=role": ("is for listener_loss.kind=classification",),
    "--config.listener_loss.questions=role --config.listener_loss.kind=classification "
    "--config.listener.head.kind=multi_mlp": ("'role'", "class, shape, colour, size"),
    "--config.listener_loss.questions=('shape','shape') --config.listener_loss.kind=classification "
    "--config.listener.head.kind=multi_mlp": ("name each label once",),
    "--config.listener_loss.num_distractors=0": ("num_distractors=0",),
    "--config.listener_loss.num_distractors=16": ("from 1 to 15",),
    "--config.batch_size=1": ("a game with one candidate", "at least 2"),
    "--config.listener_loss.temperature=0": ("temperature=0",),
    "--config.listener_loss.temperature=inf": ("temperature=inf", "finite"),
    "--config.speaker_optimiser.name=luck": ("adam, adamw, sgd",),
    "--config.speaker_optimiser.learning_rate=-1": ("must not be negative",),
    "--config.speaker_optimiser.skip_grad_norm=-1": ("speaker_optimiser.skip_grad_norm=-1",),
    "--config.speaker_optimiser.b2=1.5": ("b2=1.5", "below 1"),
    "--config.listener_optimiser.eps=-1": ("listener_optimiser.eps=-1.0", "above 0"),
    "--config.listener_optimiser.momentum=-3": ("momentum=-3",),
    "--config.channel.kind=smoke": ("sampled, gumbel_softmax, straight_through",),
    "--config.channel.temperature=0": ("channel.temperature=0",),
    "--config.channel.kind=gumbel_softmax --config.speaker_loss.kind=policy_gradient": (
        "speaker_loss.kind='policy_gradient'", "channel.kind='sampled'"),
    "--config.speaker_loss.kind=policy_gradient --config.speaker_loss.baseline=False": (
        "baseline=False", "always has one"),
    "--config.speaker_loss.length_cost=-1": ("length_cost=-1",),
    "--config.speaker_loss.length_cost=0.1": ("all messages have one length", "variable_length=True"),
    "--config.evaluation.robustness_noise=-1": ("robustness_noise=-1",),
    "--config.evaluation.transfer=emoji": ("its inputs are (128,)", "dummy are (16,)"),
    "--config.evaluation.transfer=cats": ("unknown data set 'cats'",),
    "--config.evaluation.official=True": ("dummy has no split 'test_official'", "train, valid, test"),
    "--config.target_decay=2": ("target_decay=2", "from 0 to 1"),
    "--config.data.noise=-1": ("data.noise=-1",),
    "--config.population.num_speakers=0": ("num_speakers=0", "at least 1"),
    "--config.population.num_pairs=0": ("num_pairs=0", "at least 1"),
    "--config.population.num_pairs=3": ("2 speakers and 2 listeners", "at most 2"),
    "--config.population.pairing=love": ("matching, independent, sequential",),
    "--config.population.mapping=treasure": ("auto, vmap, map",),
    "--config.imitation.interval=-1": ("imitation.interval=-1",),
    "--config.reset.interval=99999999999999": ("reset.interval=99999999999999", "at most 2147483647"),
    "--config.updates_per_call=1000000000000": ("updates_per_call=1000000000000", "at most"),
    "--config.imitation.interval=2 --config.imitation.num_students=0": ("num_students=0",),
    "--config.imitation.interval=2 --config.imitation.num_students=2": ("fewer students",),
    "--config.imitation.interval=2 --config.population.num_speakers=1": ("self_imitation=True",),
    "--config.evaluation.similarity_over=attributes --config.data.name=emoji "
    "--config.evaluation.num_candidates=256": ("emoji has none", "'inputs'"),
    "--config.evaluation.interval=-1": ("evaluation.interval=-1",),
    "--config.evaluation.num_candidates=65": ("has 64 items", "2 to 64"),
    "--config.evaluation.num_candidates=1": ("num_candidates=1", "2 to 64"),
    "--config.evaluation.num_epochs=0": ("num_epochs=0",),
    "--config.evaluation.max_num_agents=0": ("max_num_agents=0",),
    "--config.evaluation.similarity_items=2": ("at least 3",),
    "--config.evaluation.checkpoint=worst": ("latest, best",),
    "--config.evaluation.checkpoint=best --config.evaluation.interval=0": ("give an interval",),
    "--config.best_model_eval_metric_higher_is_better=False": ("more of 'valid/accuracy' is better",),
    "--config.axis_name=i": ("axis_name='i'", "devices"),
    "--config.best_model_eval_metric=beauty": ("'beauty'", "valid/accuracy"),
    "--config.data.dir=/nope": ("data.dir='/nope' has no effect", "byol_imagenet2012"),
    "--config.population.score.decay=1 --config.imitation.interval=1": ("less than 1",),
    "--config.imitation.interval=1 --config.imitation.self_imitation=True": (
        "self_imitation=True has no effect", "num_speakers=1"),
    "--config.data.name=cats": ("unknown data set 'cats'", "emoji_people"),
    "--config.data.name=byol_celeb_a2 --config.data.dir=/nowhere": (
        "no prepared TFDS folder /nowhere/byol_celeb_a2", "tar.gz", "--config.data.dir"),
    "--config.distributed.num_processes=0": ("num_processes=0",),
    "--config.distributed.num_processes=2": ("distributed.coordinator=HOST:PORT",),
    "--config.distributed.num_processes=2 --config.distributed.coordinator=here": (
        "coordinator='here'", "HOST:PORT"),
    "--config.distributed.num_processes=2 --config.distributed.coordinator=127.0.0.1:abc": (
        "coordinator='127.0.0.1:abc'", "HOST:PORT"),
}


@pytest.mark.parametrize("options", _WRONG_OPTIONS)
def test_wrong_option(line, options):
  cli.assert_refused(line.run(*options.split(" ")), *_WRONG_OPTIONS[options])
  assert not list(line.folder.iterdir())  # No run folder was begun.


def test_batch_must_fit_the_devices(line):
  cli.assert_refused(line.run("--config.batch_size=10", devices=4), "not divisible by 4 devices", "use 12")


def test_folders_that_cannot_be(line, tmp_path):
  file = tmp_path / "file"
  file.touch()
  cli.assert_refused(line.run(f"--workdir={file}"), "is a file")
  cli.assert_refused(line.run(f"--workdir={file / 'below'}"), "cannot write in run folder", "Not a directory")
  cli.assert_refused(line.run("--workdir=/proc/run"), "cannot write in run folder /proc/run")
  cli.assert_refused(line.run(f"--workdir={tmp_path / 'no'}", "--jaxline_mode=eval"), "no run folder")
  cli.assert_refused(line.run(f"--workdir={tmp_path}", "--jaxline_mode=eval"), "no checkpoint", "train first")
  assert list(tmp_path.iterdir()) == [file]
