"""What an environment costs, shown; and the price table, refreshed from AWS."""
