"""Write a network as Python source that needs torch only."""
