import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { Inode } from "./inode.ts";

/** The file that a change leaves under each name that it touches; undefined: no file. */
type NameChange = readonly (readonly [string, Inode | undefined])[];

/** A folder's names: they are durable only once the folder itself was synced. */
export class Folder {
  names = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #unsynced: NameChange[] = [];

  get(name: string): Inode {
    const inode = this.names.get(name);
    if (!inode) throw Object.assign(new Error(`ENOENT: no file ${name}`), { code: "ENOENT" });
    return inode;
  }

  create(name: string): Inode {
    const inode = new Inode();
    this.#change([[name, inode]]);
    return inode;
  }

  rename(from: string, to: string): void {
    const inode = this.get(from);
    this.#change([
      [from, undefined],
      [to, inode],
    ]);
  }

  remove(name: string): void {
    this.get(name);
    this.#change([[name, undefined]]);
  }

  sync(): void {
    for (const change of this.#unsynced) apply(change, this.#durable);
    this.#unsynced = [];
  }

  /**
   * Power is lost: the folder's journal keeps a beginning of its changes. Returns how many names
   * changed back.
   */
  crash(random: Random): number {
    const kept = randomInteger(random, 0, this.#unsynced.length + 1);
    const lost = this.#unsynced.length - kept;
    for (const change of this.#unsynced.slice(0, kept)) apply(change, this.#durable);
    this.#unsynced = [];
    this.names = new Map(this.#durable);
    return lost;
  }

  /** Returns a copy of the folder and of its files. */
  copy(): Folder {
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode) => {
      if (!copies.has(inode)) copies.set(inode, inode.copy());
      return copies.get(inode)!;
    };
    const copied = (names: Map<string, Inode>) =>
      new Map([...names].map(([name, inode]) => [name, copyOf(inode)]));
    const result = new Folder();
    result.names = copied(this.names);
    result.#durable = copied(this.#durable);
    result.#unsynced = this.#unsynced.map((change) =>
      change.map(([name, inode]) => [name, inode && copyOf(inode)]),
    );
    return result;
  }

  #change(change: NameChange): void {
    apply(change, this.names);
    this.#unsynced.push(change);
  }
}

function apply(change: NameChange, names: Map<string, Inode>): void {
  for (const [name, inode] of change) {
    if (inode) names.set(name, inode);
    else names.delete(name);
  }
}
