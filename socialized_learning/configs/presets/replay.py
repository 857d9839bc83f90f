"""Methods that replay images and labels: experience replay, A-GEM with either memory.

stream -> buffer -> row; the keys are explained in the package. MNIST-360 rows have no number of
epochs where they were published: the stream is one pass.
"""

_AS_ER = "as experience replay: no row was published"
_AS_500 = dict(source="ours", ours=True, reason="the row of 500 slots: none of 1000 was published")
_AS_5120 = _AS_500 | dict(reason="the row of 5120 slots: none of 1000 was published")

_ER_MNIST = dict(
    source="synergy", learning_rate=0.2, replay_batch_size=128, batch_size=128, num_epochs=1)
_ER_SEQ_MNIST = dict(
    source="cls-er", learning_rate=0.1, replay_batch_size=10, batch_size=10, num_epochs=1)
_ER_CIFAR = dict(
    source="synergy", learning_rate=0.1, replay_batch_size=32, batch_size=32, num_epochs=50)
_ER_TINY = dict(
    source="synergy", learning_rate=0.1, replay_batch_size=32, batch_size=32, num_epochs=100)
_ER_GCIL = dict(
    source="synergy", learning_rate=0.1, replay_batch_size=32, batch_size=32, num_epochs=100)
_ER_360 = dict(
    source="synergy", learning_rate=0.2, replay_batch_size=16, batch_size=1, num_epochs=1)
_ER_PERM = _ER_MNIST | dict(source="cls-er")

_ER = {
    "rot-mnist": {
        200: _ER_MNIST, 500: _ER_MNIST, 1000: _ER_MNIST | _AS_500, 5120: _ER_MNIST},
    "perm-mnist": {200: _ER_PERM, 500: _ER_PERM, 5120: _ER_PERM},
    "seq-mnist": {
        200: _ER_SEQ_MNIST | dict(learning_rate=0.01), 500: _ER_SEQ_MNIST, 5120: _ER_SEQ_MNIST},
    "seq-cifar10": {
        200: _ER_CIFAR, 500: _ER_CIFAR, 1000: _ER_CIFAR | _AS_500, 5120: _ER_CIFAR},
    "seq-tinyimg": {
        200: _ER_TINY, 500: _ER_TINY | dict(learning_rate=0.03), 1000: _ER_TINY | _AS_5120,
        5120: _ER_TINY},
    "mnist-360": {200: _ER_360, 500: _ER_360, 1000: _ER_360 | dict(batch_size=4)},
    "gcil-cifar100-unif": {200: _ER_GCIL, 500: _ER_GCIL, 1000: _ER_GCIL},
    "gcil-cifar100-longtail": {200: _ER_GCIL, 500: _ER_GCIL, 1000: _ER_GCIL},
}

_AGEM_ROT = dict(
    source="synergy", learning_rate=0.3, replay_batch_size=128, batch_size=128, num_epochs=1)
_AGEM_PERM = dict(
    source="cls-er", learning_rate=0.1, replay_batch_size=128, batch_size=128, num_epochs=1)
_AGEM_SEQ_MNIST = dict(
    source="cls-er", learning_rate=0.1, replay_batch_size=128, batch_size=10, num_epochs=1)
_AGEM_CIFAR = dict(
    source="synergy", learning_rate=0.03, replay_batch_size=32, batch_size=32, num_epochs=50)
_AGEM_TINY = dict(
    source="synergy", learning_rate=0.01, replay_batch_size=32, batch_size=32, num_epochs=100)
_AGEM_360 = dict(
    source="synergy", learning_rate=0.1, replay_batch_size=128, batch_size=16, num_epochs=1)
_AGEM_GCIL = _ER_GCIL | dict(source="ours", ours=True, reason=_AS_ER)

_AGEM = {
    "rot-mnist": {200: _AGEM_ROT | dict(learning_rate=0.1), 500: _AGEM_ROT, 5120: _AGEM_ROT},
    "perm-mnist": {200: _AGEM_PERM, 500: _AGEM_PERM, 5120: _AGEM_PERM},
    "seq-mnist": {200: _AGEM_SEQ_MNIST, 500: _AGEM_SEQ_MNIST, 5120: _AGEM_SEQ_MNIST},
    "seq-cifar10": {200: _AGEM_CIFAR, 500: _AGEM_CIFAR, 5120: _AGEM_CIFAR},
    "seq-tinyimg": {200: _AGEM_TINY, 500: _AGEM_TINY, 5120: _AGEM_TINY},
    "gcil-cifar100-unif": {200: _AGEM_GCIL, 500: _AGEM_GCIL, 1000: _AGEM_GCIL},
    "gcil-cifar100-longtail": {200: _AGEM_GCIL, 500: _AGEM_GCIL, 1000: _AGEM_GCIL},
}

# Only a reservoir needs no task boundaries, and so can learn from MNIST-360.
_AGEM_R = _AGEM | {
    "mnist-360": {200: _AGEM_360, 500: _AGEM_360, 1000: _AGEM_360 | dict(batch_size=4)},
}

TABLES = {"er": _ER, "agem": _AGEM, "agem_r": _AGEM_R}
