"""The commands `hemadose foci`."""
