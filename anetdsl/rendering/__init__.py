"""Diagnostics as people and programs read them: caret text, one-liners, JSON in the LSP shape.

Also what all output for people needs: safe text, times in words.
"""
