"""What runs of earlier versions did before there was a key to say it, by experiment and dotted key.

A run whose config.json lacks such a key is compared, resumed and evaluated as if it had this value.
Whoever adds a key adds its line here; without one, runs of earlier versions are refused by their
version. (Keys that a resumed run may change, `common.FREE_KEYS`, need none.) A value that depended on
others is a function of them, by their dotted keys.
"""

from collections.abc import Mapping
from typing import Any


def _has_mlp_torso(values: Mapping[str, Any]) -> bool:
  return values.get("speaker.torso.kind") == "mlp"


EARLIER: Mapping[str, Mapping[str, Any]] = {
    "lewis": {
        "channel.kind": "sampled",
        "channel.temperature": 1.0,
        "data.centre": False,
        "listener_optimiser.skip_grad_norm": 0.0,
        "message.variable_length": False,
        "reset.choice": "random",
        "reset.interval": 0,
        "reset.kind": "pair",
        "speaker.torso.activate_final": _has_mlp_torso,
        "speaker_loss.length_cost": 0.0,
        "speaker_optimiser.skip_grad_norm": 0.0,
    },
    "continual": {
        "data.order": "files",
        "inference.mode": "threshold",
        "inference.threshold": 0.5,
        "learner.memory_policy": "reservoir",
        "network.bottleneck_ratio": 16,
        "network.grey_as_colour": False,
        "network.has_agents": False,
        "network.policy_temperature": 0.15,
    },
    "ease_of_learning": {
        "speaker.torso.activate_final": _has_mlp_torso,
    },
    "masc": {
        "data.order": "files",
        "train": True,
    },
}
