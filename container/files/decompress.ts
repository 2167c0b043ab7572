import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { collect } from "@raft2kube/runtime/command.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { gunzip, unzstd } from "@raft2kube/runtime/image/compression.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { DECOMPRESSION_MIB } from "../limits.ts";

type Decompress = (source: Readable) => AsyncIterable<Buffer>;

const XZ = ["-dc", `--memlimit-decompress=${DECOMPRESSION_MIB}MiB`];
/** Compressions by the first bytes of a stream, in hexadecimal. */
const MAGIC: readonly (readonly [magic: string, decompress: Decompress])[] = [
  ["1f8b", gunzip],
  ["28b52ffd", (source) => unzstd(source)],
  ["fd377a585a00", (source) => through("xz", XZ, source)],
  ["425a68", (source) => through("bzip2", ["-dc"], source)],
];
const MAGIC_BYTES = 6;
/** Bytes of a program's complaint that are passed on. */
const COMPLAINT_BYTES = 300;

/** The decompression that a stream needs, as its first bytes say; undefined for none. */
export function decompressionOf(first: Buffer): Decompress | undefined {
  const start = first.toString("hex", 0, MAGIC_BYTES);
  return MAGIC.find(([magic]) => start.startsWith(magic))?.[1];
}

/** A stream that may be compressed by gzip, zstd, xz or bzip2. */
export async function decompressed(source: Readable): Promise<Readable> {
  const first = await new Promise<Buffer>((resolve, reject) => {
    const take = () => {
      const chunk = source.read() as Buffer | null;
      if (chunk === null) return;
      source.off("readable", take);
      resolve(chunk);
    };
    source
      .on("readable", take)
      .once("end", () => resolve(Buffer.alloc(0)))
      .once("error", reject);
  });
  source.unshift(first);
  const decompress = decompressionOf(first);
  const plain = decompress ? Readable.from(decompress(source)) : source;
  return plain.on("error", () => plain.destroy());
}

/** The output of a program that reads a stream. It is killed when no more of it is wanted. */
async function* through(
  program: string,
  args: readonly string[],
  source: Readable,
): AsyncGenerator<Buffer> {
  const { promise: code, resolve, reject } = Promise.withResolvers<number | null>();
  const child = spawnProgram(program, args);
  child.on("exit", resolve);
  child.on("error", (cause) => {
    const remedy = `install ${program === "xz" ? "xz-utils" : program}`;
    reject(new RuntimeError("failed-precondition", cause.message, { cause, remedy }));
  });
  code.catch(() => undefined); // its reader may have gone before
  const complaint = collect(child.stderr, COMPLAINT_BYTES);
  let readFailure: unknown;
  // A program that has ended takes no more: its code says why.
  const fed = pipeline(source, child.stdin).catch((thrown: unknown) => void (readFailure = thrown));
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    if ((await code) === 0) return;
    await fed;
    const why = printable(complaint().toString().trim()) || String(readFailure);
    throw new RuntimeError("invalid-argument", `not decompressed: ${why}`);
  } finally {
    child.kill("SIGKILL");
    source.destroy();
  }
}
