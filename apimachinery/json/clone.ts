import { setMember } from "./json.ts";

/** A deep copy of an object made of JSON; on small objects several times as fast as the general. */
export const cloneObject = <T>(value: T): T => cloneJson(value) as T;

function cloneJson(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneJson);
  const copy: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(value)) {
    if (name === "__proto__") setMember(copy, name, cloneJson(each));
    else copy[name] = cloneJson(each);
  }
  return copy;
}
