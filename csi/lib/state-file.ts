import { readFile, stat } from "node:fs/promises";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { STATE_FILE_BYTES_MAX } from "./limits.ts";

/** Schema of a driver's state on disk. `parse` throws on anything that is not a valid `T`. */
export interface StateSchema<T> {
  readonly version: number;
  empty(): T;
  parse(data: unknown): T;
}

/** The file is damaged or from a newer program: continuing would forget volumes that exist. */
export class StateFileError extends CodedError {}

interface Envelope {
  schemaVersion: number;
  /** CRC-32C of the JSON text of `data`, eight hexadecimal digits. */
  checksum: string;
  data: unknown;
}

/**
 * State of a driver in one JSON file, replaced as a whole. Invariant: `current` is what the file
 * holds; a change is visible only after it is on disk, so that an answer given to a caller survives
 * a crash.
 */
export class StateFile<T> {
  readonly #file: string;
  readonly #schema: StateSchema<T>;
  /** Whether there was no file: volumes that exist are then unknown. */
  readonly created: boolean;
  #current: T;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(file: string, schema: StateSchema<T>, loaded: T | undefined) {
    this.#file = file;
    this.#schema = schema;
    this.#current = loaded ?? schema.empty();
    this.created = loaded === undefined;
  }

  /** Reads the file; a missing one is the empty state. Throws StateFileError (`STATE_*`). */
  static async open<T>(file: string, schema: StateSchema<T>): Promise<StateFile<T>> {
    return new StateFile(file, schema, await load(file, schema));
  }

  /** Writes the current state; from then on, a missing file means a lost one. */
  write(): Promise<void> {
    return this.change((current) => ({ ...current }));
  }

  get current(): Readonly<T> {
    return this.#current;
  }

  /**
   * Replaces the state by `change(current)`, durably. Calls are applied in the order made; one that
   * throws, or whose write fails, leaves file and memory as they were.
   */
  change(change: (current: Readonly<T>) => T): Promise<void> {
    const done = this.#tail.then(async () => {
      const next = change(this.#current);
      if (next === this.#current) return;
      await replaceFile(this.#file, seal(this.#schema.version, next));
      this.#current = next;
    });
    this.#tail = done.then(
      () => undefined,
      () => undefined, // its caller has the error; the next change starts from the state before it
    );
    return done;
  }
}

function seal(schemaVersion: number, data: unknown): string {
  const envelope: Envelope = { schemaVersion, checksum: checksumOf(data), data };
  return `${JSON.stringify(envelope, undefined, 1)}\n`;
}

function checksumOf(data: unknown): string {
  return crc32c(Buffer.from(JSON.stringify(data)))
    .toString(16)
    .padStart(8, "0");
}

async function load<T>(file: string, schema: StateSchema<T>): Promise<T | undefined> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > STATE_FILE_BYTES_MAX) throw damaged(file, `it has ${size} bytes`);
    text = await readFile(file, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
  const envelope = parseEnvelope(file, text);
  if (envelope.schemaVersion !== schema.version) {
    throw new StateFileError(
      "STATE_VERSION",
      `${file} has schema version ${envelope.schemaVersion}, this program reads ${schema.version}`,
      { remedy: "run the program that wrote it, or move the directory away to start empty" },
    );
  }
  if (envelope.checksum !== checksumOf(envelope.data)) throw damaged(file, "checksum mismatch");
  try {
    return schema.parse(envelope.data);
  } catch (thrown) {
    throw damaged(file, messageOf(thrown));
  }
}

function parseEnvelope(file: string, text: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw damaged(file, messageOf(thrown));
  }
  if (typeof value !== "object" || value === null) throw damaged(file, "not an object");
  const { schemaVersion, checksum, data } = value as Record<string, unknown>;
  if (typeof schemaVersion !== "number") throw damaged(file, "schemaVersion is missing");
  if (typeof checksum !== "string") throw damaged(file, "checksum is missing");
  return { schemaVersion, checksum, data };
}

function damaged(file: string, why: string): StateFileError {
  return new StateFileError("STATE_DAMAGED", `${file} is damaged: ${why}`, {
    remedy: "restore it from a backup; without it existing volumes cannot be identified",
  });
}
