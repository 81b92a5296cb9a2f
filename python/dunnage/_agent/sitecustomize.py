"""The first door of dunnage's agent: `site` imports this file from the program that stands first on PYTHONPATH.

It starts the agent, takes the program off `sys.path`, and then lets the import of `sitecustomize` happen once more, so
that the one which would have been found without dunnage runs as it would have run: what it raises goes to `site`
unchanged, and where there is none, `site` gets the same ImportError as ever.

This file is read by every Python below the program, so it keeps to the syntax that 2.7 and 3 share. The agent is executed
and not imported, which costs a third.
"""


import sys

_here = __file__.rpartition("/")[0]
try:
    if sys.version_info >= (3, 9) and sys.implementation.name == "cpython" and "_dunnage_agent" not in sys.modules:
        _agent = type(sys)("_dunnage_agent")
        _agent.__loader__ = __loader__
        exec(__loader__.get_data(_here + "/_dunnage_agent.py"), _agent.__dict__)
        sys.modules["_dunnage_agent"] = _agent
        _agent.start("path")
except Exception:
    pass  # an agent that fails is an agent that is absent
if _here in sys.path:  # or this file would be found again, for ever
    # once: should the program stand there twice, the second is the user's own
    sys.path.remove(_here)
    sys.path_importer_cache.pop(_here, None)
    _this = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401, PLW0406  (no longer this file)
    except:  # noqa: E722
        # the importer of this file (zipimport up to 3.9) takes it out of sys.modules, and fails where it is not there
        sys.modules.setdefault("sitecustomize", _this)
        raise
