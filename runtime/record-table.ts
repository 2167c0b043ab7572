import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { Groups } from "@raft2kube/std/groups.ts";
import { RuntimeError } from "./errors.ts";
import { readState, type StateKind, writeState } from "./state-file.ts";

/**
 * Records by id, in memory and each in its own file: a change is on disk before it is seen. Records
 * are replaced, never changed in place.
 */
export class RecordTable<T extends { id: string }> {
  readonly #what: string;
  readonly #kind: StateKind;
  readonly #fileOf: (id: string) => string;
  readonly #groupOf: (record: T) => string | undefined;
  readonly #records = new Map<string, T>();
  /** Ids by the group that `groupOf` gives to their records, which they never change. */
  readonly #groups = new Groups();

  /** `what` names a record in errors: `container`. */
  constructor(
    what: string,
    kind: StateKind,
    fileOf: (id: string) => string,
    groupOf: (record: T) => string | undefined = () => undefined,
  ) {
    this.#what = what;
    this.#kind = kind;
    this.#fileOf = fileOf;
    this.#groupOf = groupOf;
  }

  /**
   * Reads all records below a directory; `kept` gives the part that stays in memory. A folder
   * without a record is a creation cut short: removed.
   */
  async load(directory: string, kept = (record: T): T => record): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o711 });
    for (const id of await readdir(directory)) {
      const record = readState<T>(this.#fileOf(id), this.#kind);
      if (record) this.#set(kept(record));
      else await removePath(path.join(directory, id));
    }
  }

  find(id: string): T | undefined {
    return this.#records.get(id);
  }

  /** The id of the only record whose id starts so; else the text as it is. Throws for several. */
  wholeId(start: string): string {
    if (this.#records.has(start) || !/^[0-9a-f]{1,63}$/.test(start)) return start;
    const [found = start, ...more] = [...this.#records.keys()].filter((id) => id.startsWith(start));
    if (more.length === 0) return found;
    const message = `${more.length + 1} ${this.#what}s' ids start with ${start}`;
    throw new RuntimeError("invalid-argument", message);
  }

  /** Throws not-found. */
  get(id: string): T {
    const record = this.#records.get(id);
    if (record) return record;
    throw new RuntimeError("not-found", `${this.#what} ${JSON.stringify(id)} not found`);
  }

  values(): T[] {
    return [...this.#records.values()];
  }

  /** The records of a group, without a look at others. */
  ofGroup(group: string): T[] {
    return [...this.#groups.of(group)].map((id) => this.get(id));
  }

  async put(record: T): Promise<void> {
    await writeState(this.#fileOf(record.id), this.#kind, record);
    this.#set(record);
  }

  #set(record: T): void {
    this.#records.set(record.id, record);
    const group = this.#groupOf(record);
    if (group !== undefined) this.#groups.add(group, record.id);
  }

  /**
   * Replaces a record by what the machine shows, which a later start finds again: on a full disk it
   * changes in memory alone, so that what fills the disk can be stopped and removed.
   */
  async observe(record: T): Promise<void> {
    const written = writeState(this.#fileOf(record.id), this.#kind, record);
    await tolerate(written, errno("ENOSPC", "EDQUOT"));
    this.#set(record);
  }

  /** Forgets a record, its file first; not an error when it is not there. */
  async remove(id: string): Promise<void> {
    await tolerate(rm(this.#fileOf(id)), errno("ENOENT"));
    const record = this.#records.get(id);
    const group = record && this.#groupOf(record);
    if (group !== undefined) this.#groups.delete(group, id);
    this.#records.delete(id);
  }
}

/** An id for a sandbox or container: 256 random bits in hexadecimal, as other runtimes have. */
export const newId = (): string => randomBytes(32).toString("hex");
