"""Says whether the agent is here and by which door it came, how many CPUs Python counts, and the same of a child."""

import os
import subprocess
import sys

# a module that was started below would be the application's, not the agent's
agent = sys.modules.get("_dunnage_agent")
traces = [path for path in sys.path if path.endswith("/dunnage")]
print(f"{getattr(agent, 'door', None)} {os.cpu_count()} {len(traces)}", flush=True)
if len(sys.argv) > 1 and sys.argv[1] != "child":
    print(*sys.argv[1:], flush=True)
if "child" not in sys.argv:
    subprocess.run([sys.executable, __file__, "child"], check=True)
