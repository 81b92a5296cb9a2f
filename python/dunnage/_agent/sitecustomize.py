"""The first door of dunnage's agent: `site` imports this file from the program that stands first on PYTHONPATH.

It starts the agent, takes the program off `sys.path`, and then lets the import of `sitecustomize` happen once more, so
that the one which would have been found without dunnage runs as it would have run: what it raises goes to `site`
unchanged, and where there is none, `site` gets the same ImportError as ever.

This file is read by every Python below the program, so it keeps to the syntax that 2.7 and 3 share.
"""


def _open():
    import sys

    here = __file__.replace("\\", "/").rpartition("/")[0]
    try:
        if sys.version_info >= (3, 9) and sys.implementation.name == "cpython":
            import _dunnage_agent

            _dunnage_agent.start("path")
    except Exception:
        pass  # an agent that fails is an agent that is absent
    # once: should the program stand there twice, the second is the user's own
    if here in sys.path:
        sys.path.remove(here)
    sys.path_importer_cache.pop(here, None)
    if sys.modules.get("sitecustomize") is not None:
        del sys.modules["sitecustomize"]


_open()
del _open

import sitecustomize  # noqa: E402, F401, PLW0406  (no longer this file)
