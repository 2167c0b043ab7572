import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { KubeRequest } from "@raft2kube/client-kube/rest/request.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { startJobs } from "../job/job.ts";
import { TRACKING } from "../job/job-pods.ts";
import { NODE_GONE_MS, POD_GC_MS, WORKERS } from "../limits.ts";
import { loopContext } from "../testing/loop-context.ts";
import { podOf } from "../testing/objects.ts";
import { startPodGc } from "./podgc.ts";

test("pods and nodes after one that fails are looked at", async () => {
  const pods = [
    podOf("held", { node: "gone" }),
    podOf("free", { node: "gone" }),
    podOf("kept", { node: "unknown" }),
    podOf("late", { node: "lost" }),
  ];
  const deleted: string[] = [];
  const answer = ({ method, path }: KubeRequest) => {
    if (path.endsWith("/nodes/unknown")) throw new KubeError({ code: 500 });
    if (method === "GET") throw new KubeError({ code: 404 });
    if (path.includes("/pods/held")) throw new KubeError({ code: 403 });
    if (method === "DELETE") deleted.push(path.split("/").at(-1)!);
    return {};
  };
  const { context, clock } = loopContext({ pods }, answer);
  const running = startPodGc(context);
  const look = () => {
    clock.advance(NODE_GONE_MS + POD_GC_MS);
    return deleted.length >= 2;
  };
  await waitFor("two pods to go", look, { interval_ms: 1 });
  expect(new Set(deleted)).toEqual(new Set(["free", "late"]));
  await running.close();
});

test("pods of one namespace on thousands of nodes that never were delay no others", async () => {
  const theirs = Array.from({ length: 300 }, (_, place) =>
    podOf(`p${place}`, { node: `never-${place}` }),
  );
  const other = podOf("other", { node: "lost" });
  other.metadata.namespace = "web";
  const deleted: string[] = [];
  const { context, clock } = loopContext({ pods: [...theirs, other] }, ({ method, path }) => {
    if (method === "GET") throw new KubeError({ code: 404 });
    if (method === "DELETE") deleted.push(path.split("/").at(-1)!);
    return {};
  });
  const running = startPodGc(context);
  const look = () => {
    clock.advance(NODE_GONE_MS + POD_GC_MS);
    return deleted.includes("other");
  };
  await waitFor("the other pod to go", look, { interval_ms: 1 });
  expect(deleted.indexOf("other")).toBeLessThan(2 * WORKERS);
  await running.close();
});

test("a change of a pod that never had a node and is going concerns this pod alone", async () => {
  const going = podOf("going", { phase: "Pending", deleting: true });
  going.metadata.finalizers = ["x/y"];
  const ended = podOf("ended", { phase: "Failed", deleting: true });
  ended.metadata.finalizers = ["x/y"];
  const requests: string[] = [];
  const { context, copies } = loopContext({ pods: [going, ended] }, ({ method, path }) => {
    requests.push(`${method} ${path.split("/").slice(6).join("/")}`);
    return {};
  });
  let passes = 0;
  const { store } = context.informers.of(PODS);
  const list = store.list.bind(store);
  store.list = () => (passes++, list());
  const running = startPodGc(context);
  const isPassed = () => requests.length > 0;
  await waitFor("the first pass", isPassed, { interval_ms: 1 });
  const change = (pod: Pod, resourceVersion: string) => {
    const object = { ...pod, metadata: { ...pod.metadata, resourceVersion } };
    copies.get("pods")?.apply({ type: "MODIFIED", object });
  };
  const before = passes;
  for (let i = 1; i <= 10; i++) {
    change(ended, `${i}`);
    change(going, `${i}`);
    await new Promise(setImmediate);
  }
  expect(passes).toBe(before);
  expect(new Set(requests)).toEqual(new Set(["PATCH going/status"]));
  await running.close();
});

test("a job that replaces failed pods alone gets its unscheduled pod that is deleted replaced", async () => {
  const job: Job = {
    metadata: { name: "j", namespace: "shop", uid: "j" },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      podReplacementPolicy: "Failed",
      selector: { matchLabels: { job: "j" } },
      template: { spec: { containers: [] } },
    },
  };
  const lost: Pod = podOf("lost", { phase: "Pending", deleting: true });
  lost.metadata.labels = { job: "j" };
  lost.metadata.finalizers = [TRACKING];
  lost.metadata.ownerReferences = [
    controllerReference(job, { apiVersion: "batch/v1", kind: "Job" }),
  ];
  const requests: string[] = [];
  const { context, clock, copies } = loopContext(
    { "jobs.batch": [job], pods: [lost] },
    ({ method, path, body }) => {
      requests.push(`${method} ${path.split("/").slice(6).join("/")}`);
      const change = body as Pod;
      if (path.endsWith("/lost/status")) {
        const object = { ...lost, status: { ...lost.status, ...change.status } };
        copies.get("pods")?.apply({ type: "MODIFIED", object });
      } else if (path.endsWith("/lost")) {
        copies.get("pods")?.apply({ type: "DELETED", object: lost });
      } else if (path.endsWith("/j/status")) {
        copies.get("jobs.batch")?.apply({ type: "MODIFIED", object: change });
      }
      return body ?? {};
    },
  );
  const running = [startPodGc(context), startJobs(context)];
  const look = () => {
    clock.advance(POD_GC_MS);
    return requests.includes("PATCH lost");
  };
  await waitFor("the pod to be released", look, { interval_ms: 1 });
  const ofPods = requests.filter((each) => !each.includes("j/status"));
  expect(ofPods).toEqual(["PATCH lost/status", "POST ", "PATCH lost"]);
  await Promise.all(running.map((each) => each.close()));
});
