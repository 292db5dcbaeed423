"""The market: jobs, offers, couriers, pricing and pay, measures, and the log that they all come from."""
