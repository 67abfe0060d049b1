"""Reports on searches: HTML pages and charts."""
