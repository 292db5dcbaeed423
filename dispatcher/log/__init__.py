"""The event log and its store: append with group commit and fence, snapshots, projections, files."""
