import pytest

from dosimetry import DosimetryError
from dosimetry.s_values.readers import s_value_unit

# factors by hand: 1 h = 3600 s, 1 MBq = 1e6 Bq, 1 Ci = 37 GBq, 1 rad = 10 mGy
FACTORS = {
    "mSv/MBq-s": 3.6,
    "mSv/(MBq s)": 3.6,
    "[mSv/MBq-s]": 3.6,
    "mGy/MBq.s": 3.6,
    "mGy/MBq/s": 3.6,
    "mGy MBq-1 s-1": 3.6,
    "mGy MBq⁻¹ s⁻¹": 3.6,
    "mGy·MBq^-1·s^-1": 3.6,
    "mGy per MBq s": 3.6,
    "mGyperMBqs": 3.6,
    "Gy/(Bq s)": 3.6e9,
    "Sv/(Bq s)": 3.6e9,
    "Gy/Bq/sec": 3.6e9,
    "mGy/(MBq h)": 1e-3,
    "Gy/(MBq h)": 1.0,
    "Gy/GBq-h": 1e-3,
    "µGy/(MBq h)": 1e-6,
    "mGy/(MBq min)": 0.06,
    "rad/µCi-h": 0.01 / 0.037,
    "rad/(uCi h)": 0.01 / 0.037,
}


@pytest.mark.parametrize("text", sorted(FACTORS))
def test_units_by_hand(text):
    unit = s_value_unit(text)
    assert unit.gy_per_mbq_h == pytest.approx(FACTORS[text], rel=1e-12)
    assert unit.weighted == ("Sv" in text)


@pytest.mark.parametrize(
    "text", ["", "mGy", "mGy/MBq", "MBq s/mGy", "mgy/mbq-s", "1/kg", "mGy/kBq-d", "Gy/MBq-s-kg"]
)
def test_what_is_no_unit_is_refused(text):
    with pytest.raises(DosimetryError, match="is no unit of S values; legal are such as mGy"):
        s_value_unit(text)
