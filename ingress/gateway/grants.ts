import { GRANTS_OF_NAMESPACE_MAX } from "../limits.ts";
import { Bounds } from "../plan/bounds.ts";
import { byAge } from "../plan/owners.ts";
import { GROUP, type Reference, type ReferenceGrant } from "./types.ts";

type Referrer = { readonly kind: string; readonly namespace: string };

/** The references that ReferenceGrants allow: so many of a namespace, of the older grants first. */
export class Grants {
  readonly #allowed = new Set<string>();

  constructor(grants: readonly ReferenceGrant[]) {
    const bounds = new Bounds();
    for (const { metadata, spec } of grants.toSorted(byAge)) {
      const { namespace = "" } = metadata;
      const count = spec.from.length * spec.to.length;
      if (bounds.take([namespace, count, GRANTS_OF_NAMESPACE_MAX]) !== undefined) continue;
      for (const from of spec.from) {
        if (from.group !== GROUP) continue;
        for (const to of spec.to) this.#allowed.add(keyOf(from, { name: "", ...to, namespace }));
      }
    }
  }

  /** Whether an object may refer to another: within its namespace, or by a grant of the other's. */
  allow(from: Referrer, to: Reference & { readonly namespace: string }): boolean {
    if (from.namespace === to.namespace) return true;
    return (
      this.#allowed.has(keyOf(from, to)) || this.#allowed.has(keyOf(from, { ...to, name: "" }))
    );
  }
}

const keyOf = (from: Referrer, { group = "", kind, namespace, name }: Reference): string =>
  JSON.stringify([from.kind, from.namespace, group, kind, namespace, name]);
