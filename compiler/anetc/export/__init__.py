"""Artifacts: files of compiled networks. Write, verify, cache and load them.

compile        `compile_artifact`, which uses the modules below
build          the part of it that needs torch
write          one function per kind of artifact
python         networks as Python source
verify         compares an artifact with the reference module in a clean process
clean_process  the script of that process, which cannot import anetdsl or anetc
cache          artifacts that were made before
kinds          the kind of a file, by its content
about          the description that every artifact carries
load           an artifact as a module
"""
