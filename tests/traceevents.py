"""A strict reader of trace-event JSON: what the format's description asks of
the events that Lull writes, and no more is taken. Used by trace.py."""
import json

COMMON = {"ph", "pid", "tid", "name"}
# Per phase: the fields there must be, and those there may be besides.
FIELDS = {
    "M": ({"args"}, set()),
    "X": ({"ts", "dur", "cat"}, set()),
    "i": ({"ts", "s", "cat"}, set()),
    "s": ({"ts", "id", "cat"}, set()),
    "f": ({"ts", "id", "cat", "bp"}, set()),
}


class Wrong(Exception):
    pass


def need(condition, *what):
    if not condition:
        raise Wrong(*what)


def no_doubles(pairs):
    keys = [key for key, _ in pairs]
    need(len(keys) == len(set(keys)), "a key twice", keys)
    return dict(pairs)


def nonsense(name):
    raise Wrong("not JSON", name)


def check_event(event):
    need(isinstance(event, dict), event)
    phase = event.get("ph")
    need(phase in FIELDS, "phase", event)
    required, allowed = FIELDS[phase]
    fields = set(event)
    need(COMMON | required <= fields, "missing", event)
    need(fields <= COMMON | required | allowed, "unknown field", event)
    for key in ("pid", "tid"):
        need(type(event[key]) is int and event[key] >= 0, key, event)
    need(isinstance(event["name"], str) and event["name"], event)
    for key in ("ts", "dur"):
        if key in event:
            need(type(event[key]) in (int, float) and event[key] >= 0, event)
    if phase == "i":
        need(event["s"] in ("t", "p", "g"), event)
    if phase == "f":
        need(event["bp"] == "e", event)
    if phase == "M":
        need(event["name"] in ("process_name", "thread_name"), event)
        need(set(event["args"]) == {"name"}, event)
        need(isinstance(event["args"]["name"], str), event)


def check_slices(track, slices):
    """On one track each slice lies beside or inside another."""
    open_until = []
    for start, end, event in sorted(
            ((round(e["ts"] * 1000), round((e["ts"] + e["dur"]) * 1000), e)
             for e in slices), key=lambda s: (s[0], -s[1])):
        while open_until and open_until[-1] <= start:
            open_until.pop()
        need(not open_until or end <= open_until[-1], "overlap", track, event)
        open_until.append(end)


def check_arrows(events):
    starts, ends = {}, {}
    for event in events:
        if event["ph"] in "sf":
            side = starts if event["ph"] == "s" else ends
            need(event["id"] not in side, "a flow's end twice", event)
            side[event["id"]] = event
    need(set(starts) == set(ends), "flows with one end")
    for number, start in starts.items():
        need(start["ts"] <= ends[number]["ts"], "a flow back in time", start)
        need((start["name"], start["cat"]) ==
             (ends[number]["name"], ends[number]["cat"]), start)
    return len(starts)


def check(text):
    """All of a file; returns its events."""
    whole = json.loads(text, object_pairs_hook=no_doubles,
                       parse_constant=nonsense)
    need(set(whole) == {"displayTimeUnit", "otherData", "traceEvents"}, whole)
    need(whole["displayTimeUnit"] in ("ms", "ns"))
    events = whole["traceEvents"]
    need(isinstance(events, list) and events, "no events")
    for event in events:
        check_event(event)
    named = {e["tid"] for e in events if e["name"] == "thread_name"}
    tracks = {}
    for event in events:
        if event["ph"] != "M":
            need(event["tid"] in named, "a track without a name", event)
        if event["ph"] == "X":
            tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    for track, slices in tracks.items():
        check_slices(track, slices)
    check_arrows(events)
    return events
