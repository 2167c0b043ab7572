/** One leaf of an object changed in the ways that rules are about. Pure. */
import { type Shape, structOf } from "@raft2kube/api/schema.ts";

/** Which write a change is made for: an update has the reasons of a creation already. */
export type Write = "create" | "update";

/** A change of one place; an `undefined` value takes the place away. */
export type Change = { readonly path: Path; readonly name: string; readonly value: unknown };

type Path = readonly (string | number)[];
type Container = Record<string | number, unknown>;
type Ways = readonly (readonly [name: string, value: unknown])[];

type Place = { readonly path: Path; readonly value: unknown; readonly shape: Shape };

const LONG = "a".repeat(300);
const ABSENT = ["absent", undefined] as const;

/** Forms that some kinds take as a name, and others do not. */
const NAMES: Ways = [
  ABSENT,
  ["empty", ""],
  ["dotted", "a.b"],
  ["with a digit first", "1a"],
  ["upper", "Aa"],
  ["of two segments", "a/b"],
  ["of 64 characters", "a".repeat(64)],
  ["long", LONG],
  ["with a colon", "a:b"],
  ["two dots", ".."],
];

/** Every change of an object of a schema, in the order of its fields; `only` picks a part. */
export function changes(object: object, schema: string, write: Write, only?: "status"): Change[] {
  const places = [...placesOf(object, { is: "struct", of: schema }, [])].filter(
    ({ path }) =>
      path[0] !== "apiVersion" &&
      path[0] !== "kind" &&
      path.join(".") !== "metadata.namespace" &&
      (only === undefined || path[0] === only),
  );
  return places.flatMap((place) =>
    waysOf(place, write).map(([name, value]) => ({ path: place.path, name, value })),
  );
}

/** A copy of an object with one change made; the object as it is where the place is not there. */
export function changed<T>(object: T, { path, value }: Pick<Change, "path" | "value">): T {
  const copy = structuredClone(object);
  const parent = path
    .slice(0, -1)
    .reduce<unknown>((at, key) => (at as Container | undefined)?.[key], copy);
  const last = path.at(-1)!;
  if (typeof parent !== "object" || parent === null) return copy;
  if (value !== undefined) (parent as Container)[last] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete (parent as Container)[last];
  return copy;
}

/** Every place of a value, parents before children. */
function* placesOf(value: unknown, shape: Shape, path: Path): Generator<Place> {
  if (path.length > 0) yield { path, value, shape };
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    const below = shapeBelow(shape, key);
    if (below !== undefined) yield* placesOf(child, below, [...path, indexOr(shape, key)]);
  }
}

function indexOr(shape: Shape, key: string): string | number {
  return shape.is === "list" ? Number(key) : key;
}

function shapeBelow(shape: Shape, key: string): Shape | undefined {
  switch (shape.is) {
    case "list":
    case "map":
      return shape.of;
    case "struct":
      return structOf(shape.of).fields.get(key)?.shape;
    default:
      return undefined;
  }
}

function waysOf({ path, value, shape }: Place, write: Write): Ways {
  if (path.join(".") === "metadata.name") return write === "create" ? NAMES : [];
  switch (shape.is) {
    case "struct":
      return [ABSENT, ["empty", {}]];
    case "map":
      return [ABSENT, ["with a bad key", { ...(value as object), "Bad Key!": aValue(value) }]];
    case "list": {
      const list = value as unknown[];
      return [ABSENT, ["empty", []], ["twice", [...list, ...list.slice(0, 1)]]];
    }
    case "scalar":
      return scalarWays(value, shape.values ?? [], write);
    case "special":
      return specialWays(shape.special, value, write);
    case "any":
      return [];
    default:
      return shape satisfies never;
  }
}

const aValue = (map: unknown): unknown => Object.values(map as object)[0] ?? "x";

function scalarWays(value: unknown, allowed: readonly string[], write: Write): Ways {
  if (typeof value === "boolean") {
    return [ABSENT, ["not", !value], ...created(write, [["of another type", "x"]])];
  }
  if (typeof value === "number") {
    return [
      ABSENT,
      ["negative", -1],
      ["zero", 0],
      ...(write === "create"
        ? ([
            ["big", 70_000],
            ["of another type", "x"],
          ] as const)
        : ([["one more", value + 1]] as const)),
    ];
  }
  const others = allowed.filter((each) => each !== value).map((each) => [each, each] as const);
  const empty = ["empty", ""] as const;
  const bad = ["bad", "Bad_Value!"] as const;
  if (others.length > 0) return [ABSENT, empty, bad, ...others];
  if (write === "update") return [ABSENT, bad, ["another", "other"]];
  const upward = String(value).includes("/") ? ([["upward", "../x"]] as const) : [];
  return [ABSENT, empty, bad, ["long", LONG], ...upward, ["of another type", 7]];
}

const created = (write: Write, ways: Ways): Ways => (write === "create" ? ways : []);

function specialWays(special: string, value: unknown, write: Write): Ways {
  switch (special) {
    case "Quantity":
      return [
        ABSENT,
        ["negative", "-1"],
        ["zero", "0"],
        ["a fraction", "1500m"],
        ...created(write, [["bad", "x"]]),
      ];
    case "IntOrString":
      return [ABSENT, ["negative", -1], ["zero", 0], ["bad", "Bad_Value!"], ["percent", "150%"]];
    case "Time":
    case "MicroTime":
      return [
        ABSENT,
        ["later", String(value).replace(/^\d{4}/, (year) => `${Number(year) + 1}`)],
        ...created(write, [["bad", "yesterday"]]),
      ];
    default:
      return [ABSENT, ["a text", "x"], ["empty", {}]];
  }
}
