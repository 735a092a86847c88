"""How many parts a proof needs, sealed lists of them, and the record of an acceptance for both sides to sign."""
