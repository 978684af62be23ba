"""Turn the published table of 17 patients into a cohort of study folders.

    python examples/hemmingsson2023/make.py [--out FOLDER]

table3.csv is Table 3 of PMC10478826 (Hemmingsson et al., 2023; absorbed dose to the red marrow in
Gy/GBq of 177Lu-DOTATATE; patient 5 had a large number of bone metastases). The vertebral total is
the image-based dose, the last column the blood-based one. All else is a placeholder.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

HERE = Path(__file__).parent
MANY_METASTASES = ("5",)
METHODS = {"image": "vertebrae_total", "blood": "blood_based"}
STUDY = """\
# A REAL patient: no. {patient} of the 17 in Table 3 of PMC10478826 (Hemmingsson et al., 2023,
# https://pmc.ncbi.nlm.nih.gov/articles/PMC10478826/), marrow doses in doses.csv. The table gives
# the marrow doses per activity and whether there are bone metastases ({mentioned}{note}), no more.
# ASSUMED, because the table does not give them: sex, weight, administered activity, dates, and
# that this is the first cycle.
schema: 1
patient:
  id: hemmingsson2023-{patient:0>2}
  sex: male  # ASSUMED
  weight_kg: 73  # ASSUMED, the reference adult
  bone_metastases: {extent}
therapy:
  nuclide: Lu-177
  agent: DOTATATE
  label: none  # no blood counts are published, so the label's rules cannot be applied
  planned_cycles: 4
  planned_activity_gbq: 7.4
  interval_days: [56]
  max_activity_gbq: 7.4
cycles:
  - {{number: 1, start: 2020-01-01, activity_mbq: 7400}}  # ASSUMED, the standard activity
decision:
  date: 2020-02-12  # ASSUMED
methods:
  marrow_dose: image  # or blood: doses.csv holds both
"""


def extent(row: dict[str, str]) -> tuple[str, str]:
    """Return the extent of bone metastases in the words of study.yaml, and a note on it."""
    if row["patient"] in MANY_METASTASES:
        return "many", ", in large number"
    if row["bone_metastases"] == "Yes":
        return "few", "; their number is not given, few is ASSUMED"
    return "none", ""


def main(out: Path) -> None:
    """Write a study folder for each row of table3.csv."""
    with (HERE / "table3.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for row in table:
        folder = out / f"patient_{int(row['patient']):02d}"
        folder.mkdir(parents=True, exist_ok=True)
        word, note = extent(row)
        mentioned = row["bone_metastases"].lower()
        text = STUDY.format(patient=row["patient"], extent=word, mentioned=mentioned, note=note)
        (folder / "study.yaml").write_text(text, encoding="utf-8")
        lines = ["cycle,region,dose_gy_per_gbq,method"]
        lines += [f"1,marrow,{row[column]},{method}" for method, column in METHODS.items()]
        (folder / "doses.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{out}: {len(table)} study folders")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the cohort of 17 patients.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    main(parser.parse_args().out)
