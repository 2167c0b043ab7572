import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { packetConnection } from "@raft2kube/linux/socket/packets.ts";
import { connectSeqpacket } from "@raft2kube/linux/socket/socket.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { ATTACH_PACKET_BYTES } from "@raft2kube/runtime/limits.ts";
import type { ContainerPaths } from "@raft2kube/runtime/paths.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

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
  let at = 0;
  return (chunk) => {
    for (const byte of chunk) {
      at = byte === sequence[at] ? at + 1 : byte === sequence[0] ? 1 : 0;
      if (at === sequence.length) return true;
    }
    return false;
  };
}

/** Sets the size of a container's terminal to this one's. */
async function resize({ controlFifo }: ContainerPaths, stdout: NodeJS.WriteStream): Promise<void> {
  try {
    await using pipe = await open(controlFifo, constants.O_WRONLY | constants.O_NONBLOCK);
    await pipe.write(`${RESIZE} ${stdout.rows} ${stdout.columns}\n`);
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
  options: { tty: boolean; keys: string },
): { over: Promise<"ended" | "detached"> } {
  const { incoming, outgoing } = packetConnection(connectSeqpacket(paths.attachSocket));
  const { promise, resolve } = Promise.withResolvers<"ended" | "detached">();
  const undo: (() => void)[] = [];
  const finish = (how: "ended" | "detached") => {
    for (const step of undo.splice(0)) step();
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
  if (options.tty) followSize(paths, undo);
  if (stdin) forward(stdin, outgoing, { ...options, undo, detach: () => finish("detached") });
  return { over: promise };
}

function followSize(paths: ContainerPaths, undo: (() => void)[]): void {
  const { stdout } = process;
  if (!stdout.isTTY) return;
  const changed = () => void resize(paths, stdout);
  changed();
  stdout.on("resize", changed);
  undo.push(() => stdout.off("resize", changed));
}

function forward(
  stdin: NodeJS.ReadStream,
  to: Writable,
  options: { tty: boolean; keys: string; undo: (() => void)[]; detach: () => void },
): void {
  const { tty, undo, detach } = options;
  const isTyped = keyFinder(detachSequence(options.keys));
  if (tty && stdin.isTTY) {
    stdin.setRawMode(true);
    undo.push(() => stdin.setRawMode(false));
  }
  const typed = (chunk: Buffer) => {
    if (tty && isTyped(chunk)) return detach();
    if (!writeInPackets(to, chunk)) (stdin as Readable).pause();
  };
  const resumed = () => void stdin.resume();
  const ended = () => void to.end();
  stdin.on("data", typed).on("end", ended);
  to.on("drain", resumed);
  undo.push(() => {
    stdin.off("data", typed).off("end", ended);
    stdin.pause();
    stdin.unref?.();
  });
}

/** Writes in pieces that conmon reads whole. Returns false when the writer should wait. */
function writeInPackets(to: Writable, chunk: Buffer): boolean {
  let goes = true;
  for (let at = 0; at < chunk.length; at += ATTACH_PACKET_BYTES) {
    goes = to.write(chunk.subarray(at, at + ATTACH_PACKET_BYTES));
  }
  return goes;
}
