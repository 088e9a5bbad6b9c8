"""From a picture to its faces: detection, crops, the model's answers, one rule of certainty; never torch."""
