import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Backend } from "../backend/backend.ts";
import { type OnDamage, openBackend } from "../backend/checked.ts";
import type { MemberMetrics } from "../metrics/member.ts";
import { META_KEY } from "../mvcc/persist/flush/meta.ts";
import type { Identity } from "../mvcc/state/state.ts";
import { loadSnapshot } from "../snapshot/load.ts";

export interface BackendsOptions {
  /** Called for each damaged record that is read from a database. */
  onDamage?: OnDamage;
  metrics?: MemberMetrics;
}

const FIRST = "db";
const NAME = /^db(-[0-9a-f]{16})?$/;

/**
 * A member's databases: one, and while a snapshot is installed a second beside it, named after the
 * snapshot's index. The record of the state is written last, so the newest that has one is whole.
 */
export class Backends {
  readonly #folder: string;
  readonly #options: BackendsOptions;

  constructor(dataDir: string, options: BackendsOptions = {}) {
    this.#folder = join(dataDir, "member");
    this.#options = options;
  }

  /** Opens the newest whole database, or an empty one; removes all others. */
  async open(): Promise<Backend> {
    const { name, backend } = await this.openNewest();
    this.#removeAllBut(name);
    return backend;
  }

  /** The same, and leaves the others where they are. */
  async openNewest(): Promise<{ name: string; backend: Backend }> {
    for (const name of this.#names().filter((each) => each !== FIRST)) {
      const backend = await this.#open(name);
      if (backend.getSync(META_KEY)) return { name, backend };
      await backend.close();
    }
    return { name: FIRST, backend: await this.#open(FIRST) };
  }

  /** A new database with the state of a snapshot at `index`. */
  async load(snapshot: string, index: number, identity: Identity): Promise<Backend> {
    const name = `${FIRST}-${index.toString(16).padStart(16, "0")}`;
    rmSync(join(this.#folder, name), { recursive: true, force: true });
    const backend = await this.#open(name);
    await loadSnapshot(snapshot, backend, identity);
    return backend;
  }

  /** Closes a database that another has replaced, and removes all but the newest. */
  async retire(old: Backend): Promise<void> {
    await old.close();
    this.#removeAllBut(this.#names()[0]!);
  }

  async #open(name: string): Promise<Backend> {
    const { onDamage, metrics } = this.#options;
    const backend = await openBackend(join(this.#folder, name), onDamage);
    return metrics?.backend(backend) ?? backend;
  }

  /**
   * Names of the databases, the newest first: later indexes sort after earlier ones, and all after
   * the first's name.
   */
  #names(): string[] {
    const names = readdirSync(this.#folder).filter((name) => NAME.test(name));
    return names.sort().reverse();
  }

  #removeAllBut(kept: string): void {
    for (const name of this.#names()) {
      if (name !== kept) rmSync(join(this.#folder, name), { recursive: true });
    }
  }
}
