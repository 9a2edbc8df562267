"""The files of a small PEtab problem, beside its model decay.xml."""

from __future__ import annotations

__all__ = ["PETAB"]

PETAB = {
    "problem.yaml": "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n"
    "- {condition_files: [conditions.tsv], measurement_files: [measurements.tsv],"
    " observable_files: [observables.tsv], sbml_files: [decay.xml]}\n",
    "parameters.tsv": "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue"
    "\testimate\nk\tlog10\t0.01\t10\t0.5\t1\n",
    "conditions.tsv": "conditionId\tA\nhigh\t8\n",
    "observables.tsv": "observableId\tobservableFormula\tnoiseFormula\ny\tB\t0.1\n",
    "measurements.tsv": "observableId\tsimulationConditionId\tmeasurement\ttime\n"
    "y\thigh\t3\t1\ny\thigh\t5\t2\n",
}
