/** Parts and changed forms of valid objects. Pure: the same for the same random numbers. */
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";

type Json = unknown;
type Members = Record<string, Json>;

/** Keys of list items: they usually stay. */
const KEYS = new Set([
  "name",
  "key",
  "type",
  "containerPort",
  "port",
  "protocol",
  "ip",
  "topologyKey",
  "mountPath",
  "whenUnsatisfiable",
  "devicePath",
  "uid",
  "operator",
  "apiGroup",
  "kind",
  "apiVersion",
]);
const KEY_KEPT = 0.96;

export const chance = (random: Random, share: number): boolean => random.next() < share;

const isObject = (value: Json): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A part of a value: of each object and list about so large a share. */
export function fragmentOf(random: Random, value: Json, share: number): Json {
  if (Array.isArray(value)) {
    const kept = value.filter(() => chance(random, Math.max(share, 0.5)));
    const parts = kept.map((each) => fragmentOf(random, each, share));
    if (chance(random, 0.1)) parts.reverse();
    if (parts.length > 0 && chance(random, 0.04)) parts.push(pick(random, parts));
    return parts;
  }
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([name]) =>
    chance(random, KEYS.has(name) ? KEY_KEPT : share),
  );
  return Object.fromEntries(kept.map(([name, each]) => [name, fragmentOf(random, each, share)]));
}

/** The same with some places changed: nothing, empty, another value. */
export function disturbed(random: Random, value: Json, share: number): Json {
  if (Array.isArray(value)) return value.map((each) => disturbed(random, each, share));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) =>
      chance(random, share) ? [name, other(random, each)] : [name, disturbed(random, each, share)],
    ),
  );
}

function other(random: Random, value: Json): Json {
  const way = randomInteger(random, 0, 8);
  if (way === 0) return null;
  if (way === 1) return Array.isArray(value) ? [] : isObject(value) ? {} : null;
  if (typeof value === "string") return way === 2 ? "" : `${value}${pick(random, ["x", "1", "-"])}`;
  if (typeof value === "number") return way === 2 ? 0 : value + pick(random, [1, -1, 2]);
  if (typeof value === "boolean") return !value;
  if (Array.isArray(value)) return way === 2 ? [null] : value.slice(1);
  return isObject(value) ? { ...value, ...(way === 2 ? { unknown: 1 } : {}) } : value;
}

/** A strategic merge patch made of a part: directives stand in some of its objects. */
export function directed(random: Random, value: Json): Json {
  if (Array.isArray(value)) return value.map((each) => directed(random, each));
  if (!isObject(value)) return value;
  const result: Members = {};
  for (const [name, each] of Object.entries(value)) {
    result[name] = chance(random, 0.05) ? null : directed(random, each);
    if (!Array.isArray(each) || !chance(random, 0.12)) continue;
    const items: readonly Json[] = each;
    const simple = items.every((item) => !isObject(item));
    if (chance(random, 0.5)) {
      const order = simple ? items : items.map((item) => keyOf(item as Members));
      result[`$setElementOrder/${name}`] = [...order].reverse();
    } else if (simple) result[`$deleteFromPrimitiveList/${name}`] = items.slice(0, 1);
  }
  if (chance(random, 0.05)) {
    result["$patch"] = pick(random, ["delete", "replace", "merge", "replace", "nonsense"]);
  }
  if (chance(random, 0.04)) result["$retainKeys"] = Object.keys(value).slice(0, 3);
  return result;
}

function keyOf(item: Members): Members {
  const name = Object.keys(item).find((each) => KEYS.has(each));
  return name === undefined ? {} : { [name]: item[name] };
}

/** Operations of RFC 6902 on places of a value. */
export function jsonPatchOf(random: Random, value: Json): Json[] {
  const places = [...pointersOf(value, "")];
  if (places.length === 0) return [];
  return Array.from({ length: randomInteger(random, 1, 4) }, () => {
    const [path, at] = pick(random, places);
    const [from] = pick(random, places);
    const op = pick(random, ["add", "add", "replace", "replace", "remove", "test", "copy", "move"]);
    const to = chance(random, 0.1) ? path.replace(/\/\d+$/, "/-") : path;
    if (op === "copy" || op === "move") return { op, from, path: to };
    if (op === "remove") return { op, path };
    return { op, path: to, value: chance(random, 0.3) ? other(random, at) : at };
  });
}

function* pointersOf(value: Json, at: string): Generator<[string, Json]> {
  if (at !== "") yield [at, value];
  if (typeof value !== "object" || value === null) return;
  for (const [name, each] of Object.entries(value)) {
    yield* pointersOf(each, `${at}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
  }
}
