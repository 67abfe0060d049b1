"""Fixtures that these tests share with the tests of training."""

from __future__ import annotations

from tests.training.conftest import _one_thread, clips

__all__ = ["_one_thread", "clips"]
