"""Dynamos: agents that switch channels off for each image, and replay of their decisions.

stream -> buffer -> row; the keys are explained in the package. The published switch `warmup` means
the first ten steps of a stream of one epoch, the first ten epochs of the first task of any other.
"""

_ALL = dict(
    source="dynamos", learning_rate=0.07, width=32, grey_as_colour=True, keep_ratio=0.7,
    # Not of the table but the defaults of the command line, which no row changes.
    policy_temperature=0.15, bottleneck_ratio=16, inference="threshold", inference_threshold=0.5)
_SEQ_MNIST = _ALL | dict(
    replay_batch_size=10, batch_size=10, num_epochs=1, warmup_steps=10, warmup_epochs=0,
    policy_logit_weight=0.2)
_SVHN = _ALL | dict(
    replay_batch_size=16, batch_size=16, num_epochs=70, warmup_steps=0, warmup_epochs=10,
    policy_penalty=-500.0, policy_weight=1.0, prototype_weight=0.5)
_360 = _ALL | dict(
    replay_batch_size=16, batch_size=16, num_epochs=1, warmup_steps=10, warmup_epochs=0,
    policy_logit_weight=0.1, policy_penalty=-200.0)

_DYNAMOS = {
    "seq-mnist": {
        500: _SEQ_MNIST | dict(
            logit_weight=0.2, label_weight=2.0,
            policy_penalty=-500.0, policy_weight=0.5, prototype_weight=0.3),
        1000: _SEQ_MNIST | dict(
            logit_weight=0.1, label_weight=2.5,
            policy_penalty=-200.0, policy_weight=0.7, prototype_weight=0.5),
        2000: _SEQ_MNIST | dict(
            logit_weight=0.5, label_weight=3.0,
            policy_penalty=-200.0, policy_weight=0.5, prototype_weight=0.5),
    },
    "seq-svhn": {
        500: _SVHN | dict(logit_weight=2.0, label_weight=3.0, policy_logit_weight=1.0),
        1000: _SVHN | dict(logit_weight=2.5, label_weight=2.0, policy_logit_weight=0.2),
        2000: _SVHN | dict(logit_weight=2.5, label_weight=2.0, policy_logit_weight=0.2),
    },
    "mnist-360": {
        100: _360 | dict(
            logit_weight=0.2, label_weight=1.0, policy_weight=0.5, prototype_weight=0.5),
        200: _360 | dict(
            logit_weight=0.2, label_weight=1.5, policy_weight=1.0, prototype_weight=0.5),
        500: _360 | dict(
            logit_weight=0.1, label_weight=1.5, policy_weight=0.3, prototype_weight=0.3),
    },
}
# Images of the same size; as many epochs as the other methods have there.
_CIFAR = dict(source="ours", ours=True, num_epochs=50,
              reason="the row of seq-svhn with 50 epochs: none was published")
_DYNAMOS["seq-cifar10"] = {slots: row | _CIFAR for slots, row in _DYNAMOS["seq-svhn"].items()}

TABLES = {"dynamos": _DYNAMOS}
