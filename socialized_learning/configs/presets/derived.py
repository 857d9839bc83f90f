"""Which methods and streams take the rows of another: `(what, its rows are those of, changes)`.

Kept apart from the tables, so that each number is written down once. The package applies them.
"""

_POLICY = ("warmup_steps", "warmup_epochs", "keep_ratio", "policy_temperature",
           "bottleneck_ratio", "inference", "inference_threshold", "policy_logit_weight",
           "policy_penalty", "policy_weight", "prototype_weight")
_MEMORY = ("replay_batch_size", "logit_weight", "label_weight", "policy_logit_weight")

# Method -> the method it resembles, keys it has no use for, why the row is ours ("": it is not).
METHODS = {
    "joint": dict(like="sgd", without=(), reason=""),  # Published like this.
    "mean_er": dict(
        like="synergy", without=("penalty_weight", "importance_decay", "importance_rate"),
        reason="SYNERGy without its penalty: no row was published"),
    "multi_scale": dict(
        like="dynamos", without=_POLICY, reason="Dynamos without its agents: no row was published"),
    "dynamos_sgd": dict(
        like="dynamos", without=_MEMORY, without_memory_from=500,
        reason="Dynamos of 500 slots without its memory: no row was published"),
}

# Stream -> the stream whose rows it takes, and the data: small versions on the embedded 5,000
# digits, and CIFAR-100 in 5 tasks of 20 classes, the split of CLS-ER, for which no rows were published.
STREAMS = {
    "rot-mnist5k": ("rot-mnist", "mnist5k"),
    "perm-mnist5k": ("perm-mnist", "mnist5k"),
    "seq-mnist5k": ("seq-mnist", "mnist5k"),
    "mnist5k-360": ("mnist-360", "mnist5k"),
    "seq-cifar100": ("seq-cifar10", "cifar100"),
}

# Stream -> method -> buffer -> what Mammoth's table has for a stream of that name. Not taken: its
# CIFAR-100 has 10 tasks of 10 classes, and its learning rate falls to a tenth after epochs 35 and 45
# of 50; here it is constant. (ESMER's table repeats them for 5 tasks, without the batch sizes and
# epochs that its code needs; Mammoth's later configuration has 0.3 for the logits of DER++.)
OF_MAMMOTH = {"seq-cifar100": {
    "sgd": {0: dict(learning_rate=0.03)},
    "joint": {0: dict(learning_rate=0.03)},
    "lwf": {0: dict(learning_rate=0.03, weight_decay=5e-4)},
    "er": {500: dict(learning_rate=0.1)},
    "der": {500: dict(learning_rate=0.03, logit_weight=0.3)},
    "derpp": {500: dict(learning_rate=0.03, logit_weight=0.1, label_weight=0.5)},
}}
