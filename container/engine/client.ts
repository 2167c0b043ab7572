import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { CommandClient } from "@raft2kube/streaming/remote-command.ts";
import type { ResizeListener } from "@raft2kube/streaming/resize.ts";

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

/**
 * This process's streams as a command's client, until they are disposed of. Input is raw for a
 * terminal there, which the keys leave; `leave` does so too.
 */
export function clientHere({
  tty,
  isInput,
  keys,
}: {
  tty: boolean;
  isInput: boolean;
  keys?: string;
}) {
  const { stdin, stdout, stderr } = process;
  const left = new AbortController();
  const leave = () => left.abort();
  const isTyped = tty && keys !== undefined ? keyFinder(detachSequence(keys)) : () => false;
  const typed = (chunk: Buffer) => {
    if (isTyped(chunk)) leave();
  };
  let listener: ResizeListener | undefined;
  const resized = () => {
    if (stdout.isTTY) void listener?.({ width: stdout.columns, height: stdout.rows });
  };
  const setsRaw = isInput && tty && stdin.isTTY;
  if (setsRaw) stdin.setRawMode(true);
  if (isInput && keys !== undefined) stdin.on("data", typed);
  stdout.on("resize", resized);
  const client: CommandClient = {
    ...{ stdin: isInput ? stdin : undefined, stdout, stderr, gone: left.signal },
    onResize(given) {
      listener = given;
      resized();
    },
  };
  return {
    ...client,
    leave,
    [Symbol.dispose]() {
      stdout.off("resize", resized);
      if (!isInput) return;
      if (setsRaw) stdin.setRawMode(false);
      stdin.off("data", typed).unpipe().pause();
      stdin.unref?.();
    },
  };
}
