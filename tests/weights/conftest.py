"""Fixtures that the tests of training share."""

from __future__ import annotations

from tests.training.conftest import _one_thread, clips, whole

__all__ = ["_one_thread", "clips", "whole"]
