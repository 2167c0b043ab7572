import { type FSWatcher, watch } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { openFile } from "@raft2kube/linux/beneath/open-file.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { LOG_FOLLOW_MS_MIN, LOG_FOLLOW_POLL_MS, LOG_LINE_BYTES_MAX } from "../limits.ts";
import { type CriLogLine, parseCriLogLine } from "./cri-log-line.ts";
import { type LogDirectory, logFiles, openLogDirectory } from "./log-directory.ts";
import { type LogPosition, tailPosition } from "./tail-position.ts";

/** The requested part of a log (PodLogOptions). */
export interface LogOptions {
  follow: boolean;
  timestamps: boolean;
  /** Only entries from then on, milliseconds since 1970. */
  since_ms: number | undefined;
  tailLines: number | undefined;
  limitBytes: number | undefined;
  stream: "stdout" | "stderr" | undefined;
}

export interface LogSource {
  /** The directory of all pods' logs, and the log's path beneath it. */
  podLogsDir: string;
  path: string;
  clock: Clock;
  signal: AbortSignal;
  /** Whether the container may still write; a follower ends when it may not. */
  mayWrite(): Promise<boolean>;
}

/** The log's text as wanted, piece by piece, through rotations; with `follow` until its end. */
export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  const wish = new Wish(options);
  for await (const lines of wholeLines(source, options)) {
    // Short lines take 4 ms for each 64 KiB, and a user may read hundreds of logs.
    await nextTurn();
    const text = wish.textOf(lines);
    if (text.length > 0) yield text;
    if (wish.isFulfilled) return;
  }
}

/** The part of a log that is still wanted. */
class Wish {
  readonly #options: LogOptions;
  #left_bytes: number;
  /** Lines that are left: `tailLines` without `follow`, however many are written meanwhile. */
  #left_lines: number;
  #lineBegins = true;

  constructor(options: LogOptions) {
    const { follow, tailLines = Infinity, limitBytes = Infinity } = options;
    this.#options = options;
    this.#left_bytes = limitBytes;
    this.#left_lines = follow ? Infinity : tailLines;
  }

  get isFulfilled(): boolean {
    return this.#left_bytes <= 0 || this.#left_lines <= 0;
  }

  /** Returns the wanted text of these lines of the file, the last of which may lack its newline. */
  textOf(lines: Buffer): Buffer {
    const pieces: Buffer[] = [];
    for (let at = 0; at < lines.length && !this.isFulfilled; ) {
      const newline = lines.indexOf("\n", at);
      const end = newline < 0 ? lines.length : newline;
      this.#add(lines.subarray(at, end), pieces);
      at = end + 1;
    }
    return Buffer.concat(pieces);
  }

  #add(line: Buffer, pieces: Buffer[]): void {
    this.#left_lines--;
    const entry = parseCriLogLine(line);
    if (!entry || !wanted(entry, this.#options)) return;
    const time = this.#options.timestamps && this.#lineBegins ? `${timeOf(entry)} ` : "";
    this.#lineBegins = entry.full;
    for (const part of [Buffer.from(time), entry.text, entry.full ? EOL : NOTHING]) {
      if (part.length === 0) continue;
      pieces.push(part.subarray(0, Math.max(0, this.#left_bytes)));
      this.#left_bytes -= part.length;
    }
  }
}

const EOL = Buffer.from("\n");
const NOTHING = Buffer.alloc(0);

/** The entry's time as Go prints it: conmon writes UTC as an offset. */
const timeOf = ({ time }: CriLogLine): string => time.replace(/\+00:00$/, "Z");

function wanted(entry: CriLogLine, { since_ms, stream }: LogOptions): boolean {
  if (stream && entry.stream !== stream) return false;
  return since_ms === undefined || Date.parse(entry.time) >= since_ms;
}

/** The whole lines of all files from the wanted position on, some at a time. */
async function* wholeLines(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  using opened = openLogDirectory(source.podLogsDir, source.path);
  // A pod's logs are there before its first container is made.
  if (!opened) return;
  const { directory } = opened;
  const files = logFiles(opened);
  const { tailLines } = options;
  const start: LogPosition =
    tailLines === undefined
      ? { file: 0, offset: 0 }
      : await tailPosition(directory, files, tailLines);
  await using _ = start.handle;
  start.handle ??= await openFirst(directory, files.slice(start.file));
  if (options.follow) yield* followed(source, opened, start);
  else yield* unfollowed(opened, start, files.length - start.file);
}

/** The lines of so many files, from a position on. */
async function* unfollowed(
  opened: LogDirectory,
  { handle, offset }: LogPosition,
  files: number,
): AsyncGenerator<Buffer> {
  try {
    const cursor = { offset, rest: NOTHING };
    for (let left = files; handle && left > 0; left--) {
      yield* linesOf(handle, cursor);
      if (cursor.rest.length > 0) yield cursor.rest;
      const next: FileHandle | undefined = left > 1 ? await nextFile(opened, handle) : undefined;
      await handle.close();
      handle = next;
      Object.assign(cursor, { offset: 0, rest: NOTHING });
    }
  } finally {
    await handle?.close();
  }
}

/** Whole lines as they come, going over to the next file when the log was rotated. */
async function* followed(
  source: LogSource,
  opened: LogDirectory,
  { handle, offset }: LogPosition,
): AsyncGenerator<Buffer> {
  const { directory, name } = opened;
  const { clock, signal } = source;
  using changes = new Changes(`/proc/self/fd/${directory.fd}`, clock, signal);
  let cursor = { offset, rest: NOTHING };
  let open = true;
  let asked_ms = -Infinity;
  try {
    while (!signal.aborted) {
      handle ??= await openFile(directory, name);
      // Asked before reading: what is written until the answer is read afterwards.
      if (clock.monotonic() - asked_ms >= LOG_FOLLOW_POLL_MS) {
        asked_ms = clock.monotonic();
        open = await source.mayWrite();
      }
      if (handle) yield* linesOf(handle, cursor);
      if (handle && (await replaced(handle, opened))) {
        yield* linesOf(handle, cursor);
        const next = await nextFile(opened, handle);
        if (next) {
          if (cursor.rest.length > 0) yield cursor.rest;
          await handle.close();
          handle = next;
          cursor = { offset: 0, rest: NOTHING };
          continue;
        }
      }
      if (!open) {
        if (cursor.rest.length > 0) yield cursor.rest;
        return;
      }
      await changes.next(asked_ms + LOG_FOLLOW_POLL_MS);
    }
  } finally {
    await handle?.close();
  }
}

async function replaced(handle: FileHandle, opened: LogDirectory): Promise<boolean> {
  const ino = inoOf(opened, opened.name);
  // Without one it was renamed, and the new file is not made yet.
  return ino !== undefined && ino !== (await handle.stat()).ino;
}

/** Opens the first of the files that is there. */
async function openFirst(
  directory: Directory,
  names: readonly string[],
): Promise<FileHandle | undefined> {
  for (const name of names) {
    const handle = await openFile(directory, name);
    if (handle) return handle;
  }
  return undefined;
}

/**
 * Opens the file that follows another one of the log, which may have been rotated several times
 * meanwhile; the oldest if that one was removed. Undefined when none follows yet.
 */
async function nextFile(opened: LogDirectory, last: FileHandle): Promise<FileHandle | undefined> {
  const { ino } = await last.stat();
  for (;;) {
    const next = await openFirst(opened.directory, filesAfter(opened, ino));
    if (!next) return undefined;
    // A rotation may have renamed it between the two steps, so that the next but one was opened.
    const [expected = ""] = filesAfter(opened, ino);
    if (inoOf(opened, expected) === (await next.stat()).ino) return next;
    await next.close();
  }
}

function filesAfter(opened: LogDirectory, ino: number): string[] {
  const files = logFiles(opened);
  return files.slice(files.findIndex((file) => inoOf(opened, file) === ino) + 1);
}

function inoOf({ directory }: LogDirectory, file: string): number | undefined {
  using found = directory.find(file);
  return found?.stats().ino;
}

interface Cursor {
  offset: number;
  /** The beginning of a line whose end is not written yet. */
  rest: Buffer;
}

const CHUNK_BYTES = 64 * 1024;

/** The whole lines from the cursor to the end of the file; the cursor moves along. */
async function* linesOf(handle: FileHandle, cursor: Cursor): AsyncGenerator<Buffer> {
  for (;;) {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, cursor.offset);
    if (bytesRead === 0) return;
    cursor.offset += bytesRead;
    const data = Buffer.concat([cursor.rest, buffer.subarray(0, bytesRead)]);
    const end = data.lastIndexOf("\n") + 1;
    // A line without end must not fill the memory.
    cursor.rest = data.length - end > LOG_LINE_BYTES_MAX ? NOTHING : data.subarray(end);
    if (end > 0) yield data.subarray(0, end);
  }
}

/**
 * Wakes a follower when the log's directory changes, LOG_FOLLOW_MS_MIN apart, when it is due, and
 * when the signal is aborted.
 */
class Changes implements Disposable {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #watcher: FSWatcher | undefined;
  readonly #wake = () => this.#woken.resolve();
  #woken = Promise.withResolvers<void>();

  constructor(dir: string, clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener("abort", this.#wake);
    try {
      this.#watcher = watch(dir, this.#wake);
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch (thrown) {
      // No watch to be had (the directory is going, the limit is reached): polling does.
      if (!isErrno(thrown, "ENOENT", "ENOSPC", "EMFILE")) throw thrown;
    }
  }

  async next(due_ms: number): Promise<void> {
    await delay(this.#clock, LOG_FOLLOW_MS_MIN, this.#signal);
    const timer = this.#clock.after(due_ms - this.#clock.monotonic(), this.#wake);
    await this.#woken.promise;
    timer.cancel();
    if (!this.#signal.aborted) this.#woken = Promise.withResolvers();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#signal.removeEventListener("abort", this.#wake);
  }
}
