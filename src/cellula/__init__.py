"""cellula: a virtual-cell platform whose answers carry their evidence.

A study file says in advance what would convince; cellula runs it, logs every look at the sealed
data and prints a dossier that a third party can verify offline. Importing this package loads
nothing else.
"""
