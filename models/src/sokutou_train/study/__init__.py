"""Experiments on the method: the same pairs, the same budget, taught and asked in different ways.

    config -> data -> trial (one arm, one seed) -> answers -> table

Ships nothing: what a study finds is applied by hand in `distil`.
"""
