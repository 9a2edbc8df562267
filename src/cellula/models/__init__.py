"""Our own models. Each is one file behind the contract ``cellula.core.model.Model``."""
