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
# digits, and CIFAR-100, for which nothing was published.
STREAMS = {
    "rot-mnist5k": ("rot-mnist", "mnist5k"),
    "perm-mnist5k": ("perm-mnist", "mnist5k"),
    "seq-mnist5k": ("seq-mnist", "mnist5k"),
    "mnist5k-360": ("mnist-360", "mnist5k"),
    "seq-cifar100": ("seq-cifar10", "cifar100"),
}
