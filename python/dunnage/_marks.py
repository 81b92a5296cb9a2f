"""What the application says of itself while ``dunnage record`` looks on.

They are the native functions themselves, without anything around them that would cost time for each request.

>>> import dunnage, time
>>> arrived = time.monotonic()  # when the request was put into a queue, say
>>> with dunnage.span("request", 4711, since=arrived):
...     dunnage.mark("cache missed", 4711)
"""

try:
    from dunnage._native import Span, mark, span
except ImportError:
    from dunnage._pure import Span, mark, span  # type: ignore[assignment]

__all__ = ["Span", "mark", "span"]
