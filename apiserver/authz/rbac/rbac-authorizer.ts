import { nextTurn } from "@raft2kube/std/slices.ts";
import { RULE_NAMES_OF_TURN } from "../../limits.ts";
import { type Attributes, type Decide, type Decision, NO_OPINION } from "../attributes.ts";
import type { HeldRule, RoleIndex } from "./role-index.ts";
import { namesIn, ruleAllows } from "./rules.ts";

/** Allows what a role bound to the user, or to one of their groups, allows. It never denies. */
export function rbacAuthorizer(index: RoleIndex): Decide {
  return (attributes) => {
    const rules = index.rulesFor(attributes.user, attributes.namespace);
    return decided(rules, attributes) ?? decidedLater(rules, attributes);
  };
}

/** Names that are compared in the time in which a binding is looked at. */
const NAMES_OF_BINDING = 50;

type Rules = Iterator<HeldRule | undefined>;

/** An admin of a namespace may make any number of bindings, and of roles of a megabyte each. */
async function decidedLater(rules: Rules, attributes: Attributes): Promise<Decision> {
  for (;;) {
    await nextTurn();
    const decision = decided(rules, attributes);
    if (decision !== undefined) return decision;
  }
}

/** The decision by some further rules; undefined while there are more. */
function decided(rules: Rules, attributes: Attributes): Decision | undefined {
  let names = 0;
  while (names < RULE_NAMES_OF_TURN) {
    const { done, value } = rules.next();
    if (done) return NO_OPINION;
    if (value && ruleAllows(value.rule, attributes)) {
      return { verdict: "allow", reason: value.reason() };
    }
    names += value ? namesIn(value.rule) : NAMES_OF_BINDING;
  }
  return undefined;
}
