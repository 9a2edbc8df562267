"""Conformance kits for plug-in authors; nothing else in cellula imports them."""
