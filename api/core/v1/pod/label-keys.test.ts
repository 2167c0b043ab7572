import { describe, expect, it } from "vitest";
import { decodeJson } from "../../../codec/json.ts";
import { messageOfField } from "../../../errors.ts";
import type { Pod } from "../../../gen/core/v1.ts";
import { pod } from "./pod.ts";

const CONTEXT = { now_ms: Date.parse("2026-01-01T00:00:00Z") };

const image = { name: "c", image: "web:1" };

function made(spec: object): Pod {
  const labels = { app: "web", hash: "1", tenant: "a" };
  const metadata = { name: "a", namespace: "b", labels };
  const { object } = decodeJson<Pod>("core/v1.Pod", {
    ...{ apiVersion: "v1", kind: "Pod" },
    metadata,
    spec,
  });
  pod.strategy.defaults(object);
  pod.strategy.prepareCreate(object, CONTEXT);
  return object;
}

describe("label keys of terms", () => {
  const app = { matchLabels: { app: "web" } };
  const keys = { matchLabelKeys: ["hash", "absent"], mismatchLabelKeys: ["tenant"] };
  const term = { topologyKey: "kubernetes.io/hostname", labelSelector: app, ...keys };
  const spread = { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" };
  const required = "requiredDuringSchedulingIgnoredDuringExecution";
  const preferred = "preferredDuringSchedulingIgnoredDuringExecution";
  const rules = (one: object) => ({ [required]: [one], [preferred]: [weighted(one)] });
  const weighted = (podAffinityTerm: object) => ({ weight: 1, podAffinityTerm });
  const affine = (one: object) => ({
    containers: [image],
    affinity: { podAffinity: rules(one), podAntiAffinity: rules(one) },
  });

  it("become expressions of its selectors at creation", () => {
    const constraint = { ...spread, labelSelector: app, matchLabelKeys: ["hash"] };
    const { spec } = made({ ...affine(term), topologySpreadConstraints: [constraint] });
    const hash = { key: "hash", operator: "In", values: ["1"] };
    const tenant = { key: "tenant", operator: "NotIn", values: ["a"] };
    const merged = { ...term, labelSelector: { ...app, matchExpressions: [hash, tenant] } };
    expect(spec.affinity).toEqual(affine(merged).affinity);
    expect(spec.topologySpreadConstraints?.[0]?.labelSelector).toEqual({
      ...app,
      matchExpressions: [hash],
    });
  });

  it.each([
    [{ matchLabelKeys: ["-"] }, "matchLabelKeys[0]: Invalid value"],
    [
      { labelSelector: undefined, matchLabelKeys: ["hash"] },
      "matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
    ],
    [
      { labelSelector: { matchLabels: { hash: "1" } }, matchLabelKeys: ["hash"] },
      'matchLabelKeys[0]: Invalid value: "hash": exists in both matchLabelKeys and labelSelector',
    ],
  ])("of %j are refused: %s", (own, complaint) => {
    const each = { ...spread, labelSelector: app, ...own };
    const object = made({ containers: [image], topologySpreadConstraints: [each] });
    const errors = pod.strategy.validateCreate(object, CONTEXT).map(messageOfField);
    expect(errors).toEqual([
      expect.stringContaining(`spec.topologySpreadConstraints[0].${complaint}`),
    ]);
  });

  it("are not both those that must and those that must not match", () => {
    const object = made(affine({ ...term, mismatchLabelKeys: ["hash"] }));
    const errors = pod.strategy.validateCreate(object, CONTEXT).map(messageOfField);
    expect(errors.filter((each) => each.includes("mismatchLabelKeys"))).toHaveLength(4);
  });
});
