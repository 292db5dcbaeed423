"""The HTTP port: metrics for Prometheus, health for whoever restarts us, pages for people."""
