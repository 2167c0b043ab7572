import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Container, Pod, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { CheckpointError } from "../pods/checkpoint-file.ts";
import { Allocations } from "./allocations.ts";
import { POD } from "./resources.ts";

const SMALL: ResourceRequirements = { requests: { cpu: "100m" }, limits: { memory: "64Mi" } };
const LARGE: ResourceRequirements = { requests: { cpu: "200m" }, limits: { memory: "128Mi" } };

let dir: string;
let file: string;
beforeEach(() => {
  dir = testFolder("r2k-allocations-");
  file = join(dir, "pod_resources_state");
});

function podOf(resources: Record<string, ResourceRequirements>, sidecars: string[] = []): Pod {
  const containers: Container[] = Object.entries(resources).map(([name, each]) => ({
    name,
    resources: each,
  }));
  const isSidecar = ({ name }: Container) => sidecars.includes(name);
  return {
    metadata: { name: "p", uid: "u" },
    spec: {
      initContainers: containers
        .filter(isSidecar)
        .map((each) => ({ ...each, restartPolicy: "Always" })),
      containers: containers.filter((each) => !isSidecar(each)),
    },
  };
}

const resourcesOf = ({ spec }: Pod) =>
  [...(spec.initContainers ?? []), ...spec.containers].map(({ resources }) => resources);

test("the spec of an admitted pod does not change what is allocated", async () => {
  const allocations = await Allocations.open(file);
  await allocations.admit(podOf({ a: SMALL, side: SMALL }, ["side"]));
  const desired = podOf({ a: LARGE, side: LARGE }, ["side"]);
  expect(resourcesOf(allocations.allocated(desired))).toEqual([SMALL, SMALL]);
  await allocations.admit(desired);
  expect(resourcesOf(allocations.allocated(desired))).toEqual([SMALL, SMALL]);
  expect(allocations.allocated(desired)).toBe(allocations.allocated(desired));
  await allocations.resize(desired);
  expect(resourcesOf(allocations.allocated(desired))).toEqual([LARGE, LARGE]);
});

test("a restarted kubelet knows what is allocated and what is not carried out", async () => {
  const before = await Allocations.open(file);
  await before.admit(podOf({ a: SMALL, b: SMALL }));
  const desired = podOf({ a: LARGE, b: SMALL });
  await before.resize(desired);
  const after = await Allocations.open(file);
  expect(resourcesOf(after.allocated(desired))).toEqual([LARGE, SMALL]);
  expect(after.before("u", "a")).toEqual(SMALL);
  expect(after.before("u", "b")).toBeUndefined();
  await after.actuate("u", ["a", "b"]);
  expect((await Allocations.open(file)).before("u", "a")).toBeUndefined();
});

test("a container called constructor has no other resources than those allocated", async () => {
  const allocations = await Allocations.open(file);
  const resources = () => allocations.before("u", "constructor");
  await allocations.admit(podOf({ constructor: SMALL }));
  expect(resources()).toBeUndefined();
  await allocations.resize(podOf({ constructor: LARGE }));
  expect(resources()).toEqual(SMALL);
  await allocations.actuate("u", ["constructor"]);
  expect(resources()).toBeUndefined();
  // The checkpoint is not written again for what is carried out already.
  writeFileSync(file, "");
  await allocations.actuate("u", ["constructor"]);
  expect(readFileSync(file, "utf8")).toBe("");
});

test("a second resize keeps what the container has; one back to it ends the first", async () => {
  const allocations = await Allocations.open(file);
  await allocations.admit(podOf({ a: SMALL }));
  await allocations.resize(podOf({ a: LARGE }));
  await allocations.resize(podOf({ a: { requests: { cpu: "300m" } } }));
  expect(allocations.before("u", "a")).toEqual(SMALL);
  await allocations.resize(podOf({ a: { requests: { cpu: "0.1" }, limits: { memory: "64Mi" } } }));
  expect(allocations.before("u", "a")).toBeUndefined();
});

test("a pod's own resources are allocated with what its containers have from them", async () => {
  const allocations = await Allocations.open(file);
  const pod = (own: ResourceRequirements) => {
    const { spec, ...rest } = podOf({ a: {}, b: LARGE });
    return { ...rest, spec: { ...spec, resources: own } };
  };
  await allocations.admit(pod(SMALL));
  await allocations.resize(pod(LARGE));
  const after = await Allocations.open(file);
  expect(after.allocated(pod(SMALL)).spec.resources).toEqual(LARGE);
  expect([POD, "a", "b"].map((name) => after.before("u", name))).toEqual([
    SMALL,
    { limits: SMALL.limits },
    undefined,
  ]);
  await after.actuate("u", [POD]);
  expect(after.before("u", POD)).toBeUndefined();
});

test("resources that no resize changes are those of the spec, and not in the checkpoint", async () => {
  const other = { "example.com/x": "0" };
  const both = ({ requests, limits }: ResourceRequirements) => {
    return { requests: { ...requests, ...other }, limits: { ...limits, ...other } };
  };
  const allocations = await Allocations.open(file);
  await allocations.admit(podOf({ a: both(SMALL), b: { requests: other, limits: other } }));
  const desired = podOf({ a: both(LARGE), b: both(SMALL) });
  await allocations.resize(desired);
  expect(resourcesOf(allocations.allocated(desired))).toEqual([both(LARGE), both(SMALL)]);
  expect(["a", "b"].map((name) => allocations.before("u", name))).toEqual([
    SMALL,
    { requests: {}, limits: {} },
  ]);
  expect(readFileSync(file, "utf8")).not.toContain("example.com");
});

test("changes made at once are all on disk when they resolve", async () => {
  const allocations = await Allocations.open(file);
  const pods = Array.from({ length: 20 }, (_, index) => {
    const pod = podOf({ a: SMALL });
    return { ...pod, metadata: { ...pod.metadata, uid: `u${index}` } };
  });
  await Promise.all(pods.map((pod) => allocations.admit(pod)));
  await allocations.forget("u3");
  const { Data } = JSON.parse(readFileSync(file, "utf8")) as { Data: object };
  const others = pods.map(({ metadata }) => metadata.uid).filter((uid) => uid !== "u3");
  expect(Object.keys(Data).sort()).toEqual(others.sort());
});

test("a damaged checkpoint is refused", async () => {
  const allocations = await Allocations.open(file);
  await allocations.admit(podOf({ a: SMALL }));
  writeFileSync(file, readFileSync(file, "utf8").replace("64Mi", "65Mi"));
  await expect(Allocations.open(file)).rejects.toThrow(CheckpointError);
});
