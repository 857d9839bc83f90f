"""A society of specialists and one generalist: who knows what, what is taught, who answers.

Source: Yao et al. 2024, "Socialized Learning: Making Each Other Better Through Multi-Agent
Collaboration" (MASC).

groups: which classes are whose. energy: how familiar an image is. distillation: what teachers pass
on. fidelity: losses and settings, as they should be or as they were published. gates: who answers.
calibration: how sure the specialist must be to answer.
"""
