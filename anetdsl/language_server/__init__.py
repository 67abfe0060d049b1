"""Answer requests of editors about a `.anet` text; a server for the Language Server Protocol (LSP).

All answers are made by functions of an `Analysis` and an offset, which need no server; `server`
connects them to pygls, the only module that imports it.
"""
