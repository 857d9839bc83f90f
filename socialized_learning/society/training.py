"""A society's state, and what a step of each stage does to it.

Shapes: `N` agents, `B` batch on this device, `C` classes, `F` features, `V` views, `n` images.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from socialized_learning.agents.adapter import Adapter
from socialized_learning.agents.classifiers import Net
from socialized_learning.agents.vgg import Vgg
from socialized_learning.population import members
from socialized_learning.population import randomness
from socialized_learning.population import stack
from socialized_learning.society import pupils
from socialized_learning.society import stages as stages_lib
from socialized_learning.society.fidelity import Losses
from socialized_learning.society.optimiser import Optimiser
from socialized_learning.society.pupils import Pupil
from socialized_learning.society.stages import Stage


class Elders(NamedTuple):
  """The grown agents of the round before, who teach the next one."""
  backbone: Net
  heads: Any  # [N, …]


class TrainState(NamedTuple):
  """All that changes in training."""
  parts: dict[str, Pupil]  # By the parts of the stages; those of agents have a leading axis [N].
  kept: dict[str, Any]  # Of each part the best in validation so far: (params, stats, score)
  elders: Elders | None
  step: chex.Array  # int32, updates made


class Design(NamedTuple):
  """What a society is made of; nothing of it changes."""
  narrow: Vgg  # of specialists
  wide: Vgg  # of the generalist and the grown agents
  adapter: Adapter | None  # of `mid_feature`
  block: int  # at which it sits
  kd_mode: str
  ra_init: str  # heads of the grown agents at first: fresh, owner_head or student
  groups: chex.Array  # [N, C] bool
  losses: Losses
  weights: pupils.Weights
  optimiser: Optimiser
  schedules: Mapping[str, Callable[[chex.Numeric], chex.Array]]  # by the name of the stage
  resets_momentum: bool
  same_every_epoch: bool
  head_offset: float  # added to all logits of a new head, see `new_head`
  averaging: int  # steps between two averages of the federated agents
  # (images uint8 [B, …], keys | None) -> images as networks read them
  show: Callable[[chex.Array, chex.Array | None], chex.Array]
  over: Callable[[Callable], Callable]  # maps a function over the agents
  axis_name: str

  @property
  def num_agents(self) -> int:
    """N."""
    return self.groups.shape[0]


def new_head(design: Design, vgg: Vgg, key: chex.PRNGKey) -> Any:
  """A head whose logits are higher by the same number than usual.

  No probability hangs on it, but the energy does: begun where alignment wants it, it does not have to
  be pulled there first, by gradients that drown those of cross-entropy.
  """
  params = dict(vgg.init_head(key))
  last = max(params)
  return params | {last: params[last] | {"b": params[last]["b"] + design.head_offset}}


def init(design: Design, stages: tuple[Stage, ...], key: chex.PRNGKey,
         given: Mapping[str, tuple[Any, Any]] | None = None, *, images: chex.Array,
         keeps_best: bool, has_elders: bool) -> TrainState:
  """The society before its first stage.

  Args:
    design: what it is made of.
    stages: all of them; what they train is initialised.
    key: of the initialisation.
    given: parts that no stage trains, as (parameters, statistics): whole networks, those of agents
      with a leading axis [M], which may be fewer than the N of a part that is trained.
    images: [1, H, W, C] of the shape that networks read.
    keeps_best: whether the best networks in validation are kept.
    has_elders: whether grown agents teach a second round.
  """
  given = given or {}

  def network(vgg, key):
    net = vgg.init_backbone(randomness.named(key, "backbone"), images)
    return {"backbone": net.params, "head": new_head(design, vgg, randomness.named(key, "head"))}, net.stats

  def pupil(part):
    own = randomness.named(key, part)
    keys = members.keys(own, design.num_agents)
    if part in given:
      made = given[part]
    elif part == "specialists":
      made = jax.vmap(lambda k: network(design.narrow, k))(keys)
    elif part == "federated":  # All begin alike.
      made = jax.tree.map(lambda x: jnp.broadcast_to(x, (design.num_agents, *x.shape)),
                          network(design.narrow, own))
    elif part in ("student", "joint"):
      made = network(design.wide, own)
    else:
      made = ({"head": jax.vmap(lambda k: new_head(design, design.wide, k))(keys)}, {})
    params, stats = made
    if part in ("student", "joint"):
      params = params | {"helpers": _helpers(design, keys) if part == "student" else {}}
    return pupils.begin(params, stats, design.optimiser)

  names = dict.fromkeys((*given, *(stage.part for stage in stages)))
  parts = {name: pupil(name) for name in names}
  elders = None
  if has_elders:
    student = parts["student"]
    elders = Elders(Net(student.params["backbone"], student.stats), parts["experts"].params["head"])
  state = TrainState(parts, _nothing_kept(parts) if keeps_best else {}, elders, jnp.int32(0))
  return begin(design, state, stages[0], key) if stages else state


def _helpers(design: Design, keys: chex.Array) -> Any:
  if design.kd_mode == "owner_head":
    return jax.vmap(lambda k: design.wide.init_head(randomness.named(k, "helper")))(keys)
  if design.kd_mode == "mid_feature":
    return jax.vmap(lambda k: design.adapter.init(randomness.named(k, "helper")))(keys)
  return {}


def make_update(design: Design, stage: Stage):
  """One step of a stage on one device: (state, batch, constants) -> (state, metrics).

  Batch: `index`, [B, N] of agents, else [B]. Constants: `images`, `labels`, `run_key`, and `cache`,
  see `views`.
  """
  observe = {stages_lib.ALONE: _alone, stages_lib.TAUGHT: _taught,
             stages_lib.GROWN: _grown}[stage.kind](design, stage)

  def update(state, batch, constants):
    step = state.step - stage.first
    drawn = step % stage.steps_per_epoch if design.same_every_epoch else step
    key = randomness.at_step(randomness.named(constants["run_key"], stage.name), drawn)
    forgets = jnp.logical_and(design.resets_momentum, step % stage.steps_per_epoch == 0)
    size = batch["index"].shape[0]
    positions = jax.lax.axis_index(design.axis_name) * size + jnp.arange(size, dtype=jnp.int32)

    def lesson(index, key):
      return pupils.Lesson(index, constants["labels"][index], key, positions,
                           design.schedules[stage.name](step), forgets)

    moved, metrics = observe(state, batch["index"], lesson, key, constants)
    if stage.part == "federated":
      moved = _averaged(moved, (step + 1) % design.averaging == 0)
    metrics = {f"{stage.part}/{name}": x.mean() for name, x in metrics.items()}
    return state._replace(parts=state.parts | {stage.part: moved}, step=state.step + 1), metrics

  return update


def _look(design: Design, constants: Mapping[str, Any]) -> pupils.Look:
  return lambda index, keys: design.show(constants["images"][index], keys)


def _alone(design: Design, stage: Stage):
  vgg = design.narrow if stage.is_population else design.wide

  def observe(state, index, lesson, key, constants):
    learn = pupils.make_solitary(vgg, _look(design, constants), design.losses, _weights(design, stage),
                                 design.optimiser, design.axis_name)
    pupil = state.parts[stage.part]
    if not stage.is_population:
      return learn(pupil, lesson(index, key))
    one = lambda pupil, index, key: learn(pupil, lesson(index, key))
    return design.over(one)(pupil, index.T, members.keys(key, design.num_agents))

  return observe


def _weights(design: Design, stage: Stage) -> pupils.Weights:
  """Baselines learn by cross-entropy alone."""
  is_baseline = stage.part in ("federated", "joint")
  return pupils.Weights(0.0, 0.0) if is_baseline else design.weights


def _taught(design: Design, stage: Stage):

  def observe(state, index, lesson, key, constants):
    look = _look(design, constants)
    ask = lambda images, index: teachers_say(design, stage, state, images)
    if "targets" in constants["cache"]:  # Of the owner alone, who is the only one that is heard.
      table = constants["cache"]["targets"]
      ask = lambda images, index: jnp.broadcast_to(
          table[index], (design.num_agents, *index.shape, table.shape[-1]))

    def ask_from(block, activations):
      def one(pupil, x):
        net = Net(pupil.params["backbone"], pupil.stats)
        seen, _ = design.narrow.backbone(net, x, is_training=False, first_block=block)
        return design.narrow.head(pupil.params["head"], seen.features)

      return design.over(one)(jax.lax.stop_gradient(state.parts["specialists"]), activations)

    teachers = pupils.Teachers(ask, ask_from, design.groups)
    learn = pupils.make_student(
        design.wide, look, teachers, design.losses, design.weights, design.optimiser,
        design.axis_name, kd_mode=design.kd_mode, adapter=design.adapter, block=design.block)
    return learn(state.parts["student"], lesson(index, key))

  return observe


def _grown(design: Design, stage: Stage):

  def observe(state, index, lesson, key, constants):
    keys = members.keys(key, design.num_agents)
    lessons = jax.vmap(lesson)(index.T, keys)
    if "features" in constants["cache"]:
      cache = constants["cache"]
      draw = lambda lesson: jax.vmap(lambda k: jax.random.randint(
          k, (), 0, cache["features"].shape[0]))(pupils.keys_of(lesson, "view"))
      view = jax.vmap(draw)(lessons)
      features, targets = (cache[name][view, index.T] for name in ("features", "targets"))
    else:
      augmented = jax.vmap(lambda lesson: pupils.keys_of(lesson, "augmentation"))(lessons)
      flat = lambda x: x.reshape(-1, *x.shape[2:])
      images = _look(design, constants)(flat(index.T), flat(augmented))
      features, targets = frozen_views(design, stage, state, images, lessons.labels.reshape(-1))
      features, targets = (x.reshape(*index.T.shape, -1) for x in (features, targets))
    learn = pupils.make_expert(design.wide, design.losses, _weights(design, stage),
                               design.optimiser, design.axis_name)
    return jax.vmap(learn)(state.parts[stage.part], lessons, features, targets)

  return observe


def teachers_say(design: Design, stage: Stage, state: TrainState, images: chex.Array) -> chex.Array:
  """What every agent says of images as it was before this round, [N, B, C]: no gradient."""
  if stage.round and state.elders is not None:
    features = _features(design, state.elders.backbone, images)
    heads = state.elders.heads
    return jax.lax.stop_gradient(jax.vmap(design.wide.head, in_axes=(0, None))(heads, features))
  return jax.lax.stop_gradient(say(design.narrow, state.parts["specialists"], images, design.over))


def say(vgg: Vgg, agents: Pupil, images: chex.Array, over: Callable) -> chex.Array:
  """What every agent [N] says of images in evaluation mode, [N, B, C]."""
  return over(lambda agent: say_alone(vgg, agent, images))(agents)


def say_alone(vgg: Vgg, whole: Pupil | Net, images: chex.Array) -> chex.Array:
  """What a network with a backbone and a head says of images in evaluation mode, [B, C]."""
  seen, _ = vgg.backbone(Net(whole.params["backbone"], whole.stats), images, is_training=False)
  return vgg.head(whole.params["head"], seen.features)


def frozen_views(design: Design, stage: Stage, state: TrainState, images: chex.Array,
                 labels: chex.Array) -> tuple[chex.Array, chex.Array]:
  """Features [B, F] of a stage's frozen backbone, and what each image's owner says of it [B, C]."""
  frozen = state.parts[stage.backbone]
  features = _features(design, Net(frozen.params["backbone"], frozen.stats), images)
  return jax.lax.stop_gradient((features, owners_say(design, stage, state, images, labels)))


def owners_say(design: Design, stage: Stage, state: TrainState, images: chex.Array,
               labels: chex.Array) -> chex.Array:
  """Of what all teachers say what the owner of each image's class does: [B, C]."""
  said = teachers_say(design, stage, state, images)
  owner = design.groups.argmax(axis=0)[labels]
  return jnp.take_along_axis(said, owner[None, :, None], axis=0)[0]


def _features(design: Design, net: Net, images: chex.Array) -> chex.Array:
  return design.wide.backbone(net, images, is_training=False)[0].features


def federated(agents: Pupil) -> Net:
  """The mean of all agents [N, …], one network; its statistics are those of what all have seen."""
  mean = lambda tree: jax.tree.map(lambda x: x.mean(axis=0), tree)
  stats = {}
  for module, own in agents.stats.items():
    pooled = mean(own)
    between = jnp.square(own["mean"] - pooled["mean"]).mean(axis=0)
    stats[module] = pooled | {"var": pooled["var"] + between}
  return Net(mean(agents.params), stats)


def _averaged(agents: Pupil, is_time: chex.Array) -> Pupil:
  """All agents become their mean where it is time; each starts a new momentum."""
  whole = federated(agents)
  become = lambda new, old: jax.tree.map(lambda x, y: jnp.where(is_time, x, y), new, old)
  return Pupil(become(whole.params, agents.params), become(whole.stats, agents.stats),
               jax.tree.map(lambda x: jnp.where(is_time, 0, x).astype(x.dtype), agents.momentum))


def _nothing_kept(parts: Mapping[str, Pupil]) -> dict[str, Any]:
  shape = lambda part: () if part in ("student", "joint") else (stack.size(parts[part].params),)
  # Of the type that `keep` gives: with a weak one every step would be compiled a second time.
  lowest = lambda part: jnp.full(shape(part), -1, jnp.float32)
  return {part: (pupil.params, pupil.stats, lowest(part)) for part, pupil in parts.items()}


def keep(state: TrainState, part: str, score: chex.Array) -> TrainState:
  """Keeps of a part what is better in validation than what is kept; equals are not.

  Args:
    state: from `init` with `keeps_best`.
    part: that was examined.
    score: [N] of agents, else [].
  """
  params, stats, best = state.kept[part]
  better = score > best
  choose = lambda new, old: jnp.where(
      better.reshape(better.shape + (1,) * (new.ndim - better.ndim)), new, old)
  pupil = state.parts[part]
  kept = (jax.tree.map(choose, pupil.params, params), jax.tree.map(choose, pupil.stats, stats),
          jnp.maximum(score, best))
  return state._replace(kept=state.kept | {part: kept})


def cross(design: Design, state: TrainState, ended: Stage, begun: Stage | None, run_key: chex.PRNGKey
         ) -> TrainState:
  """What happens between two stages: the best of the one is taken, the next one begins."""
  if state.kept:
    params, stats, _ = state.kept[ended.part]
    best = state.parts[ended.part]._replace(params=params, stats=stats)
    state = state._replace(parts=state.parts | {ended.part: best})
  return state if begun is None else begin(design, state, begun, run_key)


def begin(design: Design, state: TrainState, stage: Stage, key: chex.PRNGKey) -> TrainState:
  """What happens before the first step of a stage, whichever stage, if any, has come before it.

  Grown agents get their first heads, teachers of a further round are fixed; momentum is 0, and
  nothing is kept yet of what the stage trains.
  """
  pupil, elders, kept = state.parts[stage.part], state.elders, state.kept
  if stage.kind == stages_lib.TAUGHT and stage.round:
    student = state.parts["student"]
    elders = Elders(Net(student.params["backbone"], student.stats),
                    state.parts["experts"].params["head"])
  if stage.kind == stages_lib.GROWN:
    head = _first_heads(design, stage, state.parts, randomness.named(key, stage.name))
    pupil = pupil._replace(params={"head": head})
  begun = {stage.part: pupils.begin(pupil.params, pupil.stats, design.optimiser)}
  if kept:
    kept = kept | _nothing_kept(begun)
  return state._replace(parts=state.parts | begun, kept=kept, elders=elders)


def _first_heads(design: Design, stage: Stage, parts: Mapping[str, Pupil], key: chex.PRNGKey) -> Any:
  """Heads of the grown agents before their first step, [N, …]."""
  general = parts[stage.backbone].params
  if design.ra_init == "owner_head" and stage.backbone == "student":
    return general["helpers"]
  if design.ra_init == "student":
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (design.num_agents, *x.shape)),
                        general["head"])
  new = lambda k: new_head(design, design.wide, k)
  return jax.vmap(new)(members.keys(key, design.num_agents))
