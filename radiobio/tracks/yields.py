"""Published yields of double-strand breaks, for the conversion of hits into damage."""

from __future__ import annotations

from types import MappingProxyType

DSB_PER_GY = MappingProxyType({"electron": 35.0, "alpha": 128.5})
"""Breaks per cell and gray. Electrons: Medras-MC, a nucleus of radius 4.229 um
(github.com/sjmcmahon/Medras-MC, damagegenerator/damageModel.py, commit 0e51be7). Alpha particles of
129 keV/um: TOPAS-nBio, Guerra Liberal et al. 2023, Sci Rep 13:11198. ASSUMED to hold for
lymphocytes, whose genome is as large."""

FOCI_PER_GY = 14.7
"""Foci per lymphocyte and gray counted after an hour of irradiation by 131I and 177Lu in blood
(slope of the calibration of Eberlein et al. 2015, doi:10.1007/s00259-015-3083-9): an apparent slope
that contains an hour of repair."""

DSB_PER_GY_GBP = MappingProxyType({0.2: 6.5, 60.0: 21.2})
"""Breaks per gray and 1e9 base pairs by LET (keV/um): protons, TOPAS-nBio, Zhu et al. 2020,
Radiat Res 194:9-21. A diploid human genome of 6.08 Gbp makes 39.6 and 129 per gray."""
