"""Object maps in files beside videos: read them, and check them."""
