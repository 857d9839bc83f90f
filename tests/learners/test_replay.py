"""What a step shows of its batch and of its memory."""

import jax.numpy as jnp
import numpy as np

from socialized_learning.learners import replay
from socialized_learning.learners import right_replay
from socialized_learning.learners import synergy
from socialized_learning.learners import types
from tests.learners import world

_BLANK = jnp.asarray([-1.0, -2, -3])


def test_no_two_images_of_a_step_are_augmented_alike():
  keys = []

  def look(index, view, keys_):
    del view
    keys.append(np.asarray(keys_))
    return jnp.zeros((len(index), 2, 2, 1))

  seen = types.World(look, jnp.zeros(world.NUM_IMAGES, jnp.int32))
  replay.show(world.batch(range(5)), seen, world.KEY)
  replay.draw(world.memory(), 4, seen, world.KEY, None)
  synergy.recall(world.memory(), seen, world.KEY)(jnp.arange(6))
  keys = np.concatenate(keys)
  assert len(keys) == 15 and len(np.unique(keys, axis=0)) == 15


def test_a_slot_whose_turn_went_to_a_wrong_answer_is_a_black_image_in_the_reference():
  images = jnp.ones((world.NUM_IMAGES, 2, 2, 3))
  seen = types.World(lambda index, view, keys: images[index],
                     jnp.full(world.NUM_IMAGES, 7, jnp.int32), _BLANK)
  memory = world.memory({"written": jnp.asarray([1.0, 0, 1, 1, 0, 1])})
  old = right_replay.draw(memory, 6, seen, world.KEY, None, "reference")
  holds = old.notes["written"] > 0
  assert holds.sum() == 4
  np.testing.assert_array_equal(old.labels, jnp.where(holds, 7, 0))
  np.testing.assert_array_equal(old.images[~holds], jnp.broadcast_to(_BLANK, (2, 2, 2, 3)))
  np.testing.assert_array_equal(old.images[holds], 1)
