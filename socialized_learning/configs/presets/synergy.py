"""SYNERGy: an averaged network, consistency with it, and a penalty weighted by importance.

stream -> buffer -> row; the keys are explained in the package. On permuted MNIST and on MNIST in
classes nothing was published: the former is the setting of rotated MNIST; the latter, like
MNIST-360, brings two digits at a time in small batches, and takes the steps of CLS-ER there.
"""

_LIKE_ROT = dict(source="ours", ours=True, reason="the row of rot-mnist: none was published")
_LIKE_360 = dict(
    source="ours", ours=True,
    reason="the row of mnist-360 with the step of CLS-ER on seq-mnist: none was published")

_ROT = dict(
    source="synergy", learning_rate=0.2, replay_batch_size=128, batch_size=128, num_epochs=1,
    consistency_weight=1.0, ema_rate=1.0, ema_decay=0.99, penalty_weight=1.0, importance_decay=0.99)
_360 = _ROT | dict(replay_batch_size=16, batch_size=16)
_SEQ_MNIST = _360 | _LIKE_360 | dict(learning_rate=0.1, replay_batch_size=32, batch_size=10)
_CNN = dict(
    source="synergy", learning_rate=0.05, replay_batch_size=32, batch_size=32, num_epochs=50,
    ema_decay=0.999, importance_decay=0.999)
_CIFAR = _CNN | dict(consistency_weight=0.2, penalty_weight=5.0)
_TINY = _CNN | dict(consistency_weight=0.1, penalty_weight=0.1, ema_rate=0.05)
_GCIL = _CNN | dict(consistency_weight=0.2, penalty_weight=1.0, importance_rate=0.005)

_SYNERGY = {
    "rot-mnist": {
        200: _ROT | dict(importance_rate=0.4),
        500: _ROT | dict(importance_rate=0.8),
        1000: _ROT | dict(importance_rate=0.4),
    },
    "perm-mnist": {
        200: _ROT | _LIKE_ROT | dict(importance_rate=0.4),
        500: _ROT | _LIKE_ROT | dict(importance_rate=0.8),
        1000: _ROT | _LIKE_ROT | dict(importance_rate=0.4),
    },
    "seq-mnist": {
        200: _SEQ_MNIST | dict(learning_rate=0.03, replay_batch_size=128, importance_rate=0.9),
        500: _SEQ_MNIST | dict(importance_rate=0.8),
    },
    "mnist-360": {
        200: _360 | dict(importance_rate=0.9),
        500: _360 | dict(importance_rate=0.8),
        1000: _360 | dict(consistency_weight=0.8, importance_rate=0.8),
    },
    "seq-cifar10": {
        200: _CIFAR | dict(ema_rate=0.2, importance_rate=0.01),
        500: _CIFAR | dict(ema_rate=0.4, importance_rate=0.007),
        1000: _CIFAR | dict(ema_rate=0.9, importance_rate=0.001),
    },
    "seq-tinyimg": {
        200: _TINY | dict(importance_rate=0.0005),
        500: _TINY | dict(importance_rate=0.0004),
        1000: _TINY | dict(importance_rate=0.0004),
    },
    "gcil-cifar100-unif": {
        200: _GCIL | dict(ema_rate=0.3),
        500: _GCIL | dict(ema_rate=0.3),
        1000: _GCIL | dict(ema_rate=0.4),
    },
    "gcil-cifar100-longtail": {
        200: _GCIL | dict(ema_rate=0.2),
        500: _GCIL | dict(ema_rate=0.2),
        1000: _GCIL | dict(ema_rate=0.4),
    },
}

TABLES = {"synergy": _SYNERGY}
