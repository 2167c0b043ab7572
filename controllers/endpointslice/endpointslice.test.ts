import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { KubeRequest } from "@raft2kube/client-kube/rest/request.ts";
import { test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { UNSEEN_NODE_MS } from "../limits.ts";
import { loopContext } from "../testing/loop-context.ts";
import { podOf } from "../testing/objects.ts";
import { startEndpointSlices } from "./endpointslice.ts";

const nodes: Node[] = [{ metadata: { name: "here" }, spec: {} }];
const PODS: readonly Pod[] = ["here", "gone"].map((node, at) => {
  const pod = podOf(node, { node, readyFor_s: 1 });
  pod.metadata.labels = { app: "web" };
  pod.status!.podIP = `10.0.0.${at + 1}`;
  return pod;
});

/** A Service whose controller runs, and the pods in the slice that it last wrote. */
function start(spec: Service["spec"], pods: readonly Pod[] = PODS) {
  const service: Service = {
    metadata: { name: "web", namespace: "shop", uid: "web" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }], ...spec },
  };
  let slice: EndpointSlice | undefined;
  const answer = ({ body }: KubeRequest) => {
    const { metadata, ...rest } = body as EndpointSlice;
    const resourceVersion = String(Number(metadata.resourceVersion ?? 0) + 1);
    slice = { ...rest, metadata: { ...metadata, name: "web-1", uid: "1", resourceVersion } };
    copies.get("endpointslices.discovery.k8s.io")?.apply({ type: "MODIFIED", object: slice });
    return slice;
  };
  const { context, clock, copies } = loopContext(
    { services: [service], pods: [...pods], nodes },
    answer,
  );
  const running = startEndpointSlices(context);
  const until = async (...names: string[]) => {
    const look = () => {
      clock.advance(UNSEEN_NODE_MS);
      const found = slice?.endpoints.map(({ targetRef }) => targetRef?.name);
      return found?.join() === names.join();
    };
    await waitFor(names.join(), look, { interval_ms: 1 });
  };
  /** A user removes the labels of the slice. */
  const strip = () => {
    const { labels: _labels, ...metadata } = slice!.metadata;
    const object = { ...slice!, metadata: { ...metadata, resourceVersion: "99" } };
    slice = undefined;
    copies.get("endpointslices.discovery.k8s.io")!.apply({ type: "MODIFIED", object });
  };
  return { until, strip, nodes: copies.get("nodes")!, running };
}

test("a pod is an endpoint as soon as its node is there", async () => {
  const { until, nodes: known, running } = start({});
  await until("here");
  known.apply({ type: "ADDED", object: { metadata: { name: "gone" } } });
  await until("here", "gone");
  await running.close();
});

test("a static pod is an endpoint once its node has the label of the control plane", async () => {
  const mirrors = PODS.map(({ metadata, ...pod }): Pod => {
    const annotations = { "kubernetes.io/config.mirror": "x" };
    const owner = { apiVersion: "v1", kind: "Node", uid: "n", controller: true };
    const ownerReferences = [{ ...owner, name: pod.spec.nodeName ?? "" }];
    return { ...pod, metadata: { ...metadata, annotations, ownerReferences } };
  });
  const { until, nodes: known, running } = start({}, mirrors);
  const labels = { "node-role.kubernetes.io/control-plane": "" };
  known.apply({ type: "MODIFIED", object: { metadata: { name: "here", labels } } });
  await until("here");
  known.apply({ type: "ADDED", object: { metadata: { name: "gone", labels } } });
  await until("here", "gone");
  known.apply({ type: "MODIFIED", object: { metadata: { name: "gone" } } });
  await until("here");
  await running.close();
});

test("a Service that publishes pods in any state has those on no node", async () => {
  const { until, running } = start({ publishNotReadyAddresses: true });
  await until("here", "gone");
  await running.close();
});

test("a slice that loses its labels is replaced", async () => {
  const { until, strip, running } = start({ publishNotReadyAddresses: true });
  await until("here", "gone");
  strip();
  await until("here", "gone");
  await running.close();
});
