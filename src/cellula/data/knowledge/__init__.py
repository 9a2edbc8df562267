"""Prior knowledge as tables and graphs (ontologies, interactions) will live here."""
