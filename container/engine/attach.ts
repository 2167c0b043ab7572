import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { packetConnection } from "@raft2kube/linux/socket/packets.ts";
import { connectSeqpacket } from "@raft2kube/linux/socket/socket.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { ATTACH_PACKET_BYTES } from "@raft2kube/runtime/limits.ts";
import type { ContainerPaths } from "@raft2kube/runtime/paths.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

type Size = { width: number; height: number };

const STDERR = 3;
const RESIZE = 1;

/** Reads `ctrl-p,ctrl-q` as the bytes that are typed. */
export function detachSequence(keys: string): Buffer {
  return Buffer.from(
    keys.split(",").map((key) => {
      const letter = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
      if (letter !== undefined) return letter.toUpperCase().charCodeAt(0) & 0x1f;
      if (key.length === 1) return key.charCodeAt(0);
      const why = "not keys such as ctrl-p,ctrl-q";
      throw new RuntimeError("invalid-argument", `--detach-keys ${JSON.stringify(keys)}: ${why}`);
    }),
  );
}

/** Finds a sequence of keys in what is typed, in pieces of any size. */
export function keyFinder(sequence: Buffer): (chunk: Buffer) => boolean {
  let last = Buffer.alloc(0);
  return (chunk) => {
    const typed = Buffer.concat([last, chunk]);
    last = typed.subarray(Math.max(0, typed.length - sequence.length + 1));
    return typed.includes(sequence);
  };
}

/** Sets the size of a container's terminal. */
async function resize({ controlFifo }: ContainerPaths, { width, height }: Size): Promise<void> {
  try {
    await using pipe = await open(controlFifo, constants.O_WRONLY | constants.O_NONBLOCK);
    await pipe.write(`${RESIZE} ${height} ${width}\n`);
  } catch (error) {
    // The container has ended.
    if (!isErrno(error, "ENXIO", "ENOENT")) throw error;
  }
}

/**
 * Connects a container under conmon with this process's terminal or pipes. Resolves when it has
 * ended, with `detached` when the keys were typed. The container must be there; it need not have
 * been started.
 */
export function attachHere(
  paths: ContainerPaths,
  stdin: NodeJS.ReadStream | undefined,
  { tty, keys }: { tty: boolean; keys: string },
): { over: Promise<"ended" | "detached"> } {
  const { incoming, outgoing } = packetConnection(connectSeqpacket(paths.attachSocket));
  const { promise, resolve } = Promise.withResolvers<"ended" | "detached">();
  const stack = new DisposableStack();
  const finish = (how: "ended" | "detached") => {
    stack.dispose();
    incoming.destroy();
    resolve(how);
  };
  incoming.on("data", (packet: Buffer) => {
    const to = packet[0] === STDERR ? process.stderr : process.stdout;
    if (to.write(packet.subarray(1))) return;
    incoming.pause();
    to.once("drain", () => incoming.resume());
  });
  incoming.on("close", () => finish("ended"));
  outgoing.on("error", () => undefined);
  if (tty) stack.use(followSize((size) => void resize(paths, size)));
  const left = tty ? { keys, detach: () => finish("detached") } : {};
  const typed = { isRaw: tty, ended: () => void outgoing.end(), ...left };
  if (stdin) stack.use(typeInto(outgoing, stdin, typed));
  return { over: promise };
}

/** The size of this process's terminal, in characters; undefined when it has none. */
export function sizeHere(): Size | undefined {
  const { isTTY, columns, rows } = process.stdout;
  return isTTY ? { width: columns, height: rows } : undefined;
}

/** Gives another terminal the size of this process's, now and when it changes. */
export function followSize(resized: (size: Size) => void): Disposable {
  const changed = () => {
    const size = sizeHere();
    if (size) resized(size);
  };
  changed();
  process.stdout.on("resize", changed);
  return { [Symbol.dispose]: () => void process.stdout.off("resize", changed) };
}

/** How input is passed on: raw for a terminal there, which the keys leave. */
type Typing = { isRaw: boolean; keys?: string; detach?: () => void; ended?: () => void };

/** Passes on what is typed or read here. */
export function typeInto(
  to: Writable,
  stdin: NodeJS.ReadStream,
  { isRaw, keys, detach, ended = () => undefined }: Typing,
): Disposable {
  const isTyped = keys === undefined ? () => false : keyFinder(detachSequence(keys));
  const setsRaw = isRaw && stdin.isTTY;
  if (setsRaw) stdin.setRawMode(true);
  const typed = (chunk: Buffer) => {
    if (isTyped(chunk)) return detach?.();
    if (!writeInPackets(to, chunk)) (stdin as Readable).pause();
  };
  const resumed = () => void stdin.resume();
  stdin.on("data", typed).on("end", ended);
  to.on("drain", resumed);
  return {
    [Symbol.dispose]() {
      if (setsRaw) stdin.setRawMode(false);
      stdin.off("data", typed).off("end", ended);
      stdin.pause();
      stdin.unref?.();
    },
  };
}

/** Writes in pieces that conmon reads whole. Returns false when the writer should wait. */
function writeInPackets(to: Writable, chunk: Buffer): boolean {
  let goes = true;
  for (let at = 0; at < chunk.length; at += ATTACH_PACKET_BYTES) {
    goes = to.write(chunk.subarray(at, at + ATTACH_PACKET_BYTES));
  }
  return goes;
}
