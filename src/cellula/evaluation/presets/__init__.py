"""The published rules of perturbation challenges, as presets: fixed metrics, fixed settings."""
