"""What a job costs: price lines from a tariff, in integers."""
