"""What must be asked outside to know who somebody is: password files, JWK sets, other services, plugins. Here decisions wait."""
