"""The append-only record of all that happened: ledger, blobs, seals, signatures, bundles."""
