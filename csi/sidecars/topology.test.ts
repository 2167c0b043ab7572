import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { expect, it } from "vitest";
import { TOPOLOGIES_MAX } from "./limits.ts";
import { driverTopologies, requirementOf } from "./topology.ts";

const DRIVER = "d.example";

/** The topologies of nodes with these labels; the last has no driver. */
function found(...labels: Record<string, string>[]) {
  const nodes = labels.map((each, index) => ({
    metadata: { name: `n${index}`, labels: each },
    spec: {},
  }));
  const csiNodes = nodes
    .slice(0, -1)
    .map(
      ({ metadata: { name, labels: own } }): CSINode => ({
        metadata: { name },
        spec: { drivers: [{ name: DRIVER, nodeID: name, topologyKeys: Object.keys(own) }] },
      }),
    );
  return driverTopologies(csiNodes, nodes, DRIVER);
}

const claim = (name: string): PersistentVolumeClaim => ({ metadata: { name }, spec: {} });

function allows(...terms: Record<string, string[]>[]): StorageClass {
  const allowedTopologies = terms.map((term) => ({
    matchLabelExpressions: Object.entries(term).map(([key, values]) => ({ key, values })),
  }));
  return { metadata: { name: "c" }, provisioner: DRIVER, allowedTopologies };
}

const there = found({ zone: "a" }, { zone: "b" }, { zone: "a" }, { zone: "c" });

it("asks for the combinations that the class allows", () => {
  const storageClass = allows({ zone: ["a", "b"], rack: ["1"] }, { zone: ["a"], rack: ["1", "2"] });
  const nodes = found({ zone: "b", rack: "1" }, {});
  expect(requirementOf(claim("x"), storageClass, nodes, DRIVER)?.requisite).toEqual([
    { segments: { zone: "a", rack: "1" } },
    { segments: { zone: "b", rack: "1" } },
    { segments: { zone: "a", rack: "2" } },
  ]);
});

it("asks for the topologies of the driver's nodes where the class allows all", () => {
  expect(requirementOf(claim("x"), allows(), there, DRIVER)?.requisite).toEqual([
    { segments: { zone: "a" } },
    { segments: { zone: "b" } },
  ]);
  expect(requirementOf(claim("x"), allows(), found({}), DRIVER)).toBeUndefined();
});

it("prefers another topology for each claim of a StatefulSet", () => {
  const [zero, one, two] = ["data-0", "data-1", "data-2"].map((name) => {
    const { preferred = [] } = requirementOf(claim(name), allows(), there, DRIVER) ?? {};
    expect(preferred).toHaveLength(2);
    return preferred[0]?.segments;
  });
  expect(zero).not.toEqual(one);
  expect(two).toEqual(zero);
});

it("refuses a class that allows no node with the driver, or too much", () => {
  const asked = (storageClass: StorageClass) => () =>
    requirementOf(claim("x"), storageClass, there, DRIVER);
  expect(asked(allows({ zone: ["c"] }))).toThrow(
    `no node with driver ${DRIVER} is in allowed topologies: ` +
      '[[{"key":"zone","values":["c"]}]]',
  );
  const many = Array.from({ length: 40 }, (_, index) => String(index));
  expect(asked(allows({ zone: ["a"] }, { zone: many, rack: many }))).toThrow(
    `more than ${TOPOLOGIES_MAX} combinations`,
  );
});
