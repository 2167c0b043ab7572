import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LogBase } from "../core/types.ts";

/** Names of this store's files: etcd keeps its database in a folder of the same name. */
const OWN = /^[0-9a-f]{16}-.*\.(out|snap|in)(\.part)?$/;

const hex = (value: number) => value.toString(16).padStart(16, "0");

/** Where a member keeps snapshots: those it sends, and the one it received and installs. */
export class SnapshotFolder {
  readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, "member", "snap");
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
  }

  /** A file made here, to be sent. */
  outgoing({ index, term }: LogBase): string {
    return join(this.path, `${hex(index)}-${hex(term)}.out`);
  }

  /** A file from the leader: the log's record names it, so it stays until it is installed. */
  received({ index, term }: LogBase): string {
    return join(this.path, `${hex(index)}-${hex(term)}.snap`);
  }

  /** A file on its way in; its name says whether what is there belongs to the same file. */
  incoming({ index, term }: LogBase, crc: number): string {
    return join(this.path, `${hex(index)}-${hex(term)}-${crc.toString(16)}.in`);
  }

  /** Another file is arriving: the parts of earlier ones are no longer needed. */
  dropIncoming(keep: string): void {
    for (const name of readdirSync(this.path)) {
      const file = join(this.path, name);
      if (name.endsWith(".in") && file !== keep) rmSync(file, { force: true });
    }
  }

  /** A received file is no longer needed: the log names a newer one, or has all that it has. */
  drop(mark: LogBase): void {
    rmSync(this.received(mark), { force: true });
  }

  /** A received state is in use: its file and older ones go, one received meanwhile stays. */
  installed({ index }: LogBase): void {
    for (const name of readdirSync(this.path)) {
      const received = name.endsWith(".snap") && Number.parseInt(name, 16) <= index;
      if (received) rmSync(join(this.path, name), { force: true });
    }
  }

  /** Removes all snapshots: none is of use after a start. */
  clean(): void {
    for (const name of readdirSync(this.path)) {
      if (OWN.test(name)) rmSync(join(this.path, name), { force: true });
    }
  }
}
