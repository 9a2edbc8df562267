"""Foreign engines: one adapter file a package, behind the contracts of ``cellula.core``."""
