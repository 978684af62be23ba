"""One study in, its kinetics, doses, damage and counts out, each with its draws."""
