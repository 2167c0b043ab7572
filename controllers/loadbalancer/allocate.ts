import { addressesOf, DEFAULT_POOL, type Pool, poolOf } from "./pools.ts";

/** A Service of the type LoadBalancer, as far as its address is concerned. */
export interface Wanted {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  /** When it was created, as RFC 3339: of two that want the same the older has it. */
  readonly since: string;
  /** The address of the Service at present. */
  readonly current: string | undefined;
  /** The pool and the address by the Service's wish. */
  readonly pool: string | undefined;
  readonly address: string | undefined;
  /** Services of one namespace with the same key share an address. */
  readonly sharing: string | undefined;
  /** The ports of the Service, each with its protocol, such as `TCP/80`. */
  readonly ports: readonly string[];
  /** The selector with externalTrafficPolicy Local, else empty: one node serves an address. */
  readonly local: string;
}

/** The address of a Service, or the reason why it has none. */
export type Outcome = { readonly address: string } | { readonly refused: string };

/**
 * Decides the address of each Service. A Service keeps one that it may have, before any other is
 * asked for; then the older Services choose first: the address they ask for, one that they may
 * share, or the first free one of their pool. Services share an address within a namespace alone,
 * under one key, with different ports and either no local traffic policy or one selector. No
 * Service is given one of `ofNodes`, addresses that Nodes report; what one reports later takes no
 * Service's.
 */
export function allocate(
  services: readonly Wanted[],
  pools: readonly Pool[],
  ofNodes: ReadonlySet<string> = new Set(),
): Map<string, Outcome> {
  const holders = new Map<string, Holder>();
  /** The addresses of each group of Services that may share. */
  const shared = new Map<string, Set<string>>();
  const outcomes = new Map<string, Outcome>();
  const hold = (service: Wanted, address: string) => {
    const group = groupOf(service);
    const holder = holders.get(address) ?? { group, ports: new Set() };
    holders.set(address, holder);
    for (const port of service.ports) holder.ports.add(port);
    outcomes.set(service.key, { address });
    if (group !== undefined) shared.set(group, (shared.get(group) ?? new Set()).add(address));
  };
  /** Why a Service may not have an address; undefined: it may. */
  const problemOf = (service: Wanted, address: string): string | undefined => {
    if (service.address !== undefined && service.address !== address) return "it asks for another";
    const pool = poolOf(pools, address);
    if (!pool) return `${address} is in no pool`;
    const name = service.pool ?? (service.address === undefined ? DEFAULT_POOL : pool.name);
    if (pool.name !== name) return `${address} is not in pool ${name}`;
    const holder = holders.get(address);
    return holder && !mayShare(service, holder)
      ? `${address} is in use by another Service`
      : undefined;
  };
  const age = ({ since, key }: Wanted) => `${since} ${key}`;
  const byAge = services.toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
  for (const service of byAge) {
    const { current } = service;
    if (current !== undefined && !problemOf(service, current)) hold(service, current);
  }
  /** The free addresses of each pool, each taken once. */
  const isFree = (address: string) => !holders.has(address) && !ofNodes.has(address);
  const free = new Map(pools.map((pool) => [pool.name, freeAddresses(pool, isFree)]));
  const choose = (service: Wanted): Outcome => {
    if (service.address !== undefined) {
      if (ofNodes.has(service.address)) return { refused: `${service.address} is a node's` };
      const problem = problemOf(service, service.address);
      return problem === undefined ? { address: service.address } : { refused: problem };
    }
    const name = service.pool ?? DEFAULT_POOL;
    const rest = free.get(name);
    if (!rest) return { refused: `no pool ${name}` };
    for (const address of shared.get(groupOf(service) ?? "") ?? []) {
      if (problemOf(service, address) === undefined) return { address };
    }
    const next = rest.next();
    return next.done ? { refused: `pool ${name} has no free address` } : { address: next.value };
  };
  for (const service of byAge) {
    if (outcomes.has(service.key)) continue;
    const chosen = choose(service);
    if ("address" in chosen) hold(service, chosen.address);
    else outcomes.set(service.key, chosen);
  }
  return outcomes;
}

function* freeAddresses(
  pool: Pool,
  isFree: (address: string) => boolean,
): Generator<string, undefined> {
  for (const address of addressesOf(pool)) if (isFree(address)) yield address;
  return undefined;
}

/** The group within which Services may share an address; undefined: this one shares none. */
const groupOf = ({ namespace, sharing, local }: Wanted) =>
  sharing === undefined ? undefined : JSON.stringify([namespace, sharing, local]);

/** The Services that have an address: all of one group, with the ports of all. */
type Holder = { readonly group: string | undefined; readonly ports: Set<string> };

const mayShare = (service: Wanted, { group, ports }: Holder): boolean =>
  group !== undefined &&
  group === groupOf(service) &&
  !service.ports.some((port) => ports.has(port));
