"""Benchmark instances replayed by their own rules: meal deliveries (MDRP), pooled taxis (Cargo); each rule checked."""
