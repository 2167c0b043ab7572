import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { Inode } from "./inode.ts";

type NameChange = (names: Map<string, Inode>) => void;

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
    this.#change((names) => names.set(name, inode));
    return inode;
  }

  rename(from: string, to: string): void {
    const inode = this.get(from);
    this.#change((names) => {
      names.delete(from);
      names.set(to, inode);
    });
  }

  remove(name: string): void {
    this.get(name);
    this.#change((names) => names.delete(name));
  }

  sync(): void {
    for (const change of this.#unsynced) change(this.#durable);
    this.#unsynced = [];
  }

  /**
   * Power is lost: the folder's journal keeps a beginning of its changes. Returns how many names
   * changed back.
   */
  crash(random: Random): number {
    const kept = randomInteger(random, 0, this.#unsynced.length + 1);
    const lost = this.#unsynced.length - kept;
    for (const change of this.#unsynced.slice(0, kept)) change(this.#durable);
    this.#unsynced = [];
    this.names = new Map(this.#durable);
    return lost;
  }

  #change(change: NameChange): void {
    change(this.names);
    this.#unsynced.push(change);
  }
}
