import { CodedError } from "@raft2kube/std/errors.ts";
import { ALIASES, LEFT_OUT, OFF_BY_DEFAULT } from "./names.ts";
import { CONTROLLERS } from "./registry.ts";

/**
 * The controllers that a list like upstream's `--controllers` selects: `*` all that are on by
 * default, `name` that one, `-name` not that one; of several items for one, the first holds. Fails
 * with `UnknownController` on a name that is neither ours nor upstream's, and on one of upstream's
 * that is asked for and does not exist here.
 */
export function selectControllers(selection: readonly string[]): string[] {
  const known = Object.keys(CONTROLLERS);
  const asked = new Map<string, boolean>();
  for (const item of selection) {
    const wanted = !item.startsWith("-");
    const name = wanted ? item : item.slice(1);
    const own = ALIASES[name] ?? name;
    assertKnown(own, wanted, known);
    if (!asked.has(own)) asked.set(own, wanted);
  }
  const all = asked.get("*") === true;
  return known.filter((name) => asked.get(name) ?? (all && !OFF_BY_DEFAULT.includes(name)));
}

function assertKnown(name: string, wanted: boolean, known: readonly string[]): void {
  if ((name === "*" && wanted) || known.includes(name)) return;
  const reason = LEFT_OUT[name];
  if (reason !== undefined && !wanted) return;
  throw new CodedError(
    "UnknownController",
    reason === undefined
      ? `no controller is named "${name}"; there are: ${known.join(", ")}`
      : `there is no ${name}: ${reason}`,
  );
}
