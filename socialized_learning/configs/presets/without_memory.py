"""Methods without a memory: sgd, online EWC, SI, LwF.

stream -> buffer (0: none) -> row; the keys are explained in the package. The MNIST-360 row has no
number of epochs where it was published: the stream is one pass. SYNERGy's code has the rows of SI but
not the method, which is in CLS-ER's.
"""

_SGD = {
    "rot-mnist": {0: dict(source="synergy", learning_rate=0.2, batch_size=128, num_epochs=1)},
    "perm-mnist": {0: dict(source="cls-er", learning_rate=0.2, batch_size=128, num_epochs=1)},
    "seq-mnist": {0: dict(source="cls-er", learning_rate=0.03, batch_size=10, num_epochs=1)},
    "seq-cifar10": {0: dict(source="synergy", learning_rate=0.1, batch_size=32, num_epochs=50)},
    "seq-tinyimg": {0: dict(source="synergy", learning_rate=0.03, batch_size=32, num_epochs=100)},
    "mnist-360": {0: dict(source="synergy", learning_rate=0.1, batch_size=4, num_epochs=1)},
    "gcil-cifar100-unif": {
        0: dict(source="synergy", learning_rate=0.1, batch_size=32, num_epochs=100)},
    "gcil-cifar100-longtail": {
        0: dict(source="synergy", learning_rate=0.1, batch_size=32, num_epochs=100)},
}

_EWC = {
    "rot-mnist": {0: dict(
        source="synergy", learning_rate=0.1, batch_size=128, num_epochs=1,
        ewc_weight=0.7, ewc_decay=1.0)},
    "perm-mnist": {0: dict(
        source="cls-er", learning_rate=0.1, batch_size=128, num_epochs=1,
        ewc_weight=0.7, ewc_decay=1.0)},
    "seq-mnist": {0: dict(
        source="cls-er", learning_rate=0.03, batch_size=10, num_epochs=1,
        ewc_weight=90.0, ewc_decay=1.0)},
    "seq-cifar10": {0: dict(
        source="synergy", learning_rate=0.03, batch_size=32, num_epochs=50,
        ewc_weight=10.0, ewc_decay=1.0)},
    "seq-tinyimg": {0: dict(
        source="synergy", learning_rate=0.03, batch_size=32, num_epochs=100,
        ewc_weight=25.0, ewc_decay=1.0)},
}

_SI = {
    "rot-mnist": {0: dict(
        source="synergy", learning_rate=0.1, batch_size=128, num_epochs=1,
        si_weight=1.0, si_damping=1.0)},
    "perm-mnist": {0: dict(
        source="cls-er", learning_rate=0.1, batch_size=128, num_epochs=1,
        si_weight=0.5, si_damping=1.0)},
    "seq-mnist": {0: dict(
        source="cls-er", learning_rate=0.1, batch_size=10, num_epochs=1,
        si_weight=1.0, si_damping=0.9)},
    "seq-cifar10": {0: dict(
        source="synergy", learning_rate=0.03, batch_size=32, num_epochs=50,
        si_weight=0.5, si_damping=1.0)},
    "seq-tinyimg": {0: dict(
        source="synergy", learning_rate=0.03, batch_size=32, num_epochs=100,
        si_weight=0.5, si_damping=1.0)},
}

_LWF = {
    "seq-mnist": {0: dict(
        source="cls-er", learning_rate=0.03, batch_size=10, num_epochs=1,
        distillation_weight=1.0, temperature=2.0, weight_decay=5e-4)},
    "seq-cifar10": {0: dict(
        source="synergy", learning_rate=0.01, batch_size=32, num_epochs=50,
        distillation_weight=3.0, temperature=2.0, weight_decay=5e-4)},
    "seq-tinyimg": {0: dict(
        source="synergy", learning_rate=0.01, batch_size=32, num_epochs=100,
        distillation_weight=1.0, temperature=2.0, weight_decay=5e-4)},
}

TABLES = {"sgd": _SGD, "ewc_on": _EWC, "si": _SI, "lwf": _LWF}
