import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { PODS, SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import { ApiConnection } from "@raft2kube/kubelet/api/api-connection.ts";
import { ApiPods } from "@raft2kube/kubelet/api/api-pods.ts";
import { admitsUnderPressure, isCritical } from "@raft2kube/kubelet/eviction/plan.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";

const clock = systemClock();
const server = fileApiserver();

it("a pod of the API is no static pod, whatever its annotations say", async () => {
  const { cert, key } = server.admin;
  const client = new KubeClient({ server: server.api.server, ca: server.api.ca.cert, cert, key });
  const api = new ApiConnection(client, "n1", clock);
  const apiPods = new ApiPods({ api, clock, statics: () => [], node: () => undefined });
  try {
    const account = { namespace: "default", name: "default" };
    await client.resource(SERVICE_ACCOUNTS).create({ metadata: account });
    const seen = new Map<string, Pod>();
    apiPods.start({ put: (pod) => seen.set(pod.metadata.name ?? "", pod), remove() {} });
    const annotations = { "kubernetes.io/config.source": "file", other: "kept" };
    const spec = { nodeName: "n1", containers: [{ name: "c", image: "i" }] };
    const metadata = { namespace: "default", name: "tenants", annotations };
    await client.resource(PODS).create({ metadata, spec });
    const pod = await waitFor("the pod", () => seen.get("tenants"));
    const pressure = { memory: false, disk: true, pid: false };
    expect([isCritical(pod), admitsUnderPressure(pod, pressure)]).toEqual([false, false]);
    expect(pod.metadata.annotations).toMatchObject({ other: "kept" });
  } finally {
    await apiPods.close();
    await api.close();
    client.close();
  }
});
