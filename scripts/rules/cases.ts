/**
 * Objects to compare our rules with upstream's: valid ones, and each with one leaf changed. Pure:
 * the same list each time, so that answers recorded once stay comparable.
 */
import bases from "./bases.json" with { type: "json" };

/** An object to ask about; `id` says which leaf was changed and how. */
export interface Case {
  readonly id: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly object: unknown;
  /** The former object, when the question is whether `object` may take its place. */
  readonly old?: unknown;
}

interface Base {
  /** Paths whose rules lie outside of a kind's own, in the server. */
  readonly skip?: readonly string[];
  readonly object: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly name: string };
  };
}

type Path = readonly (string | number)[];
type Change = readonly [name: string, value: unknown];

const LONG = "a".repeat(300);
/** The server itself refuses an update under another name, before any rule is asked. */
const RENAMED = / metadata(\.name)? \w+$/;
const NEVER_CHANGED = ["apiVersion", "kind", "metadata.namespace"];

/** Every place in an object, parents before children. */
function* places(value: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    yield* places(child, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

function changesOf(value: unknown): Change[] {
  const absent: Change = ["absent", undefined];
  if (Array.isArray(value)) {
    const list = value as unknown[];
    return [absent, ["empty", []], ["twice", [...list, ...list.slice(0, 1)]]];
  }
  switch (typeof value) {
    case "string":
      return [absent, ["empty", ""], ["bad", "Bad_Value!"], ["long", LONG], ["upward", "../x"]];
    case "number":
      return [absent, ["negative", -1], ["zero", 0], ["big", 70_000]];
    case "boolean":
      return [absent, ["not", !value]];
    default:
      return [absent, ["empty", {}]];
  }
}

type Container = Record<string | number, unknown>;

/** Returns an object with another value, or none, at a path; shares with it all other places. */
function placed(object: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  if (typeof object !== "object" || object === null) return object;
  const copy = (Array.isArray(object) ? [...(object as unknown[])] : { ...object }) as Container;
  const next = placed(copy[key], rest, value);
  if (next !== undefined) copy[key] = next;
  else if (Array.isArray(copy)) copy.splice(Number(key), 1);
  else delete copy[key];
  return copy;
}

/** A Job's update must repeat the labels that it got when it was created: not compared. */
const mayUpdate = ({ id, kind }: Case): boolean => kind !== "Job" && !RENAMED.test(id);

/** A stored object has a version, which every update names. */
const stored = (object: unknown): unknown => placed(object, ["metadata", "resourceVersion"], "1");

/** All cases, in a fixed order: each object to be created, and to replace the valid one. */
export function cases(): Case[] {
  const created = creations();
  const first = (base: number): unknown => created.find((each) => each.base === base)?.object;
  const updates = created
    .filter(mayUpdate)
    .map((each) => ({
      ...each,
      id: `${each.id}, as an update`,
      object: stored(each.object),
      old: stored(first(each.base)),
    }));
  return [...created, ...updates].map(({ base: _base, ...rest }) => rest);
}

/** Every object, after the valid one that it was made from. */
function creations(): (Case & { readonly base: number })[] {
  return (bases as unknown as Base[]).flatMap(({ object, skip = [] }, index) => {
    const { apiVersion, kind } = object;
    const about = `${index} ${kind}`;
    const left = [...NEVER_CHANGED, ...skip];
    const valid = { base: index, id: `${about} as it is`, apiVersion, kind, object };
    const changed = [...places(object)]
      .filter((path) => !left.some((each) => `${path.join(".")}.`.startsWith(`${each}.`)))
      .flatMap((path) => {
        const value = path.reduce<unknown>((at, key) => (at as Container)[key], object);
        return changesOf(value).map(([name, next]) => ({
          base: index,
          id: `${about} ${path.join(".")} ${name}`,
          apiVersion,
          kind,
          object: placed(object, path, next),
        }));
      });
    return [valid, ...changed];
  });
}
