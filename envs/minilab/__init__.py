"""minilab: DeepMind Lab's tasks in a small batched first-person engine (see docs/minilab.md).

One scalar function moves one environment and another draws one column of its picture; everything else is a thin
loop over the batch. The numbers of the body, the camera and the rules are DeepMind Lab's, in its units (100 units
are one maze cell, angles in degrees, x to the east, y to the north).
"""
