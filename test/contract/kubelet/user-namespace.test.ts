import { EVENTS, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { ours } from "../cri/ours.ts";
import { startApiNode } from "./api-node.ts";
import { statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

it("on a runtime without user namespaces a pod that asks for one gets no container", async () => {
  const api = await startApiNode({}, ours("runc"));
  try {
    const { admin } = api.plane;
    const pod = await admin
      .resource(PODS)
      .create({
        metadata: { namespace: "default", name: "mapped" },
        spec: spec([sh("main", SLEEP)], { hostUsers: false, nodeName: "node" }),
      });
    const fieldSelector = `involvedObject.uid=${pod.metadata.uid}`;
    const found = await waitFor("the event", async () => {
      const { items } = await admin.resource(EVENTS).list({ fieldSelector });
      return items.find(({ reason }) => reason === "FailedCreatePodSandBox");
    });
    expect(found.message).toContain("hostUsers: false asks for a user namespace");
    const seen = await admin.resource(PODS).get({ namespace: "default", name: "mapped" });
    expect(statusOf(seen, "main")?.state?.running).toBeUndefined();
    await admin.resource(PODS).delete({ namespace: "default", name: "mapped" });
    await waitFor("no pod to be left", () => api.node.kubelet.pods().length === 0);
  } finally {
    await api.close();
  }
});
