"""What makes XLA compile fast: tests compile far more than they compute.

Without fusion emitters it would take half of the time, but some gradients are then wrong.
"""

FLAGS = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
)
