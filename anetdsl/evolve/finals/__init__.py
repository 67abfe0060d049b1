"""The finals of a search: train its best networks for longer, compare them, choose one."""
