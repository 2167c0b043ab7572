import { tolerateSync } from "@raft2kube/std/errors.ts";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { decodeJson } from "./codec/json.ts";
import type { Kind, KubeObject, StrategyContext } from "./kind.ts";
import { KINDS } from "./kinds.ts";
import { type Field, type Shape, type Struct, structOf } from "./schema.ts";
import { SelectorError } from "./selector.ts";

// A write is judged in one turn of the API server's loop, and its lists may have 100,000 items:
// each item may be looked at a number of times, and not once for each of the others.

const FEW = 20;
const MANY = 160;
/** Eight times the items may take so many times the reads: those of a square would be 64 times. */
const GROWTH_MAX = 14;

type Json = { [key: string]: unknown };
/** A list or map of a kind, with the names that lead to it; `[]` and `{}` are an item. */
type Place = { readonly path: readonly string[]; readonly shape: Shape };

const SPECIALS: Readonly<Record<string, unknown>> = {
  Time: "2026-01-01T00:00:00Z",
  MicroTime: "2026-01-01T00:00:00.000000Z",
  Duration: "1s",
  Quantity: "1",
  IntOrString: 1,
  JSON: 1,
  SchemaOrBool: true,
  SchemaOrStrings: [],
};

/** The value number `i` of a shape: all fields, with an item in each list, to this depth. */
function valueOf(shape: Shape, i: number, depth: number): unknown {
  switch (shape.is) {
    case "scalar":
      if (shape.values !== undefined) return shape.values[0];
      if (shape.scalar === "bool") return true;
      if (shape.scalar === "bytes") return "aGk=";
      return shape.scalar === "string" ? `k${i}` : i;
    case "special":
      return SPECIALS[shape.special] ?? {};
    case "list":
      return depth > 0 ? [valueOf(shape.of, i, depth - 1)] : [];
    case "map":
      return depth > 0 ? { [`k${i}`]: valueOf(shape.of, i, depth - 1) } : {};
    case "any":
      return { [`k${i}`]: i };
    case "struct": {
      const isShown = ({ shape: { is } }: Field) =>
        is === "scalar" || is === "special" || depth > 1;
      const shown = [...structOf(shape.of).fields].filter(
        ([, field]) => depth > 0 && isShown(field),
      );
      return Object.fromEntries(
        shown.map(([name, field]) => [name, valueOf(field.shape, i, depth - 1)]),
      );
    }
  }
}

function* placesIn(
  struct: Struct,
  path: readonly string[],
  above: readonly Struct[],
): Generator<Place> {
  if (above.includes(struct)) return;
  for (const [name, { shape }] of struct.fields) {
    // Templates are those of pods, and metadata is the same in all kinds.
    if (name === "template" || name === "jobTemplate" || (name === "metadata" && path.length === 0))
      continue;
    yield* placesOf(shape, [...path, name], [...above, struct]);
  }
}

function* placesOf(
  shape: Shape,
  path: readonly string[],
  above: readonly Struct[],
): Generator<Place> {
  if (shape.is === "struct") yield* placesIn(structOf(shape.of), path, above);
  if (shape.is !== "list" && shape.is !== "map") return;
  yield { path, shape };
  const item = shape.is === "list" ? "[]" : "{}";
  if (shape.of.is === "struct") yield* placesIn(structOf(shape.of.of), [...path, item], above);
}

/** An object with so many items at a place; the same one each time, or each another. */
function objectWith({ path, shape }: Place, count: number, isSame: boolean): Json {
  const items = Array.from({ length: count }, (_, i) => {
    const item = (shape as { of: Shape }).of;
    return valueOf(item, isSame ? 1 : i, 2);
  });
  const entries = items.map((item, i): [string, unknown] => [`k${i}`, item]);
  let value: unknown = shape.is === "list" ? items : Object.fromEntries(entries);
  for (const name of path.toReversed()) {
    value = name === "[]" ? [value] : { [name === "{}" ? "k" : name]: value };
  }
  return {
    metadata: { name: "a", namespace: "b", uid: "x", resourceVersion: "1" },
    ...(value as Json),
  };
}

/** Reads of members and items since the step started. */
let reads = 0;

/** The value with all below it, whose reads are counted. */
function counted<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  const made = new Map<unknown, unknown>();
  return new Proxy(value, {
    get(target, key, receiver) {
      reads++;
      const member: unknown = Reflect.get(target, key, receiver);
      if (typeof member !== "object" || member === null) return member;
      if (!made.has(member)) made.set(member, counted(member));
      return made.get(member);
    },
  });
}

// The machine's own copies no proxies.
beforeAll(() => {
  vi.stubGlobal("structuredClone", (value: unknown) => counted(JSON.parse(JSON.stringify(value))));
});
afterAll(() => vi.unstubAllGlobals());

/** Errors of code that reads values which are of their types, and no more. */
const UNSOUND = [TypeError, RangeError, SelectorError];
const CONTEXT: StrategyContext = { now_ms: 0, user: { name: "u", groups: [] } };

/** The reads of each step of a write with so many items. */
function readsOf(kind: Kind, place: Place, count: number, isSame: boolean): Map<string, number> {
  const json = objectWith(place, count, isSame);
  const made = () => {
    const { object } = decodeJson<KubeObject>(kind.schema, json);
    object.metadata ??= {};
    return counted(object);
  };
  const steps = new Map<string, number>();
  const step = (name: string, run: (object: KubeObject, old: KubeObject) => unknown) => {
    const [object, old] = [made(), made()];
    reads = 0;
    tolerateSync(
      () => run(object, old),
      (thrown) => UNSOUND.some((kind) => thrown instanceof kind),
    );
    steps.set(name, reads);
  };
  const { strategy } = kind;
  step("defaults", (object) => strategy.defaults(object));
  step("create", (object) => strategy.validateCreate(object, CONTEXT));
  step("warnings", (object, old) => strategy.warnings(object, old));
  const updates = Object.values(kind.subresources).map(
    (each) => [each.name, each.strategy] as const,
  );
  for (const [name, update] of [["update", strategy] as const, ...updates]) {
    step(`${name}: prepare`, (object, old) => update?.prepareUpdate(object, old, CONTEXT));
    step(name, (object, old) => update?.validateUpdate(object, old, CONTEXT));
  }
  step("columns", (object) => kind.columns.map((column) => column.value(object, 0)));
  return steps;
}

/** The steps of a kind's writes whose reads grow with the square of a list. */
function growing(kind: Kind): string[] {
  return [...placesIn(structOf(kind.schema), [], [])].flatMap((place) =>
    [false, true].flatMap((isSame) => {
      const few = readsOf(kind, place, FEW, isSame);
      const many = readsOf(kind, place, MANY, isSame);
      return [...many]
        .filter(([name, reads]) => reads > GROWTH_MAX * Math.max(few.get(name) ?? 0, FEW))
        .map(
          ([name, reads]) => `${place.path.join(".")} ${isSame}: ${name} ${few.get(name)} ${reads}`,
        );
    }),
  );
}

it.each(KINDS.map((kind) => [`${kind.group}/${kind.version} ${kind.kind}`, kind] as const))(
  "the cost of a write of %s does not grow with the square of a list",
  (_, kind) => {
    expect(growing(kind)).toEqual([]);
  },
);
