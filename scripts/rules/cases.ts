/**
 * Objects to compare our rules with upstream's: valid ones, and each with one leaf changed. Pure:
 * the same list each time, so that answers recorded once can be compared for ever.
 */
import bases from "./bases.json" with { type: "json" };

/** An object to ask about; `id` says which leaf was changed and how. */
export interface Case {
  readonly id: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly object: unknown;
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

function placed(object: unknown, path: Path, value: unknown): unknown {
  const copy = structuredClone(object);
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Container)[key], copy);
  const last = path.at(-1)!;
  if (value !== undefined) (parent as Container)[last] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete (parent as Container)[last];
  return copy;
}

/** All cases, in a fixed order. */
export function cases(): Case[] {
  return (bases as unknown as Base[]).flatMap(({ object, skip = [] }, index) => {
    const { apiVersion, kind } = object;
    const about = `${index} ${kind}`;
    const left = [...NEVER_CHANGED, ...skip];
    const valid: Case = { id: `${about} as it is`, apiVersion, kind, object };
    const changed = [...places(object)]
      .filter((path) => !left.some((each) => `${path.join(".")}.`.startsWith(`${each}.`)))
      .flatMap((path) => {
        const value = path.reduce<unknown>((at, key) => (at as Container)[key], object);
        return changesOf(value).map(([name, next]): Case => ({
          id: `${about} ${path.join(".")} ${name}`, apiVersion, kind,
          object: placed(object, path, next),
        }));
      });
    return [valid, ...changed];
  });
}
