import { type Decide, NO_OPINION } from "../attributes.ts";
import type { RoleIndex } from "./role-index.ts";
import { ruleAllows } from "./rules.ts";

/** Allows what a role bound to the user, or to one of their groups, allows. It never denies. */
export function rbacAuthorizer(index: RoleIndex): Decide {
  return (attributes) => {
    for (const { rule, reason } of index.rulesFor(attributes.user, attributes.namespace)) {
      if (ruleAllows(rule, attributes)) return { verdict: "allow", reason: reason() };
    }
    return NO_OPINION;
  };
}
