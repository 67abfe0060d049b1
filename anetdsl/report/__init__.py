"""Reports about searches: HTML pages and charts."""
