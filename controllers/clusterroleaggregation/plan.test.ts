import { expect, it } from "vitest";
import { aggregatedRules } from "./plan.ts";

const rule = (resource: string) => ({ apiGroups: [""], resources: [resource], verbs: ["get"] });
const labels = { to: "view" };
const view = {
  metadata: { name: "view", labels },
  rules: [rule("old")],
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: labels }] },
};

it("takes the rules of the roles selected, each once, by name, and none of its own", () => {
  const all = [
    view,
    { metadata: { name: "b", labels }, rules: [rule("pods"), rule("services")] },
    { metadata: { name: "a", labels }, rules: [rule("services")] },
    { metadata: { name: "c" }, rules: [rule("secrets")] },
  ];
  expect(aggregatedRules(view, all)).toEqual([rule("services"), rule("pods")]);
});
