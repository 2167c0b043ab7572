import { pod } from "@raft2kube/api/core/v1/pod/pod.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { expect, test } from "vitest";
import { countAsDeletion } from "./delete.ts";
import { planDelete } from "./delete-plan.ts";
import type { WriteOptions } from "./write-options.ts";

const NOW_MS = Date.parse("2030-01-01T00:01:00Z");
const at = (second: number) => timeText(NOW_MS + second * 1000);

interface Case {
  /** The spec's period, the request's, and that of a deletion which was asked for 10 s ago. */
  readonly usual_s: number;
  readonly asked_s?: number;
  readonly begun_s?: number;
  readonly phase?: "Running" | "Succeeded";
  readonly finalizers?: string[];
  /** The pod has the annotation of a mirror pod, and this owner as its controller. */
  readonly mirrorOf?: string;
}

function planOf({ usual_s, asked_s, begun_s, phase = "Running", finalizers, mirrorOf }: Case) {
  const going = begun_s !== undefined && {
    deletionTimestamp: at(begun_s - 10),
    deletionGracePeriodSeconds: begun_s,
  };
  const owner = {
    apiVersion: "v1",
    kind: "Node",
    name: mirrorOf ?? "",
    uid: "u",
    controller: true,
  };
  const mirror = mirrorOf !== undefined && {
    annotations: { "kubernetes.io/config.mirror": "x" },
    ownerReferences: [owner],
  };
  const object: Pod = {
    metadata: { name: "p", ...(finalizers && { finalizers }), ...going, ...mirror },
    spec: { containers: [], nodeName: "n", terminationGracePeriodSeconds: usual_s },
    status: { phase },
  };
  const request = {
    gracePeriod_s: asked_s,
    propagation: undefined,
    uid: undefined,
    resourceVersion: undefined,
    dryRun: false,
  };
  const plan = planDelete(pod as unknown as Kind, object as KubeObject, request, NOW_MS);
  if (plan.do === "keep") return plan.do;
  const { deletionGracePeriodSeconds, deletionTimestamp } = plan.object.metadata;
  return [plan.do, deletionGracePeriodSeconds, deletionTimestamp];
}

// Facts of upstream's rest.BeforeDelete and podStrategy.CheckGracefulDelete.
test.each<[string, Case, unknown]>([
  ["the pod's own period", { usual_s: 30 }, ["mark", 30, at(30)]],
  ["a period that is asked for", { usual_s: 30, asked_s: 90 }, ["mark", 90, at(90)]],
  ["one for a pod that has none", { usual_s: 0, asked_s: 20 }, ["mark", 20, at(20)]],
  ["none", { usual_s: 0 }, ["remove", 0, at(0)]],
  ["a negative one is a second", { usual_s: -5 }, ["mark", 1, at(1)]],
  ["a pod that has ended", { usual_s: 30, asked_s: 9, phase: "Succeeded" }, ["remove", 0, at(0)]],
  ["another request, without a period", { usual_s: 30, begun_s: 90 }, "keep"],
  ["another request, with a longer one", { usual_s: 30, asked_s: 95, begun_s: 90 }, "keep"],
  ["with a shorter one", { usual_s: 30, asked_s: 40, begun_s: 90 }, ["mark", 40, at(30)]],
  ["with none left", { usual_s: 30, asked_s: 0, begun_s: 90 }, ["remove", 0, at(-10)]],
  ["a pod that has ended meanwhile", { usual_s: 30, begun_s: 90, phase: "Succeeded" }, "keep"],
  ["a period that is over, held", { usual_s: 30, begun_s: 0, finalizers: ["x/y"] }, "keep"],
  ["a period that is over, free", { usual_s: 30, begun_s: 0 }, ["remove", 0, at(-10)]],
])("the deletion of a pod: %s", (_name, given, plan) => {
  expect(planOf(given)).toEqual(plan);
});

test("what a node made for itself is removed at once: its end is no one's to wait for", () => {
  expect(planOf({ usual_s: 30, mirrorOf: "n" })).toEqual(["remove", 0, at(0)]);
  expect(planOf({ usual_s: 30, mirrorOf: "other" })).toEqual(["mark", 30, at(30)]);
});

test("the marks of an object that is going count as what adds nothing to the store", () => {
  const counted: number[][] = [];
  const countWrite = (...sizes: number[]) => void counted.push(sizes);
  countAsDeletion({ countWrite } as Partial<WriteOptions> as WriteOptions)(200, 90);
  expect(counted).toEqual([[200, 200]]);
});
