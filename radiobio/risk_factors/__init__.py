"""Which patients will have severe toxicity: risk factors at small numbers of patients."""
