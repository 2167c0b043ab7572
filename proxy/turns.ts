import { namespaceOf } from "./apply/namespace-parts.ts";
import type { PortChanges } from "./apply/rules.ts";
import { AFFINITY_WORK, CHANGE_WORK, PORT_WORK } from "./limits.ts";
import { rulesOf, type ServicePort } from "./plan/model.ts";

/** A Service port before and after a change; undefined: there is none. */
export interface PortChange {
  readonly before: ServicePort | undefined;
  readonly after: ServicePort | undefined;
}

interface Sized extends PortChange {
  readonly key: string;
  readonly work: number;
}

/**
 * Divides the changes that wait into those that are made in one turn, of about CHANGE_WORK. Two
 * orders take turns. In the one, namespaces with less work come first, and of all removals the
 * last: a frontend that another Service gets always has one. In the other, the changes that earlier
 * passes have left (`old`) come by their age: others' changes keep none waiting without end.
 */
export function* turnsOf(
  waiting: ReadonlyMap<string, PortChange>,
  old: ReadonlySet<string> = new Set(),
): Generator<PortChanges> {
  const sized = [...waiting].map(([key, change]) => ({ key, ...change, work: workOf(change) }));
  const left = new Set(waiting.keys());
  const orders = [inParts(bySize(sized)), inParts(sized.filter(({ key }) => old.has(key)))];
  for (let order = orders.shift(); order; order = orders.shift()) {
    const { value: part, done } = order.next();
    if (done) continue;
    orders.push(order);
    const rest = part.filter(({ key }) => left.delete(key));
    if (rest.length > 0) yield new Map(rest.map(({ key, after }) => [key, after]));
  }
}

function bySize(changes: readonly Sized[]): Sized[] {
  const totals = new Map<string, number>();
  for (const { key, work } of changes) {
    totals.set(namespaceOf(key), (totals.get(namespaceOf(key)) ?? 0) + work);
  }
  const isRemoval = ({ after }: Sized) => Number(after === undefined);
  const total = ({ key }: Sized) => totals.get(namespaceOf(key))!;
  return changes.toSorted((a, b) => isRemoval(a) - isRemoval(b) || total(a) - total(b));
}

function* inParts(changes: readonly Sized[]): Generator<Sized[], undefined> {
  let part: Sized[] = [];
  let work = 0;
  for (const change of changes) {
    part.push(change);
    work += change.work;
    if (work < CHANGE_WORK) continue;
    yield part;
    part = [];
    work = 0;
  }
  if (part.length > 0) yield part;
}

function workOf({ before, after }: PortChange): number {
  const work = (port: ServicePort | undefined) => (port ? rulesOf(port, AFFINITY_WORK) : 0);
  return PORT_WORK + Math.max(work(before), work(after));
}

/** Orders Services: one of each namespace, then the next of each, as they come. */
export function inRotation(services: Iterable<string>): string[] {
  const counts = new Map<string, number>();
  const placed = [...services].map((service) => {
    const place = counts.get(namespaceOf(service)) ?? 0;
    counts.set(namespaceOf(service), place + 1);
    return { service, place };
  });
  return placed.sort((a, b) => a.place - b.place).map(({ service }) => service);
}
