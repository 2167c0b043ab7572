import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { startTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../../../testing/free-port.ts";
import { startReceiver } from "../../../testing/trace/own-receiver.ts";
import type { ReceivedSpan, TraceReceiver } from "../../../testing/trace/received-span.ts";
import { ours } from "../cri/ours.ts";
import { Node } from "../kubelet/fixture.ts";
import { SLEEP, sh, spec } from "../kubelet/specs.ts";

let receiver: TraceReceiver;
let kubelet: Tracer;
let node: Node;
beforeAll(async () => {
  const port = await freePort();
  kubelet = startTracing(
    { name: "kubelet" },
    { endpoint: `127.0.0.1:${port}`, samplingRatePerMillion: SAMPLING_RATE_MAX },
  );
  const runtime = startTracing({ name: "runtime" }, {}, kubelet.options.sink);
  node = await Node.start(ours("crun", { tracer: runtime }), async () => {
    // In the network namespace of the host that was made for the test.
    receiver = await startReceiver(undefined, port);
    return { tracer: kubelet };
  });
});
afterAll(async () => {
  await node?.close();
  await receiver?.close();
});

it("a pod's step is one trace through kubelet, runtime and CNI", async () => {
  node.put("traced", spec([sh("main", SLEEP)]));
  const { metadata } = await node.untilReady("traced");
  await node.take("traced");
  await kubelet.close();
  const steps = receiver
    .spans()
    .filter(({ attributes }) => attributes["k8s.pod.uid"] === metadata.uid);
  expect(new Set(steps.map(({ name }) => name))).toEqual(
    new Set(["syncPod", "syncTerminatingPod", "syncTerminatedPod"]),
  );
  for (const { parentId, attributes } of steps) {
    expect([parentId, attributes["k8s.pod"]]).toEqual(["", "default/traced-node"]);
  }
  const service = "runtime.v1.RuntimeService";
  const sandbox = pathTo(({ name, service: of }) => of === "runtime" && name === "CNI ADD bridge");
  expect(sandbox).toEqual([
    "kubelet syncPod",
    `kubelet ${service}/RunPodSandbox`,
    `runtime ${service}/RunPodSandbox`,
    "runtime CNI ADD bridge",
  ]);
  expect(
    pathTo(({ name, service: of }) => of === "runtime" && name === `${service}/StartContainer`),
  ).toEqual([
    "kubelet syncPod",
    `kubelet ${service}/StartContainer`,
    `runtime ${service}/StartContainer`,
  ]);
  const added = receiver.spans().find(({ name }) => name === "CNI ADD bridge");
  expect(added?.attributes["addresses"]).toEqual([expect.stringMatching(/^10\./)]);
  // The kubelet's lists between steps have no trace, so that the runtime starts none.
  const roots = receiver
    .spans()
    .filter(({ parentId, service: of }) => parentId === "" && of === "runtime");
  expect(roots).toEqual([]);
});

/** The spans above one, from the first of its trace, and that one. */
function pathTo(find: (span: ReceivedSpan) => boolean): string[] {
  const path: string[] = [];
  const spans = receiver.spans();
  for (let span = spans.find(find); span; ) {
    const { service, name, parentId } = span;
    path.unshift(`${service} ${name}`);
    span = spans.find(({ spanId }) => spanId === parentId);
  }
  return path;
}
