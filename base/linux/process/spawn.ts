import { EventEmitter } from "node:events";
import { fchownSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";
import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";
import { CodedError, codeOf, errno, tolerateSync } from "@raft2kube/std/errors.ts";
import koffi from "../syscall/koffi.ts";
import { check, libc, SystemCallError, systemCall } from "../syscall/libc.ts";
import { O_CLOEXEC } from "../syscall/numbers.ts";

/** Where a descriptor of a program leads: a pipe to this process, /dev/null, or one of its own. */
export type Stdio = "pipe" | "ignore" | "inherit" | number;

export interface SpawnOptions {
  /** The program's descriptors in their order, three or more; by default three pipes. */
  readonly stdio?: Stdio | readonly Stdio[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Whether it runs in a session of its own. */
  readonly detached?: boolean;
  /** Time in ms after which it gets `killSignal`; 0 for none. */
  readonly timeout?: number;
  readonly killSignal?: NodeJS.Signals;
  /** The owner of its pipes, by default this process's user. */
  readonly owner?: { uid: number; gid: number } | undefined;
}

type Events = {
  error: [cause: Error];
  exit: [code: number | null, signal: NodeJS.Signals | null];
  close: [code: number | null, signal: NodeJS.Signals | null];
};

/**
 * The same as Node's ChildProcess, as far as it goes. An error of a pipe, as when the program ends
 * before its input, only closes it.
 */
export interface Program extends EventEmitter<Events> {
  /** The process id; undefined if it was not started. */
  readonly pid: number | undefined;
  readonly stdin: Socket | null;
  readonly stdout: Socket | null;
  readonly stderr: Socket | null;
  readonly stdio: readonly (Socket | null)[];
  readonly killed: boolean;
  /** Returns false once it has ended, and where it became another user's. */
  kill(signal?: NodeJS.Signals): boolean;
  /** Lets this process end before it. */
  unref(): void;
}

/** A program whose standard streams are all pipes. */
export interface PipedProgram extends Program {
  readonly stdin: Socket;
  readonly stdout: Socket;
  readonly stderr: Socket;
}

const WNOHANG = 1;
const AT_FDCWD = -100;
const O_RDWR = 2;
/** glibc's flags of posix_spawn, and more room than its structures and sets of signals take. */
const FLAGS = { SETSIGDEF: 4, SETSIGMASK: 8, SETSID: 0x80 } as const;
const STRUCT_BYTES = 1024;
const SIGNALS_BYTES = 128;
/** Exit code 255, of a program whose status the kernel did not keep. */
const LOST_STATUS = 0xff00;
/** How often the ends of programs are looked for: the main thread gets a signal of each besides. */
const LOOK_MS = isMainThread ? 1_000 : 10;

const library = koffi.load(null);
const native = {
  spawn: library.func(
    "int posix_spawnp(_Out_ int *pid, const char *file, const void *actions, const void *attr, " +
      "const char **argv, const char **envp)",
  ),
  initActions: library.func("int posix_spawn_file_actions_init(void *actions)"),
  dup2: library.func("int posix_spawn_file_actions_adddup2(void *actions, int from, int to)"),
  close: library.func("int posix_spawn_file_actions_addclose(void *actions, int fd)"),
  chdir: library.func("int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)"),
  endActions: library.func("int posix_spawn_file_actions_destroy(void *actions)"),
  initAttributes: library.func("int posix_spawnattr_init(void *attr)"),
  setFlags: library.func("int posix_spawnattr_setflags(void *attr, short flags)"),
  setDefault: library.func("int posix_spawnattr_setsigdefault(void *attr, const void *signals)"),
  setMask: library.func("int posix_spawnattr_setsigmask(void *attr, const void *signals)"),
  open: systemCall("int openat(int fd, const void *path, int flags, uint mode)"),
  waitpid: library.func("int waitpid(int pid, _Out_ int *status, int options)"),
};

/**
 * Starts a program as Node's spawn does, by vfork(2): fork(2) copies the page tables of this
 * process, 2 to 20 ms, and each page that is written meanwhile. Its pipes are pipes: on Node's,
 * which are sockets, a program that opens /dev/stdout fails by ENXIO. A program that cannot be
 * executed, or for whose pipes there are no descriptors, is an event `error` and then `close`. A
 * name is looked for in this process's PATH.
 */
export function spawnProgram(
  program: string,
  args: readonly string[],
  options?: SpawnOptions & { stdio?: "pipe" },
): PipedProgram;
export function spawnProgram(
  program: string,
  args: readonly string[],
  options?: SpawnOptions,
): Program;
export function spawnProgram(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Program {
  return new SpawnedProgram(program, args, options);
}

const running = new Map<number, SpawnedProgram>();
let looking: NodeJS.Timeout | undefined;

function reap(): void {
  for (const [pid, program] of running) {
    const status = [0];
    const found = native.waitpid(pid, status, WNOHANG);
    if (found === 0) continue;
    running.delete(pid);
    program.ended(found < 0 ? LOST_STATUS : status[0]!);
  }
  if (running.size > 0 || looking === undefined) return unrefIfIdle();
  clearInterval(looking);
  looking = undefined;
  process.off("SIGCHLD", reap);
}

function unrefIfIdle(): void {
  if ([...running.values()].every((program) => program.isUnref)) looking?.unref();
}

class SpawnedProgram extends EventEmitter<Events> implements Program {
  pid: number | undefined;
  readonly stdio: (Socket | null)[];
  killed = false;
  isUnref = false;
  #exit: Events["exit"] | undefined;
  #open = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(program: string, args: readonly string[], options: SpawnOptions) {
    super();
    const { stdio = "pipe" } = options;
    const wanted = typeof stdio === "object" ? stdio : [stdio, stdio, stdio];
    const theirs: number[] = [];
    this.stdio = wanted.map(() => null);
    // Before the start: a short program has ended when it returns.
    if (!process.listeners("SIGCHLD").includes(reap)) process.on("SIGCHLD", reap);
    try {
      const fds = wanted.map((each, at) => this.#descriptor(each, at, theirs, options.owner));
      this.#run(start(program, args, fds, options), options);
    } catch (thrown) {
      // The streams that were asked for are there, and end.
      wanted.forEach((each, at) => {
        if (each === "pipe" && !this.stdio[at]) this.#keep(at, closingSocket({})).push(null);
      });
      process.nextTick(() => this.#failed(program, thrown));
    } finally {
      for (const fd of theirs) libc.close(fd);
    }
  }

  /** Returns a descriptor for the program; one that is made for it is added to `theirs`. */
  #descriptor(each: Stdio, at: number, theirs: number[], owner: SpawnOptions["owner"]): number {
    if (typeof each === "number") return each;
    if (each === "inherit") return at;
    const fd = each === "ignore" ? openNull() : this.#pipe(at);
    theirs.push(fd);
    if (each === "pipe" && owner) fchownSync(fd, owner.uid, owner.gid);
    return fd;
  }

  #run(pid: number, { timeout = 0, killSignal }: SpawnOptions): void {
    this.pid = pid;
    running.set(pid, this);
    looking ??= setInterval(reap, LOOK_MS);
    looking.ref();
    if (timeout > 0) this.#timer = setTimeout(() => this.kill(killSignal), timeout);
  }

  get stdin() {
    return this.stdio[0] ?? null;
  }
  get stdout() {
    return this.stdio[1] ?? null;
  }
  get stderr() {
    return this.stdio[2] ?? null;
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): boolean {
    // Once it is waited for, its pid may be another's, of this process too.
    if (this.pid === undefined || running.get(this.pid) !== this) return false;
    const { pid } = this;
    const isSent = tolerateSync(() => process.kill(pid, signal), errno("EPERM")) === true;
    this.killed ||= isSent;
    return isSent;
  }

  unref(): void {
    this.isUnref = true;
    unrefIfIdle();
  }

  ended(status: number): void {
    clearTimeout(this.#timer);
    this.#exit = exitOf(status);
    this.stdin?.destroy();
    this.emit("exit", ...this.#exit);
    this.#close();
  }

  #close(): void {
    if (this.#open === 0 && this.#exit) this.emit("close", ...this.#exit);
  }

  /** Makes a pipe, keeps its one end, and returns the program's. */
  #pipe(at: number): number {
    const fds = [0, 0];
    check("pipe2", libc.pipe2(fds, O_CLOEXEC), "for a program");
    const isInput = at === 0;
    const [own, their] = isInput ? [fds[1]!, fds[0]!] : [fds[0]!, fds[1]!];
    this.#keep(at, closingSocket({ fd: own, readable: !isInput, writable: isInput }));
    return their;
  }

  #keep(at: number, stream: Socket): Socket {
    this.stdio[at] = stream;
    if (at === 0) return stream;
    this.#open++;
    return stream.once("close", () => {
      this.#open--;
      this.#close();
    });
  }

  #failed(program: string, thrown: unknown): void {
    // Its outputs end by themselves, as no program holds them.
    this.stdin?.destroy();
    this.#exit = [null, null];
    const code = codeOf(thrown) ?? "UNKNOWN";
    this.emit("error", new CodedError(code, `spawn ${program} ${code}`, { cause: thrown }));
    this.#close();
  }
}

/** A socket that an error only closes. */
function closingSocket(options: SocketConstructorOpts): Socket {
  const socket = new Socket(options);
  return socket.on("error", () => socket.destroy());
}

/** Node warns of descriptors in worker threads that its own calls close and did not open. */
function openNull(): number {
  const path = Buffer.from("/dev/null\0");
  return check("openat", native.open(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0), "for a program");
}

/** Returns the pid. */
function start(
  program: string,
  args: readonly string[],
  fds: readonly number[],
  { env = process.env, cwd, detached = false }: SpawnOptions,
): number {
  const actions = Buffer.alloc(STRUCT_BYTES);
  const attributes = Buffer.alloc(STRUCT_BYTES);
  // Without an action that was not added the program would lack a descriptor.
  const done = (failure: number) => {
    if (failure !== 0) throw new SystemCallError("posix_spawn", failure, program);
  };
  native.initActions(actions);
  native.initAttributes(attributes);
  try {
    // To numbers above all first: one's place may be another's source.
    const above = Math.max(fds.length, ...fds.map((fd) => fd + 1));
    fds.forEach((fd, at) => done(native.dup2(actions, fd, above + at)));
    fds.forEach((_, at) => done(native.dup2(actions, above + at, at)));
    fds.forEach((_, at) => done(native.close(actions, above + at)));
    if (cwd !== undefined) done(native.chdir(actions, cwd));
    // Node ignores SIGPIPE; its threads block signals.
    native.setDefault(attributes, Buffer.alloc(SIGNALS_BYTES, 0xff));
    native.setMask(attributes, Buffer.alloc(SIGNALS_BYTES));
    const session = detached ? FLAGS.SETSID : 0;
    native.setFlags(attributes, FLAGS.SETSIGDEF | FLAGS.SETSIGMASK | session);
    const words = Object.entries(env).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${value}`],
    );
    const pid = [0];
    // As C's strings they would end there.
    if ([program, cwd, ...args, ...words].some((word) => word?.includes("\0"))) {
      throw new SystemCallError("posix_spawn", constants.errno.EINVAL, "a NUL in its words");
    }
    const argv = [program, ...args, null];
    done(native.spawn(pid, program, actions, attributes, argv, [...words, null]));
    return pid[0]!;
  } finally {
    native.endActions(actions);
  }
}

/** Reads wait(2)'s status. A signal without a name, of those for real time, is a shell's code. */
function exitOf(status: number): Events["exit"] {
  const signal = status & 0x7f;
  if (signal === 0) return [(status >> 8) & 0xff, null];
  const found = Object.entries(constants.signals).find(([, number]) => number === signal);
  return found ? [null, found[0] as NodeJS.Signals] : [128 + signal, null];
}
