"""What is true of any stacked agents, whatever they learn.

A population is the tree of one agent with a leading agent axis. `stack` reads and writes its rows,
`pairing` decides who meets whom, `collaboration` lets pairs learn, `imitation` lets speakers learn
from each other, `newcomers` lets strangers learn, `members` are independent seeds of one learner,
`mapping` says how pairs are computed, `devices` lays the whole out on accelerators, `randomness`
names the keys.
"""
