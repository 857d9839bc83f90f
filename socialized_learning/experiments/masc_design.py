"""From a configuration to a society: its networks, losses, and how images reach them."""

import math

import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents import adapter
from socialized_learning.agents import vgg
from socialized_learning.experiments import masc_world
from socialized_learning.population import members
from socialized_learning.society import fidelity
from socialized_learning.society import optimiser
from socialized_learning.society import pupils
from socialized_learning.society import stages as stages_lib
from socialized_learning.society import training
from socialized_learning.streams import augmentation
from socialized_learning.streams import definitions

# Mean and standard deviation of pixels, by the name of `data.normalise`.
NORMALISATIONS = {
    "none": None,
    "cifar": definitions.CIFAR10.normalise,
    # What the released code uses, on CIFAR-100.
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def make(config: config_dict.ConfigDict, world: masc_world.World,
         stages: tuple[stages_lib.Stage, ...]) -> training.Design:
  """Builds what a society is made of, from a resolved configuration."""
  num_classes = world.groups.shape[1]
  networks = {layout: vgg.make_vgg(
      layout, num_classes, width_divisor=config.network.width_divisor,
      hidden_size=config.network.hidden_size, dropout_rate=config.network.dropout_rate,
      axis_name=config.axis_name) for layout in vgg.LAYOUTS}
  narrow, wide = networks["narrow"], networks["wide"]
  block = config.collaboration.block
  settings = fidelity.settings(config.fidelity)
  schedule = lambda stage: optimiser.make_schedule(
      config.schedule, config.learning_rate, num_steps=stage.num_steps,
      warmup_steps=config.warmup_epochs * stage.steps_per_epoch)
  normalisation = NORMALISATIONS[config.data.normalise]

  def show(images, keys):
    if keys is not None:
      images = augmentation.augment(config.data.augmentation, images, keys)
    return augmentation.normalise(images, normalisation)

  return training.Design(
      narrow=narrow, wide=wide,
      adapter=adapter.make_adapter(wide.widths[block - 1], narrow.widths[block - 1]),
      block=block, kd_mode=config.collaboration.kd_mode, ra_init=config.altruism.init,
      groups=jnp.asarray(world.groups),
      losses=fidelity.make_losses(config.fidelity, anchor=config.anchor,
                                  temperature=config.temperature),
      weights=pupils.Weights(config.kd_weight, config.alignment_weight),
      optimiser=optimiser.make_optimiser(config.momentum, config.weight_decay),
      schedules={stage.name: schedule(stage) for stage in stages},
      resets_momentum=settings.resets_momentum, same_every_epoch=settings.same_every_epoch,
      head_offset=_head_offset(config, num_classes), averaging=config.federated_steps, show=show,
      over=members.over(config.network.mapping, has_convolutions=True),
      axis_name=config.axis_name)


def _head_offset(config: config_dict.ConfigDict, num_classes: int) -> float:
  """What brings the energy of a new head, whose logits are near 0, to the anchor; clean only."""
  if config.fidelity != "clean" or not config.alignment_weight:
    return 0.0
  return -config.anchor - config.temperature * math.log(num_classes)


def loops(config: config_dict.ConfigDict, stage: stages_lib.Stage) -> bool:
  """Whether a stage's updates are made in a loop, which those of convolutions are not on a CPU."""
  trains_heads = stage.kind == stages_lib.GROWN and config.cache.enabled
  return members.fits_loops(has_convolutions=not trains_heads)
