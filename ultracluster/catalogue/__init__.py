"""What AWS offers and which combinations it accepts: data with sources, and rules over values."""
