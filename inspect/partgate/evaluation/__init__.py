"""How good a trained model is, counted on parts it has never seen."""
