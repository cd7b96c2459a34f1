"""The grammar of a goroutine dump, as strict as the strictest of its readers: what Go, panicparse and gostackparse all accept."""

import re

HEADER = re.compile(r"goroutine (\d+) \[([^\],]+(?: \([^)]*\))?)(?:, (\d+) minutes)?(, locked to thread)?\]:$")
FUNC = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_\-]*)\.([A-Za-z0-9_$~<>:*&=!]+)\(((?:\.\.\.)|(?:0x[0-9a-f]+(?:, 0x[0-9a-f]+)*))\)$")
PLACE = re.compile(r"\t((?:.*\.(?:c|go|s))|\?\?):(\d+)( \+0x[0-9a-f]+)?$")
CREATED = re.compile(r"created by ([A-Za-z0-9_][A-Za-z0-9_\-]*)\.([A-Za-z0-9_$~<>:*&=!]+)(?: in goroutine (\d+))?$")
# After the goroutines, where Go's readers pass it through: how deep stacks have been. All of them, or the ten that are nearest to their end.
MARKS = re.compile(r"\nstack high-water marks, bytes:\n((?:\t\d+(?: \"[^\"\n]*\")?: \d+ of \d+\n)+)(?:\t(\d+) others: a smaller part\n)?\Z")
MARK = re.compile(r"\t(\d+)(?: \"([^\"\n]*)\")?: (\d+) of (\d+)\n")
STATES = {
    "running", "runnable", "syscall", "chan receive", "chan send", "chan receive (nil chan)", "chan send (nil chan)", "select",
    "select (no cases)", "sleep", "sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock", "sync.WaitGroup.Wait", "sync.Cond.Wait",
    "sync.Once.Do", "semacquire", "IO wait",
}


class Bad(Exception):
    pass


class Frame:
    def __init__(self, module, func, args, path, line, offset):
        self.module, self.func, self.args, self.path, self.line, self.offset = module, func, args, path, line, offset

    @property
    def name(self):
        return f"{self.module}.{self.func}"


class Goroutine:
    def __init__(self, gid, state, locked):
        self.id, self.state, self.locked, self.frames, self.created, self.parent, self.elided = gid, state, locked, [], None, None, False
        self.label, self.stack_used, self.stack_bytes = None, None, None

    @property
    def names(self):
        return [f.name for f in self.frames]


def parse(text):
    """(head, [Goroutine]): the text before the first goroutine, which an empty line ends, and the blocks. Raises Bad."""
    match = re.search(r"(?m)^goroutine \d+ \[", text)
    if match is None:
        raise Bad("no goroutine at all")
    head, body = text[:match.start()], text[match.start():]
    if head and not head.endswith("\n\n"):
        raise Bad("no empty line after the head")
    marks = MARKS.search(body)
    if marks is None:
        raise Bad("no high-water marks")
    body = body[:marks.start()]
    if not body.endswith("\n") or body.endswith("\n\n"):
        raise Bad("must end with exactly one newline")
    goroutines = []
    for block in body[:-1].split("\n\n"):
        goroutines.append(_block(block.split("\n")))
    ids = [g.id for g in goroutines]
    if len(set(ids)) != len(ids):
        raise Bad("a goroutine twice")
    rest = ids[1:] if goroutines[0].state in ("running", "syscall") else ids
    if rest != sorted(rest):
        raise Bad(f"not sorted by id: {rest[:20]}")
    _marks(marks, {g.id: g for g in goroutines})
    return head, goroutines


def _marks(marks, by_id):
    told = MARK.findall(marks[1])
    for gid, label, used, size in told:
        g = by_id.get(int(gid))
        if g is None or g.stack_used is not None:
            raise Bad(f"the mark of {gid}: no such goroutine, or twice")
        g.label, g.stack_used, g.stack_bytes = label, int(used), int(size)
        if not 0 < g.stack_used <= g.stack_bytes:
            raise Bad(f"the mark of {gid}: {used} of {size}")
    if len(told) + int(marks[2] or 0) != len(by_id):
        raise Bad(f"{len(told)} marks and {marks[2]} others of {len(by_id)} goroutines")


def _block(lines):
    header = HEADER.match(lines[0])
    if header is None:
        raise Bad(f"header {lines[0]!r}")
    g = Goroutine(int(header[1]), header[2], bool(header[4]))
    if g.state not in STATES:
        raise Bad(f"state {g.state!r}")
    at = 1
    while at < len(lines):
        if lines[at] == "...additional frames elided...":
            g.elided = True
            at += 1
            continue
        if at + 1 >= len(lines):
            raise Bad(f"half a frame {lines[at]!r}")
        place = PLACE.match(lines[at + 1])
        if place is None:
            raise Bad(f"place {lines[at + 1]!r}")
        created = CREATED.match(lines[at])
        if created is not None:
            if at + 2 != len(lines):
                raise Bad("something after the creator")
            g.created, g.parent = f"{created[1]}.{created[2]}", created[3] and int(created[3])
        else:
            func = FUNC.match(lines[at])
            if func is None:
                raise Bad(f"frame {lines[at]!r}")
            if g.elided:
                raise Bad("a frame after the elision")
            g.frames.append(Frame(func[1], func[2], func[3], place[1], int(place[2]), place[3]))
        at += 2
    if not g.frames:
        raise Bad("a goroutine without frames")
    if len(g.frames) > 100:
        raise Bad("more than 100 frames")
    return g
