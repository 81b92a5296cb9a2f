"""A service that builds reports with pandas and means to cache them by customer, but the key is never the same twice."""

import itertools

import numpy
import pandas

chance = numpy.random.default_rng(1)
cache = {}


def build_report(customer):
    orders = pandas.DataFrame({"product": chance.integers(0, 500, 60_000), "price": chance.random(60_000)})
    by_product = orders.groupby("product")["price"].rank()
    cache[customer, id(by_product)] = orders.assign(rank=by_product)


print("ready", flush=True)
for request in itertools.count():
    build_report(request % 10)
