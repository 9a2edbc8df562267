"""scvi-tools [gayoso2022]_: networks of counts as transforms, kept without pickle."""
