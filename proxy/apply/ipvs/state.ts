import type { IpsetEntry } from "@raft2kube/linux/netfilter/ipset.ts";
import type { VirtualServer } from "@raft2kube/linux/netfilter/ipvs.ts";
import { type Difference, Ownership } from "@raft2kube/linux/netfilter/ownership.ts";
import type { Target } from "../../plan/model.ts";
import type { SetName } from "./layout.ts";
import type { Wanted } from "./wanted.ts";

/** A virtual server with its destinations. */
export type WantedServer = { server: VirtualServer; targets: readonly Target[] };

/** Changes to the kernel's tables. */
export interface Steps {
  servers: { set: WantedServer[]; removed: WantedServer[] };
  entries: { added: Map<SetName, IpsetEntry[]>; removed: Map<SetName, IpsetEntry[]> };
  addresses: { added: string[]; removed: string[] };
}

/** The objects that an owner needs, by kind; a value is the object's JSON. */
interface Named {
  servers: Map<string, string>;
  entries: Map<string, string>;
  addresses: Map<string, string>;
}

const NOTHING: Wanted = { servers: [], entries: [], addresses: [] };

/**
 * The wanted state of the kernel. Turns changes of Services into steps. Pure: the caller applies
 * them.
 */
export class IpvsState {
  readonly #wanted = new Map<string, Named>();
  readonly #servers = new Ownership();
  readonly #entries = new Ownership();
  readonly #addresses = new Ownership();
  readonly #counts = new Map<SetName, number>();

  change(changes: ReadonlyMap<string, Wanted | undefined>): Steps {
    const next = new Map([...changes].map(([key, wanted]) => [key, named(wanted ?? NOTHING)]));
    for (const [key, now] of next) {
      const old = this.#wanted.get(key) ?? named(NOTHING);
      this.#servers.release(key, old.servers.keys(), now.servers);
      this.#entries.release(key, old.entries.keys(), now.entries);
      this.#addresses.release(key, old.addresses.keys(), now.addresses);
    }
    for (const [key, now] of next) {
      this.#servers.acquire(key, now.servers);
      this.#entries.acquire(key, now.entries);
      this.#addresses.acquire(key, now.addresses);
      if (changes.get(key)) this.#wanted.set(key, now);
      else this.#wanted.delete(key);
    }
    const entries = entrySteps(this.#entries.take());
    this.#count(entries.added, 1);
    this.#count(entries.removed, -1);
    return {
      servers: serverSteps(this.#servers.take()),
      entries,
      addresses: addressSteps(this.#addresses.take()),
    };
  }

  /** All virtual servers by name. */
  servers(): Map<string, WantedServer> {
    const all = [...this.#servers.applied()];
    return new Map(all.map(([name, value]) => [name, parse<WantedServer>(value)]));
  }

  /** The number of entries of each set; sets that never had one are left out. */
  entryCounts(): ReadonlyMap<SetName, number> {
    return this.#counts;
  }

  #count(changed: ReadonlyMap<SetName, readonly IpsetEntry[]>, sign: 1 | -1): void {
    for (const [set, { length }] of changed) {
      this.#counts.set(set, (this.#counts.get(set) ?? 0) + sign * length);
    }
  }

  addresses(): Set<string> {
    return new Set([...this.#addresses.applied()].map(([name]) => name));
  }
}

/** The name of a virtual server. */
export function serverName(server: Pick<VirtualServer, "address" | "protocol" | "port">): string {
  return `${server.protocol} ${server.address}:${server.port}`;
}

const named = ({ servers, entries, addresses }: Wanted): Named => ({
  servers: new Map(servers.map((item) => [serverName(item.server), JSON.stringify(item)])),
  entries: new Map(entries.map((item) => [JSON.stringify(item), ""])),
  addresses: new Map(addresses.map((address) => [address, ""])),
});

/** Reads an object that `named` wrote. */
const parse = <T>(text: string) => JSON.parse(text) as T;

function serverSteps(differences: readonly Difference[]): Steps["servers"] {
  const set: WantedServer[] = [];
  const removed: WantedServer[] = [];
  for (const { was, is } of differences) {
    if (is !== undefined) set.push(parse(is));
    else if (was !== undefined) removed.push(parse(was));
  }
  return { set, removed };
}

function entrySteps(differences: readonly Difference[]): Steps["entries"] {
  const added = new Map<SetName, IpsetEntry[]>();
  const removed = new Map<SetName, IpsetEntry[]>();
  for (const { name, is } of differences) {
    const { set, entry } = parse<Wanted["entries"][number]>(name);
    const side = is === undefined ? removed : added;
    const list = side.get(set);
    if (list) list.push(entry);
    else side.set(set, [entry]);
  }
  return { added, removed };
}

function addressSteps(differences: readonly Difference[]): Steps["addresses"] {
  const names = (wanted: boolean) =>
    differences.filter(({ is }) => (is !== undefined) === wanted).map(({ name }) => name);
  return { added: names(true), removed: names(false) };
}
