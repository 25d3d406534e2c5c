"""The parts of lasertag_three_opponents_small: four players, their gadgets, what lies about, three minds."""
