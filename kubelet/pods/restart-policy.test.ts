import type { Container, Pod, RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { restartsAfter, restartsAll } from "./restart-policy.ts";

const rule = (operator: string, ...values: number[]) => ({
  action: "Restart",
  exitCodes: { operator, values },
});

test.each<[string, RestartPolicy, Partial<Container>, number[]]>([
  ["the pod's policy", "OnFailure", {}, [1, 42]],
  ["its own before the pod's", "Always", { restartPolicy: "Never" }, []],
  ["its own before the pod's", "Never", { restartPolicy: "OnFailure" }, [1, 42]],
  [
    "a rule before its own",
    "Always",
    { restartPolicy: "Never", restartPolicyRules: [rule("In", 7), rule("In", 42)] },
    [42],
  ],
  [
    "a rule for all codes but some",
    "Always",
    { restartPolicy: "Never", restartPolicyRules: [rule("NotIn", 0, 1)] },
    [42],
  ],
  [
    "its own where a rule has no codes",
    "Always",
    { restartPolicy: "Never", restartPolicyRules: [{ action: "Restart" }] },
    [],
  ],
  [
    "its own policy where no rule matches",
    "Never",
    { restartPolicy: "OnFailure", restartPolicyRules: [rule("In", 0)] },
    [0, 1, 42],
  ],
])("the end of a container counts by %s", (_, restartPolicy, own, expected) => {
  const pod: Pod = { metadata: {}, spec: { restartPolicy, containers: [] } };
  const container: Container = { name: "c", ...own };
  const restarted = [0, 1, 42].filter((code) => restartsAfter(pod, container, code));
  expect(restarted).toEqual(expected);
});

test("the first rule for a code says whether the end of a container restarts all of its pod's", () => {
  const all = { ...rule("NotIn", 0), action: "RestartAllContainers" };
  const container: Container = { name: "c", restartPolicyRules: [rule("In", 42), all] };
  expect([0, 42, 43].filter((code) => restartsAll(container, code))).toEqual([43]);
});
