"""Trees as a file holds them, changed at one place or nested deeply."""


def nested(depth, kind):
    """Put 1 into so many containers."""
    value = 1
    for _ in range(depth):
        value = {"list": [value], "tuple": (value,), "dict": {"dict": {"a": value}}}[kind]
    return value


def places(tree, place=()):
    """List the places in a tree, but not each tensor of a network."""
    yield place
    if isinstance(tree, dict | list | tuple) and place[-1:] not in [("pretext_",), ("head_",)]:
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from places(tree[key], (*place, key))


def put(tree, place, value):
    """Copy a tree with `value` at one place of it."""
    if not place:
        return value
    key, *rest = place
    if isinstance(tree, dict):
        return {**tree, key: put(tree[key], rest, value)}
    items = list(tree)
    items[key] = put(items[key], rest, value)
    return type(tree)(items)
