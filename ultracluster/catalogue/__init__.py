"""What AWS sells and which combinations it takes: data with sources, rules over values."""
