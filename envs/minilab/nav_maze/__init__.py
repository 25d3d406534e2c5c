"""DeepMind Lab's navigation mazes: cells with thin walls between them, apples on the way and a goal."""
