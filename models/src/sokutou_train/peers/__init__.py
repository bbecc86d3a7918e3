"""Runtimes beside sokutou, on one model and the same prompts, in one run: who answers how fast, and whether they say
the same.

`questions` says what is asked, `weights` makes each system's files out of one published model, `systems` lists who is
asked and with which settings, `worker` is a peer in a process of its own, `run` asks them in turn, `figures` checks
what came back and counts. Nothing of it is needed by the product, its tests or a device.
"""
