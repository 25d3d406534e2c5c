"""Play an exported agent with numpy, onnxruntime and Gymnasium: neither PyTorch nor this library is needed.

python examples/play_onnx.py runs/NAME/export/agent.onnx CartPole-v1
"""

import sys

import gymnasium
import numpy as np
import onnxruntime

if len(sys.argv) != 3:
    sys.exit(__doc__)
agent, env = onnxruntime.InferenceSession(sys.argv[1]), gymnasium.make(sys.argv[2])
inputs = agent.get_inputs()
state = [np.zeros((1, inputs[-1].shape[1]), np.float32)] * 2
rng, (obs, _) = np.random.default_rng(1), env.reset(seed=1)
action, reward, first, over, total = 0, 0.0, True, False, 0.0
while not over:
    row = np.asarray(obs)[None], np.array([action]), np.array([reward], np.float32), np.array([first])
    logits, _, *state = agent.run(None, {x.name: y for x, y in zip(inputs, [*row, *state], strict=True)})
    action = int((logits[0] + rng.gumbel(size=logits.shape[1])).argmax())  # a draw from the policy
    obs, reward, terminated, truncated, _ = env.step(action)
    first, over, total = False, terminated or truncated, total + reward
print(f"return {total:g}")
