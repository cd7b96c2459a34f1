"""gdb commands for programs on libcsprt; live processes and core files, x86-64.

  info goroutines            id, state, what it waits for, where it is
  goroutine ID COMMAND       a gdb command in the goroutine's frames: goroutine 7 bt, goroutine 7 frame 3
  goroutine all COMMAND      the same for each
  info chan EXPRESSION       a channel: buffer, waiting goroutines

All it knows of the library comes from csp_debug_table (runtime/dump/debug.h). A parked goroutine's frames are shown by an unwinder that
takes the selected thread's innermost frame for a call from the goroutine's saved context: registers are never written, which a core file
would refuse. That borrowed frame is number 0 and is not shown."""
import gdb
import gdb.unwinder
import re
import struct

STATES = ["dead", "runnable", "running", "waiting", "syscall"]
WAITS = ["", "chan receive", "chan send", "chan receive (nil chan)", "chan send (nil chan)", "select", "select (no cases)", "sleep",
         "sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock", "sync.WaitGroup.Wait", "sync.Cond.Wait", "sync.Once.Do",
         "semacquire", "IO wait", "syscall"]
OBJ_CHAN, OBJ_FD = 1, 9
STACK_BYTES_MAX = 64 << 20      # larger ones are not searched
VERSION = 1
WORDS = ("g_bytes g_id g_parent g_entry g_go_pc g_sp g_state g_wait g_waits g_name g_system g_foreign g_m g_stack_lo g_stack_hi "
         "m_g m_tid m_foreign_g m_foreign_next w_next w_next_in_set w_g w_obj w_kind w_op "
         "ch_elem_bytes ch_cap ch_len ch_senders ch_receivers ch_closed ch_timer").split()
STACK_WORDS = ("n_classes class_bytes class_slabs slab_next slab_base slab_carved slab_warm "
               "min_shift guard_bytes colours colour_bytes").split()


def read(address, layout):
    size = struct.calcsize("<" + layout)
    values = struct.unpack("<" + layout, bytes(gdb.selected_inferior().read_memory(address, size)))
    return values if len(values) > 1 else values[0]


def text(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size)).split(b"\0")[0].decode("utf-8", "replace")


def symbol(pc):
    """"worker", "worker + 12" or the address."""
    m = re.match(r"(.+?) in section ", gdb.execute("info symbol %#x" % pc, to_string=True))
    return m.group(1) if m else "%#x" % pc


class Runtime:
    """The table, read anew by each command: the program may have been started again."""

    def __init__(self):
        try:
            at = int(gdb.parse_and_eval("(unsigned long)&csp_debug_table"))
            head = read(at, "8sII")
        except gdb.error:
            raise gdb.GdbError("No libcsprt in this program, or it is not loaded yet.")
        if head[0] != b"CSPDEBUG" or head[1] != VERSION or head[2] != len(WORDS):
            raise gdb.GdbError("This libcsprt has a debug table of another version; use the script installed with it.")
        self.main, stacks, foreign = read(at + 16, "QQQ")
        for name, value in zip(WORDS, read(at + 40, "%dI" % len(WORDS))):
            setattr(self, name, value)
        self.classes = read(stacks, "Q")
        for name, value in zip(STACK_WORDS, read(stacks + 8, "%dI" % len(STACK_WORDS))):
            setattr(self, name, value)
        self.foreign_list = read(read(foreign, "Q"), "Q")

    def slots(self):
        yield self.main
        for k in range(self.n_classes):
            stride = (1 << self.min_shift + k) + self.guard_bytes
            slab = read(self.classes + k * self.class_bytes + self.class_slabs, "Q")
            while slab:
                base, carved = read(slab + self.slab_base, "Q"), read(slab + self.slab_carved, "I")
                warm = bytes(gdb.selected_inferior().read_memory(slab + self.slab_warm, carved)) if carved else b""
                for i in range(carved):
                    if warm[i]:
                        yield base + (i + 1) * stride - self.g_bytes - i % self.colours * self.colour_bytes & ~63
                slab = read(slab + self.slab_next, "Q")
        m = self.foreign_list
        while m:
            yield m + self.m_foreign_g
            m = read(m + self.m_foreign_next, "Q")

    def goroutines(self):
        found = [Goroutine(self, at) for at in self.slots() if read(at + self.g_state, "I") != 0 and read(at + self.g_id, "Q") != 0]
        return sorted(found, key=lambda g: g.id)

    def threads(self):
        return {t.ptid[1] or t.ptid[2]: t for t in gdb.selected_inferior().threads() if t.is_valid()}


class Goroutine:
    def __init__(self, rt, at):
        self.rt, self.at = rt, at
        self.id = read(at + rt.g_id, "Q")
        self.state = read(at + rt.g_state, "I")
        self.wait = read(at + rt.g_wait, "I")
        self.name = text(at + rt.g_name, 32)
        self.system = read(at + rt.g_system, "B") != 0
        self.entry = read(at + rt.g_entry, "Q")
        self.sp = read(at + rt.g_sp, "Q")
        self.m = read(at + rt.g_m, "Q")
        if read(at + rt.g_foreign, "B"):
            self.m = at - rt.m_foreign_g

    def thread(self):
        """The thread whose registers are the goroutine's; None: they are saved at sp. A goroutine that is about to park still runs."""
        if self.m and read(self.m + self.rt.m_g, "Q") == self.at:
            return self.rt.threads().get(read(self.m + self.rt.m_tid, "i"))
        return None

    def status(self):
        if self.state in (3, 4) and 0 < self.wait < len(WAITS):
            return WAITS[self.wait]
        return STATES[self.state] if self.state < len(STATES) else "state %d" % self.state

    def stack(self):
        """"used/size": how deep its stack has ever been, by the lowest byte that is not zero (dump/depth.h); "" if it cannot be read."""
        lo, hi = read(self.at + self.rt.g_stack_lo, "Q"), read(self.at + self.rt.g_stack_hi, "Q")
        memory, page, used = gdb.selected_inferior().read_memory, 4096, 0
        if not lo < hi <= lo + STACK_BYTES_MAX:
            return ""
        try:
            used = len(bytes(memory(lo, hi - lo)).lstrip(b"\0"))
        except gdb.MemoryError:
            # A thread's stack is mapped as far as it has grown.
            at = hi
            try:
                while at > lo:
                    below = max(lo, (at - 1) & -page)
                    held = len(bytes(memory(below, at - below)).lstrip(b"\0"))
                    used = hi - at + held if held else used
                    at = below
            except gdb.MemoryError:
                pass
        return "stack %d/%d" % (used, hi - lo) if used else ""

    def waits(self):
        """Objects it waits for: (kind, address)."""
        entries, w = [], read(self.at + self.rt.g_waits, "Q") if self.state == 3 else 0
        while w and len(entries) < 1000:
            entries.append((read(w + self.rt.w_kind, "B"), read(w + self.rt.w_obj, "Q")))
            w = read(w + self.rt.w_next_in_set, "Q")
        return entries


class Parked(gdb.unwinder.Unwinder):
    REGISTERS = ["rbx", "rbp", "r12", "r13", "r14", "r15", "rip"]       # as rt_switch leaves them at sp
    BYTES = 8 * len(REGISTERS)

    def __init__(self):
        super().__init__("libcsprt goroutine")
        self.sp, self.borrowed = 0, None

    def __call__(self, frame):
        if not self.sp or (int(frame.read_register("rsp")), int(frame.read_register("rip"))) != self.borrowed:
            return None
        unwind = frame.create_unwind_info(FrameId(word(frame, "rsp", self.sp), word(frame, "rip", 0)))
        for i, name in enumerate(self.REGISTERS):
            unwind.add_saved_register(name, word(frame, name, read(self.sp + 8 * i, "Q")))
        unwind.add_saved_register("rsp", word(frame, "rsp", self.sp + self.BYTES))
        return unwind


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


def word(frame, register, value):
    return gdb.Value(value).cast(frame.read_register(register).type)


def within(g, do):
    """do(borrowed) with the goroutine's innermost frame selected; what was selected is selected again after it."""
    thread, was = g.thread(), gdb.selected_thread()
    if was is None:
        raise gdb.GdbError("No thread.")
    frame = gdb.selected_frame().level() if hasattr(gdb.Frame, "level") else 0
    try:
        if thread:
            thread.switch()
            gdb.newest_frame().select()
            return do(False)
        if g.m and g.state != 3 or not g.sp:
            raise gdb.GdbError("goroutine %d: its thread is not in this process or core." % g.id)
        newest = gdb.newest_frame()
        parked.borrowed = int(newest.read_register("rsp")), int(newest.read_register("rip"))
        parked.sp = g.sp
        gdb.invalidate_cached_frames()
        caller = gdb.newest_frame().older()
        if caller is None or int(caller.read_register("rsp")) != g.sp + Parked.BYTES:
            raise gdb.GdbError("goroutine %d: cannot be unwound." % g.id)
        caller.select()
        return do(True)
    finally:
        parked.sp, parked.borrowed = 0, None
        gdb.invalidate_cached_frames()
        was.switch()
        gdb.execute("frame %d" % frame, to_string=True)


def of_program(frame):
    where = gdb.solib_name(frame.pc())
    name = frame.name() or ""
    return not (where and "libcsp" in where) and not name.startswith(("rt_", "csp_"))


def place(borrowed):
    """The first frame that is the program's."""
    frame, seen = gdb.selected_frame(), 0
    first = frame
    if not gdb.solib_name(int(gdb.parse_and_eval("(unsigned long)&csp_debug_table"))):
        # Linked statically, static functions look like the program's: go on from the outermost of the library's above the thunk.
        at, n = frame, 0
        while at is not None and n < 40 and at.name() not in ("rt_go_thunk", "rt_g_body", "rt_entry", "main"):
            if (at.name() or "").startswith(("rt_", "csp_")) and at.older() is not None:
                frame = at.older()
            at, n = at.older(), n + 1
    while frame is not None and seen < 40:
        if frame.name() and of_program(frame) and not (gdb.solib_name(frame.pc()) or "").startswith(("/lib", "/usr/lib")):
            break
        frame, seen = frame.older(), seen + 1
    else:
        frame = first
    sal = frame.find_sal()
    at = " at %s:%d" % (sal.symtab.filename, sal.line) if sal.symtab else ""
    return "%s%s" % (frame.name() or symbol(frame.pc()), at)


class InfoGoroutines(gdb.Command):
    """List the goroutines of a program on libcsprt."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        current = gdb.selected_thread()
        for g in Runtime().goroutines():
            thread = g.thread()
            try:
                where = within(g, place)
            except (gdb.error, gdb.GdbError):
                where = symbol(g.entry) if g.entry else "?"
            waits = ["fd %d" % o if kind == OBJ_FD else "%#x" % o for kind, o in g.waits() if o]
            more = [" ".join(waits[:4]) + (" ..." if len(waits) > 4 else "")] if waits else []
            more += ["thread %d" % thread.num] if thread else []
            more += ['"%s"' % g.name] if g.name else []
            depth = g.stack()
            more += [depth] if depth else []
            more += ["system"] if g.system else []
            mine = "*" if thread is not None and current is not None and thread.num == current.num else " "
            print("%s %-5d %s [%s]%s" % (mine, g.id, where, g.status(), "  " + ", ".join(more) if more else ""))


class GoroutineCommand(gdb.Command):
    """goroutine ID|all COMMAND: run a gdb command in the frames of a goroutine."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        which, _, command = argument.strip().partition(" ")
        command = command.strip() or "bt"
        if which != "all" and not which.isdigit():
            raise gdb.GdbError("goroutine ID|all COMMAND")
        chosen = [g for g in Runtime().goroutines() if which == "all" or g.id == int(which)]
        if not chosen:
            raise gdb.GdbError("No goroutine %s." % which)
        for g in chosen:
            if which == "all":
                print("goroutine %d [%s]:" % (g.id, g.status()))
            try:
                print(within(g, lambda borrowed: self.run(command, borrowed)), end="")
            except (gdb.error, gdb.GdbError) as e:
                if which != "all":
                    raise gdb.GdbError(str(e))
                print(e)
            if which == "all":
                print()

    @staticmethod
    def run(command, borrowed):
        out = gdb.execute(command, to_string=True)
        if borrowed and re.match(r"(bt|backtrace|where)\b", command):
            shown = re.search(r"^#1 ", out, re.M)
            return out[shown.start():] if shown else out
        return out


class InfoChan(gdb.Command):
    """info chan EXPRESSION: a channel's buffer and the goroutines that wait at it."""

    def __init__(self):
        super().__init__("info chan", gdb.COMMAND_DATA)

    @staticmethod
    def queue(rt, w):
        ids = []
        while w and len(ids) < 1000:
            ids.append(str(read(read(w + rt.w_g, "Q") + rt.g_id, "Q")))
            w = read(w + rt.w_next, "Q")
        return ", ".join(ids) or "none"

    def invoke(self, argument, from_tty):
        rt = Runtime()
        if not argument.strip():
            raise gdb.GdbError("info chan EXPRESSION")
        ch = int(gdb.parse_and_eval("(unsigned long)(%s)" % argument))
        if ch == 0:
            print("nil channel")
            return
        try:
            size, cap, length = read(ch + rt.ch_elem_bytes, "Q"), read(ch + rt.ch_cap, "I"), read(ch + rt.ch_len, "I")
            print("chan %#x: %d of %d elements of %d bytes%s%s" % (
                ch, length, cap, size, ", closed" if read(ch + rt.ch_closed, "B") else "", ", of a timer" if read(ch + rt.ch_timer, "Q") else ""))
            print("  senders waiting: goroutine %s" % self.queue(rt, read(ch + rt.ch_senders, "Q")))
            print("  receivers waiting: goroutine %s" % self.queue(rt, read(ch + rt.ch_receivers, "Q")))
        except gdb.MemoryError:
            raise gdb.GdbError("%#x is no channel." % ch)


# By SIGRTMIN + 5 the runtime stops threads, by SIGRTMIN + 6 it is asked for a dump (glibc's SIGRTMIN is 34).
gdb.execute("handle SIG39 SIG40 nostop noprint pass", to_string=True)

parked = Parked()
gdb.unwinder.register_unwinder(None, parked, replace=True)
InfoGoroutines()
GoroutineCommand()
InfoChan()
