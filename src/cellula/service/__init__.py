"""The web server (extra ``server``): pages, API, accounts and jobs will live here."""
