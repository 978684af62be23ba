"""Columns of the tables that the compiled transport reads."""

# electrons, rows on a uniform grid of log energy
SOFT_LOSS, SOFT_SLOPE, STRAGGLING, REACH, STEP_CAP, MAJORANT = 0, 1, 2, 3, 4, 5
ELASTIC, COLLISION, RADIATIVE, SOFT_FIRST, SOFT_SECOND = 6, 7, 8, 9, 10
CUT_ANGLE, OXYGEN_SHARE, OXYGEN_SCREEN, HYDROGEN_SCREEN = 11, 12, 13, 14
EMITTED = 15
N_ELECTRON = 16

# photons, rows on a uniform grid of log energy
TOTAL, COHERENT, INCOHERENT, PHOTOELECTRIC, PAIR = 0, 1, 2, 3, 4
N_PHOTON = 5

# scalars
ELECTRON_LOG_MIN, ELECTRON_PER_LOG, PHOTON_LOG_MIN, PHOTON_PER_LOG = 0, 1, 2, 3
CUTOFF, DELTA_CUT, PHOTON_CUT, FOLLOW_PHOTONS, KILL_RADIUS = 4, 5, 6, 7, 8
GEOMETRY, SOURCE_X, SOURCE_Y, SOURCE_Z = 9, 10, 11, 12
N_SETTINGS = 13

# kinds of particle
ELECTRON, PHOTON, POSITRON = 0, 1, 2
# geometries of the tally
SHELLS, VOXELS = 0, 1
# bins of the source
CUMULATIVE, LOWER, UPPER, KIND = 0, 1, 2, 3
