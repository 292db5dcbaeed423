"""What operators watch with: Prometheus' configuration, rules and alerts, and Grafana's dashboards, made from code."""
