"""Columns of the tables and settings that the compiled walks read."""

# particles slowing down, rows on a uniform grid of the log of the residual range (um):
# energy (keV), deflections (1/um) and their screening, share of the energy lost in small
# collisions, hard collisions (1/um), variance of the small losses (keV2/um)
LOG_RANGE, ENERGY, DEFLECTION, SCREEN, SOFT, COLLISION, SPREAD = 0, 1, 2, 3, 4, 5, 6
N_TABLE = 7

# range, rows on a uniform grid of log energy (keV): log energy, range (um)
LOG_ENERGY, REACH = 0, 1

# settings: radius scored (um), shell of sources (um), radius without sources (um), radius at which
# a track is let go (um), and whether sources lie in a shell only
RADIUS, INNER, OUTER, EMPTY, FAR, SHELL = 0, 1, 2, 3, 4, 5
N_SETTINGS = 6

# bins of the source: cumulative share of the energy, lowest and highest energy (keV)
CUMULATIVE, LOWER, UPPER = 0, 1, 2

# what a history gives: energy started with (keV), expected energy in the nucleus, energy in the
# nucleus (keV), and whether its source lies where sources are (1) or not (0)
STARTED, EXPECTED, IMPARTED, ALLOWED = 0, 1, 2, 3
N_OUT = 4
