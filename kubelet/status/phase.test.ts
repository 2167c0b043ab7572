import type { Container, ContainerStatus, Pod, RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { podPhase } from "./phase.ts";

const RESTARTED_ON_42 = {
  restartPolicy: "Never",
  restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }],
};

const ended = (name: string, exitCode: number) =>
  ({ name, state: { terminated: { exitCode } } }) as ContainerStatus;
const started = { name: "a", state: { running: {} } } as ContainerStatus;

type Case = [string, RestartPolicy, Partial<Container>, number, string, string];

const podOf = (restartPolicy: RestartPolicy, container: Container): Pod => ({
  metadata: {},
  spec: { restartPolicy, initContainers: [{ ...container, name: "i" }], containers: [container] },
});

test("a pod whose containers are all to be started again runs, until one of them fails", () => {
  const pod = podOf("Never", { name: "a" });
  const phase = (init: number, past: string[]) => {
    const statuses = [ended("a", 137)];
    const initStatuses = [ended("i", init)];
    return podPhase({ pod, initStatuses, statuses, past: new Set(past), ended: false });
  };
  expect(phase(0, ["i", "a"])).toBe("Running");
  expect(phase(0, ["a"])).toBe("Running");
  expect(phase(1, ["a"])).toBe("Failed");
  expect(phase(0, [])).toBe("Failed");
});

test.each<Case>([
  ["the pod's policy restarts it", "Always", {}, 0, "Running", "Pending"],
  ["its own policy restarts it", "Never", { restartPolicy: "Always" }, 1, "Running", "Pending"],
  ["its own policy lets it end", "Always", { restartPolicy: "Never" }, 1, "Failed", "Failed"],
  ["it has succeeded", "Always", { restartPolicy: "OnFailure" }, 0, "Succeeded", "Pending"],
  ["a rule restarts it", "Never", RESTARTED_ON_42, 42, "Running", "Pending"],
  ["no rule restarts it", "Never", RESTARTED_ON_42, 41, "Failed", "Failed"],
])("when a container has ended, and %s", (_, restartPolicy, own, exitCode, phase, initial) => {
  const container: Container = { name: "a", ...own };
  const pod: Pod = { metadata: {}, spec: { restartPolicy, containers: [container] } };
  const statuses = [ended("a", exitCode)];
  expect(podPhase({ pod, initStatuses: [], statuses, ended: false })).toBe(phase);
  if (own.restartPolicy === "Always") return; // a sidecar
  const init: Pod = { ...pod, spec: { ...pod.spec, initContainers: [container] } };
  const initStatuses = [ended("a", exitCode)];
  expect(podPhase({ pod: init, initStatuses, statuses: [], ended: false })).toBe(initial);
  const running = exitCode === 0 || initial === "Pending" ? "Running" : "Failed";
  expect(podPhase({ pod: init, initStatuses, statuses: [started], ended: false })).toBe(running);
});
