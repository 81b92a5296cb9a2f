# Four threads that never leave json, and a thread that starts a thread every millisecond. The first line that it prints
# says where it can be: the lines of each function, and what may be called from each line. Then, for each line that it
# reads, it prints how many rounds were made and how much CPU time that took.
import ast
import dis
import json
import json.decoder
import json.encoder
import json.scanner
import sys
import threading
import time
import types

rounds = [0] * 4


def leaf(number):
    return number + 1


def branch(number):
    if number % 2:
        return leaf(number)
    return other(
        number,
        leaf(number),
    )


def other(first, second):
    return leaf(first) - leaf(second)


def produce(count):
    for number in range(count):
        yield branch(number)


def collect(count):
    return [branch(number) for number in produce(count)]


def dig(depth):
    if depth:
        return dig(depth - 1)
    return collect(5)


def make(number):
    pick = lambda value: leaf(value)
    return {"list": collect(10), "deep": {"er": {"est": dig(8)}}, "text": "x" * 50, "pick": pick(number)}


def busy(at):
    while True:
        value = make(at)
        text = json.dumps(value)
        again = json.loads(text)
        pretty = json.dumps(again, indent=1, sort_keys=True)
        rounds[at] += 1


def brief():
    dig(3)


def spawn():
    while True:
        thread = threading.Thread(target=brief, daemon=True)
        thread.start()
        time.sleep(0.001)


def codes_of(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_of(constant)


def lines_of(code):
    if hasattr(code, "co_lines"):
        lines = {line for _, _, line in code.co_lines() if line is not None}
    else:
        lines = {line for _, line in dis.findlinestarts(code)}
    return lines | {code.co_firstlineno}


NODES = {ast.ListComp: "<listcomp>", ast.SetComp: "<setcomp>", ast.DictComp: "<dictcomp>", ast.GeneratorExp: "<genexpr>"}
DRAINS = {"list", "tuple", "next", "join", "sum", "sorted", "set", "dict"}
# what a name that is called can stand for
STANDS_FOR = {
    "_target": {"busy", "brief", "spawn"},
    "scan_once": {"_scan_once"},
    "cls": {"__init__"},
    "_iterencode": {"_iterencode", "_iterencode_list", "_iterencode_dict"},
    "pick": {"<lambda>"},
}


def properties_of(tree):
    """Functions that an attribute calls."""
    return {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(getattr(decorator, "id", getattr(decorator, "attr", "")) in ("property", "setter") for decorator in function.decorator_list)
    }


def calls_of(tree, properties):
    calls = {}
    generators = {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(function))
    } | {"<genexpr>"}

    def allow(node, names, end=None):
        for line in range(node.lineno, (end or node).end_lineno + 1):
            calls.setdefault(line, set()).update(names)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            allow(node, {name} | STANDS_FOR.get(name, set()))
            if name[:1].isupper():
                allow(node, {"__init__", "__new__"})
            if name in DRAINS:
                allow(node, generators)
        elif isinstance(node, ast.Attribute) and node.attr in properties:
            allow(node, {node.attr})
        elif isinstance(node, ast.With):
            allow(node, {"__enter__", "__exit__"}, node.items[-1].context_expr)
        elif type(node) in NODES:
            allow(node, {NODES[type(node)]} | generators)
        elif isinstance(node, ast.For):
            allow(node, generators, node.iter)
        elif isinstance(node, ast.YieldFrom):
            allow(node, generators)
    return calls


def describe():
    sources = {"torture.py": sys.argv[1]}
    for module in (json, json.decoder, json.encoder, json.scanner, threading, sys.modules["_weakrefset"]):
        with open(module.__file__, encoding="utf-8") as file:
            sources[module.__file__] = file.read()
    lines = {}
    calls = []
    properties = set().union(*(properties_of(ast.parse(source)) for source in sources.values()))
    for name, source in sources.items():
        for code in codes_of(compile(source, name, "exec")):
            function = getattr(code, "co_qualname", code.co_name)
            lines.setdefault(name + ":" + function, set()).update(lines_of(code))
        for line, names in calls_of(ast.parse(source), properties).items():
            calls.append([name, line, sorted(names)])
    return {"lines": {key: sorted(value) for key, value in lines.items()}, "calls": calls}


print(json.dumps(describe()), flush=True)
for at in range(4):
    threading.Thread(target=busy, args=(at,), daemon=True).start()
threading.Thread(target=spawn, daemon=True).start()
for _ in sys.stdin:
    print(sum(rounds), time.process_time(), flush=True)
