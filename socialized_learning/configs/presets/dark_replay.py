"""Methods that replay logits: dark experience replay without (DER) and with labels (DER++).

stream -> buffer -> row; the keys are explained in the package. MNIST-360 rows have no number of
epochs where they were published: the stream is one pass. SYNERGy's code has the rows of CLS-ER's for
5120 slots under 1000, all of DER++ and the one of DER on rotated MNIST; they were not tuned again.
"""

_AS_5120 = dict(source="ours", ours=True, reason="the row of 5120 slots: none of 1000 was published")
_AS_DERPP = "as DER++ without the labels: no row was published"

_DERPP_MNIST = dict(
    source="synergy", learning_rate=0.2, replay_batch_size=128, batch_size=128, num_epochs=1)
_DERPP_CIFAR = dict(
    source="synergy", learning_rate=0.03, replay_batch_size=32, batch_size=32, num_epochs=50)
_DERPP_TINY = dict(
    source="synergy", learning_rate=0.03, replay_batch_size=32, batch_size=32, num_epochs=100)
_DERPP_GCIL = dict(
    source="synergy", learning_rate=0.1, replay_batch_size=32, batch_size=32, num_epochs=100)
_DERPP_360 = dict(
    source="synergy", learning_rate=0.2, replay_batch_size=16, batch_size=16, num_epochs=1)
_DERPP_PERM = _DERPP_MNIST | dict(source="cls-er")
_DERPP_SEQ_MNIST = dict(source="cls-er", batch_size=10, num_epochs=1)
_ROT_THIRD = _DERPP_MNIST | dict(logit_weight=0.5, label_weight=0.5)
_CIFAR_THIRD = _DERPP_CIFAR | dict(logit_weight=0.1, label_weight=1.0)
_TINY_THIRD = _DERPP_TINY | dict(logit_weight=0.1, label_weight=0.5)

_DERPP = {
    "rot-mnist": {
        200: _DERPP_MNIST | dict(learning_rate=0.1, logit_weight=1.0, label_weight=0.5),
        500: _DERPP_MNIST | dict(logit_weight=0.5, label_weight=1.0),
        1000: _ROT_THIRD,
        5120: _ROT_THIRD | dict(source="cls-er"),
    },
    "perm-mnist": {
        200: _DERPP_PERM | dict(learning_rate=0.1, logit_weight=1.0, label_weight=1.0),
        500: _DERPP_PERM | dict(logit_weight=1.0, label_weight=0.5),
        5120: _DERPP_PERM | dict(logit_weight=0.5, label_weight=1.0),
    },
    "seq-mnist": {
        200: _DERPP_SEQ_MNIST | dict(
            learning_rate=0.03, replay_batch_size=128, logit_weight=0.2, label_weight=1.0),
        500: _DERPP_SEQ_MNIST | dict(
            learning_rate=0.03, replay_batch_size=10, logit_weight=1.0, label_weight=0.5),
        5120: _DERPP_SEQ_MNIST | dict(
            learning_rate=0.1, replay_batch_size=64, logit_weight=0.2, label_weight=0.5),
    },
    "seq-cifar10": {
        200: _DERPP_CIFAR | dict(logit_weight=0.1, label_weight=0.5),
        500: _DERPP_CIFAR | dict(logit_weight=0.2, label_weight=0.5),
        1000: _CIFAR_THIRD,
        5120: _CIFAR_THIRD | dict(source="cls-er"),
    },
    "seq-tinyimg": {
        200: _DERPP_TINY | dict(logit_weight=0.1, label_weight=1.0),
        500: _DERPP_TINY | dict(logit_weight=0.2, label_weight=0.5),
        1000: _TINY_THIRD,
        5120: _TINY_THIRD | dict(source="cls-er"),
    },
    "mnist-360": {
        200: _DERPP_360 | dict(logit_weight=0.5, label_weight=1.0),
        500: _DERPP_360 | dict(logit_weight=0.5, label_weight=1.0),
        1000: _DERPP_360 | dict(replay_batch_size=128, logit_weight=0.2, label_weight=1.0),
    },
    "gcil-cifar100-unif": {
        200: _DERPP_GCIL | dict(logit_weight=0.2, label_weight=0.5),
        500: _DERPP_GCIL | dict(logit_weight=0.2, label_weight=0.6),
        1000: _DERPP_GCIL | dict(logit_weight=0.3, label_weight=0.6),
    },
    "gcil-cifar100-longtail": {
        200: _DERPP_GCIL | dict(logit_weight=0.2, label_weight=0.6),
        500: _DERPP_GCIL | dict(logit_weight=0.2, label_weight=0.8),
        1000: _DERPP_GCIL | dict(logit_weight=0.3, label_weight=0.9),
    },
}

_WITHOUT_LABELS = dict(label_weight=0.0)
_DER_MNIST = _DERPP_MNIST | _WITHOUT_LABELS
_DER_PERM = _DERPP_PERM | _WITHOUT_LABELS
_DER_SEQ_MNIST = _DERPP_SEQ_MNIST | _WITHOUT_LABELS
_DER_CIFAR = _DERPP_CIFAR | _WITHOUT_LABELS | dict(logit_weight=0.3)
_DER_TINY = _DERPP_TINY | _WITHOUT_LABELS | dict(logit_weight=0.1)
_DER_360 = _DERPP_360 | _WITHOUT_LABELS | dict(logit_weight=0.5)
_DER_GCIL = _DERPP_GCIL | _WITHOUT_LABELS | dict(source="ours", ours=True, reason=_AS_DERPP)

_DER = {
    "rot-mnist": {
        200: _DER_MNIST | dict(logit_weight=1.0),
        500: _DER_MNIST | dict(logit_weight=0.5),
        1000: _DER_MNIST | dict(logit_weight=0.5),
        5120: _DER_MNIST | dict(source="cls-er", logit_weight=0.5),
    },
    "perm-mnist": {
        200: _DER_PERM | dict(logit_weight=1.0),
        500: _DER_PERM | dict(logit_weight=1.0),
        5120: _DER_PERM | dict(logit_weight=0.5),
    },
    "seq-mnist": {
        200: _DER_SEQ_MNIST | dict(learning_rate=0.03, replay_batch_size=10, logit_weight=0.2),
        500: _DER_SEQ_MNIST | dict(learning_rate=0.03, replay_batch_size=128, logit_weight=1.0),
        5120: _DER_SEQ_MNIST | dict(learning_rate=0.1, replay_batch_size=128, logit_weight=0.5),
    },
    "seq-cifar10": {
        200: _DER_CIFAR, 500: _DER_CIFAR, 1000: _DER_CIFAR | _AS_5120,
        5120: _DER_CIFAR},
    "seq-tinyimg": {
        200: _DER_TINY, 500: _DER_TINY, 1000: _DER_TINY | _AS_5120,
        5120: _DER_TINY},
    "mnist-360": {
        200: _DER_360 | dict(learning_rate=0.1, replay_batch_size=64),
        500: _DER_360,
        1000: _DER_360 | dict(learning_rate=0.1, batch_size=8),
    },
    "gcil-cifar100-unif": {
        200: _DER_GCIL | dict(logit_weight=0.2),
        500: _DER_GCIL | dict(logit_weight=0.2),
        1000: _DER_GCIL | dict(logit_weight=0.3),
    },
    "gcil-cifar100-longtail": {
        200: _DER_GCIL | dict(logit_weight=0.2),
        500: _DER_GCIL | dict(logit_weight=0.2),
        1000: _DER_GCIL | dict(logit_weight=0.3),
    },
}

TABLES = {"derpp": _DERPP, "der": _DER}
