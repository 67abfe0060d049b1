"""Artifacts: a compiled network as a file of its own, made, verified, kept and loaded.

`compiling` is the driver. `about` says what an artifact carries about itself, `kinds` tells what a
file is, `writing` makes each kind, `stranger` is the process that has neither of our packages and
tries an artifact, `verifying` drives it, `cache` keeps what was made, `loading` gives a module.
"""
