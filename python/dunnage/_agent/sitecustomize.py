"""The first door of dunnage's agent: `site` imports this file from the program that stands first on PYTHONPATH.

It starts the agent, takes the program off `sys.path`, and then lets the import of `sitecustomize` happen once more, so
that the one which would have been found without dunnage runs as it would have run: what it raises goes to `site`
unchanged, and where there is none, `site` gets the same ImportError as ever.

This file is read by every Python below the program, so it keeps to the syntax that 2.7 and 3 share.
"""


import sys


def _open():
    """Starts the agent and steps aside; returns whether there is another `sitecustomize` to be looked for."""
    here = __file__.rpartition("/")[0]
    try:
        if sys.version_info >= (3, 9) and sys.implementation.name == "cpython":
            import _dunnage_agent

            _dunnage_agent.start("path")
    except Exception:
        pass  # an agent that fails is an agent that is absent
    if here not in sys.path:
        return False  # this file would be found again, for ever
    # once: should the program stand there twice, the second is the user's own
    sys.path.remove(here)
    sys.path_importer_cache.pop(here, None)
    return True


if _open():
    _this = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401, PLW0406  (no longer this file)
    except:  # noqa: E722
        # the importer of this file (zipimport up to 3.9) takes it out of sys.modules, and fails where it is not there
        sys.modules.setdefault("sitecustomize", _this)
        raise
