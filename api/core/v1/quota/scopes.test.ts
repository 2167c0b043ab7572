import { expect, test } from "vitest";
import type { ResourceQuota, ScopedResourceSelectorRequirement } from "../../../gen/core/v1.ts";
import { covers } from "./scopes.ts";

type Operator = ScopedResourceSelectorRequirement["operator"];

const CLAIMS = { group: "", plural: "persistentvolumeclaims" };
const asked = { spec: { volumeAttributesClassName: "gold" } };
const has = { status: { currentVolumeAttributesClassName: "gold" } };
const target = { targetVolumeAttributesClassName: "gold", status: "InProgress" };
const changes = {
  spec: { volumeAttributesClassName: "tin" },
  status: { modifyVolumeStatus: target },
};

// Facts of upstream's pvcMatchesScopeFunc.
test.each<[string, object, Operator, string[], boolean]>([
  ["asked for", asked, "Exists", [], true],
  ["in effect", has, "Exists", [], true],
  ["none", {}, "Exists", [], false],
  ["asked for", asked, "In", ["gold"], true],
  ["about to be", changes, "In", ["gold"], true],
  ["about to be", changes, "NotIn", ["gold"], true],
  ["asked for", asked, "NotIn", ["gold"], false],
  ["none", {}, "NotIn", ["gold"], true],
  ["none", {}, "In", ["gold"], false],
  ["none", {}, "DoesNotExist", [], true],
  ["in effect", has, "DoesNotExist", [], false],
])("a claim's attributes class, %s: %j %s %j is %s", (_name, claim, operator, values, within) => {
  const scopeName = "VolumeAttributesClass";
  const matchExpressions = [{ scopeName, operator, values } as const];
  const quota: ResourceQuota = {
    metadata: { name: "q" },
    spec: { scopeSelector: { matchExpressions } },
  };
  const object = { metadata: { name: "c" }, ...claim };
  expect(covers(quota, CLAIMS, object)).toBe(within);
  expect(covers(quota, { group: "", plural: "services" }, object)).toBe(false);
});

test("claims are not within the scopes of pods", () => {
  const quota = { metadata: { name: "q" }, spec: { scopes: ["NotTerminating" as const] } };
  expect(covers(quota, CLAIMS, { metadata: { name: "c" } })).toBe(false);
  expect(covers({ metadata: {}, spec: {} }, CLAIMS, { metadata: {} })).toBe(true);
});
