import type { FlowSchema, PriorityLevelConfiguration } from "@raft2kube/api/gen/flowcontrol/v1.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { sumOf } from "./allocate.ts";
import { lend } from "./borrow.ts";
import { Level, seatsOf, sharesOf } from "./level.ts";
import { type Digest, matches } from "./match.ts";
import { FLOWS, LEVELS, MANDATORY } from "./objects.ts";

/** A flow schema with the level that it sends requests to. */
export interface Schema {
  readonly name: string;
  readonly uid: string;
  readonly spec: FlowSchema["spec"];
  readonly level: Level;
}

/** The flow of a request. */
export interface Flow {
  readonly schema: Schema;
  readonly level: Level;
  readonly distinguisher: string;
}

/** The configuration objects of a cluster. */
export interface Configuration {
  readonly levels: readonly Named<PriorityLevelConfiguration>[];
  readonly schemas: readonly Named<FlowSchema>[];
}

type Named<T> = Pick<T, keyof T & ("metadata" | "spec")> & { spec: unknown };

/**
 * Priority and fairness of one server: the levels and what is worked on and waits in each. No
 * request is without a level: the mandatory ones exist before their objects do.
 */
export class Fairness {
  readonly seats: number;
  /** The schemas by precedence: the first that matches a request is the one. */
  #schemas: readonly Schema[] = [];
  readonly #levels = new Map<string, Level>();
  /** Levels whose objects are gone and that still have requests. */
  readonly #quiescing = new Set<Level>();
  /** The factor by which levels got their targets when seats were divided last. */
  lentBy = 1;

  /** `seats` are those of all levels together. */
  constructor(seats: number, now_ms: number) {
    this.seats = seats;
    this.configure({ levels: [], schemas: [] }, now_ms);
  }

  /** Returns the levels, also those whose objects are gone while they have requests. */
  get levels(): readonly Level[] {
    for (const level of this.#quiescing) {
      if (level.queueSet.isIdle) this.#quiescing.delete(level);
    }
    return [...this.#levels.values(), ...this.#quiescing];
  }

  isQuiescing(level: Level): boolean {
    return this.#quiescing.has(level);
  }

  /** Takes all configuration objects that there are; schemas of missing levels match nothing. */
  configure({ levels, schemas }: Configuration, now_ms: number): void {
    const named = withMandatory(levels, LEVELS);
    for (const [name, level] of this.#levels) {
      if (named.has(name)) continue;
      this.#levels.delete(name);
      this.#quiescing.add(level);
    }
    const shares = sumOf([...named.values()].map(({ spec }) => sharesOf(spec).shares));
    for (const [name, { metadata, spec }] of named) {
      const seats = seatsOf(spec, this.seats, shares);
      const { uid = "" } = metadata;
      const level = this.#levels.get(name) ?? new Level(name, uid, spec, seats, now_ms);
      level.configure(uid, spec, seats, now_ms);
      this.#levels.set(name, level);
    }
    this.#schemas = this.#sorted(schemas);
  }

  #sorted(objects: Configuration["schemas"]): Schema[] {
    const schemas = [...withMandatory(objects, FLOWS)].flatMap(([name, { metadata, spec }]) => {
      const level = this.#levels.get(spec.priorityLevelConfiguration.name);
      return level === undefined ? [] : [{ name, uid: metadata.uid ?? "", spec, level }];
    });
    return schemas.sort(
      (a, b) => a.spec.matchingPrecedence - b.spec.matchingPrecedence || (a.name < b.name ? -1 : 1),
    );
  }

  /** Returns the flow of a request; `user` is the name of its flow among those of users. */
  classify(digest: Digest, user: string): Flow {
    const schema = this.#schemas.find(({ spec }) => matches(spec, digest)) ?? this.#schemas.at(-1);
    assert(schema !== undefined, "the mandatory schemas always exist");
    const { level, spec } = schema;
    return { schema, level, distinguisher: distinguished(spec, digest, user) };
  }

  /** Lends seats between levels by their demand since the last call. */
  adjust(now_ms: number): void {
    const levels = [...this.#levels.values()];
    for (const level of levels) level.measure(now_ms);
    const { seats, factor } = lend(levels);
    this.lentBy = factor;
    for (const [level, given] of seats) level.give(given, now_ms);
  }
}

/** Objects by their names, and the mandatory ones that are not among them. */
function withMandatory<T extends { metadata: { name?: string }; spec: unknown }>(
  objects: readonly T[],
  specs: Readonly<Record<string, T["spec"]>>,
): Map<string, T> {
  const made = MANDATORY.map((name) => ({ metadata: { name }, spec: specs[name] }) as T);
  return new Map([...made, ...objects].map((each) => [each.metadata.name ?? "", each]));
}

function distinguished({ distinguisherMethod }: Schema["spec"], { info }: Digest, user: string) {
  if (distinguisherMethod?.type === "ByUser") return user;
  return distinguisherMethod?.type === "ByNamespace" ? info.namespace : "";
}
