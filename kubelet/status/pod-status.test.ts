import type { Container, Pod, PodStatus, RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { POD } from "../allocation/resources.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import { podStatus, type StatusFacts } from "./pod-status.ts";
import { statusPatch } from "./status-patch.ts";

type Spec = { policy?: RestartPolicy; init?: string[]; sidecars?: string[] };

function podOf({ policy = "Always", init = [], sidecars = [] }: Spec = {}): Pod {
  const container = (name: string): Container => ({ name, image: `${name}:1` });
  return {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: {
      restartPolicy: policy,
      initContainers: [
        ...init.map(container),
        ...sidecars.map((name) => ({ ...container(name), restartPolicy: "Always" as const })),
      ],
      containers: ["a", "b"].map(container),
    },
  };
}

const START = 1_000_000_000_000;

function ran(name: string, state: ObservedContainer["state"], exitCode = 0, attempt = 0) {
  return {
    id: `${name}${attempt}`,
    name,
    sandboxId: "s",
    attempt,
    state,
    createdAt_ms: START,
    startedAt_ms: START,
    finishedAt_ms: state === "exited" ? START + 5_000 : 0,
    exitCode,
    reason: "",
    message: "",
    image: `${name}:1`,
    imageRef: "sha256:1",
    hash: "",
    logPath: "",
    annotations: {},
    recursiveReadOnly: [],
  } satisfies ObservedContainer;
}

function statusOf(pod: Pod, containers: ObservedContainer[], more: Partial<StatusFacts> = {}) {
  const sandbox = { id: "s", attempt: 0, ready: true, hostNetwork: false, createdAt_ms: START };
  return podStatus({
    pod,
    observed: {
      uid: "u",
      name: "p",
      namespace: "n",
      sandboxes: [{ ...sandbox, ips: ["10.1.0.5"] }],
      containers,
    },
    previous: undefined,
    waiting: new Map(),
    restarting: new Set(),
    verdict: undefined,
    ending: more.ended ?? false,
    ended: false,
    readiness: () => ({ ready: true, started: true }),
    terminationMessage: () => undefined,
    hostIPs: ["10.0.0.1"],
    runtimeName: "r2k",
    now_ms: START + 60_000,
    ...more,
  });
}

const condition = (status: PodStatus, type: string) =>
  status.conditions?.find((one) => one.type === type);

test("a pod whose sandbox is down has no address, which may be another's; one that ends keeps it", () => {
  const previous = statusOf(podOf(), []);
  expect(previous.podIPs).toEqual([{ ip: "10.1.0.5" }]);
  const down = { id: "s", attempt: 0, ready: false, hostNetwork: false, createdAt_ms: START };
  const sandboxes = [{ ...down, ips: ["10.1.0.5"] }];
  const observed = { uid: "u", name: "p", namespace: "n", sandboxes, containers: [] };
  const shown = statusOf(podOf(), [], { previous, observed });
  expect([shown.podIP, shown.podIPs]).toEqual([undefined, undefined]);
  const ending = statusOf(podOf(), [], { previous, observed, ending: true });
  expect(ending.podIPs).toEqual(previous.podIPs);
});

describe("phase", () => {
  const NEVER: Spec = { policy: "Never" };
  const ON_FAILURE: Spec = { policy: "OnFailure" };
  test.each<[string, Spec, ObservedContainer[], string]>([
    ["nothing yet", {}, [], "Pending"],
    ["both run", {}, [ran("a", "running"), ran("b", "running")], "Running"],
    ["one has not started", {}, [ran("a", "running")], "Pending"],
    ["one ended, one runs", NEVER, [ran("a", "exited"), ran("b", "running")], "Running"],
    ["both ended well", ON_FAILURE, [ran("a", "exited"), ran("b", "exited")], "Succeeded"],
    ["one failed for good", NEVER, [ran("a", "exited", 1), ran("b", "exited")], "Failed"],
    [
      "one failed, is tried again",
      ON_FAILURE,
      [ran("a", "exited", 1), ran("b", "exited")],
      "Running",
    ],
    ["ended, but always restarted", {}, [ran("a", "exited"), ran("b", "exited")], "Running"],
    ["an init step runs", { init: ["i"] }, [ran("i", "running")], "Pending"],
    ["an init step failed", { init: ["i"] }, [ran("i", "exited", 1)], "Pending"],
    [
      "an init step failed for good",
      { init: ["i"], policy: "Never" },
      [ran("i", "exited", 1)],
      "Failed",
    ],
    [
      "a sidecar runs on",
      { sidecars: ["s"], policy: "Never" },
      [ran("a", "exited"), ran("b", "exited"), ran("s", "running")],
      "Succeeded",
    ],
  ])("%s", (_, spec, containers, phase) => {
    const ended = phase === "Succeeded" || phase === "Failed";
    expect(statusOf(podOf(spec), containers, { ended }).phase).toBe(phase);
  });

  test("a pod's end is reported when all of it is stopped, and never reverted", () => {
    const over = [ran("a", "exited"), ran("b", "exited")];
    const pod = podOf({ policy: "Never" });
    expect(statusOf(pod, over).phase).toBe("Running");
    const pending: PodStatus = { phase: "Pending" };
    expect(statusOf(pod, over, { previous: pending }).phase).toBe("Pending");
    const shown = statusOf(pod, over, { ended: true });
    expect(shown.phase).toBe("Succeeded");
    expect(statusOf(pod, over, { previous: shown }).phase).toBe("Succeeded");
  });

  test("a pod stopped before it ran has failed; one that ended well has succeeded", () => {
    expect(statusOf(podOf(), [], { ended: true }).phase).toBe("Failed");
    const ended = [ran("a", "exited"), ran("b", "exited")];
    expect(statusOf(podOf(), ended, { ended: true }).phase).toBe("Succeeded");
    const killed = [ran("a", "exited", 137), ran("b", "exited")];
    expect(statusOf(podOf(), killed, { ended: true }).phase).toBe("Failed");
  });

  test("a final phase never changes, even when the runtime has no containers any more", () => {
    const previous: PodStatus = { phase: "Succeeded", startTime: "2001-09-09T01:46:40Z" };
    expect(statusOf(podOf(), [], { previous, ended: true }).phase).toBe("Succeeded");
    const evicted: PodStatus = { phase: "Failed", reason: "Evicted", message: "low" };
    expect(statusOf(podOf(), [], { previous: evicted })).toMatchObject(evicted);
  });

  test("a verdict of the node is final, and reported when all containers have stopped", () => {
    const verdict = { reason: "Evicted", message: "The node was low on resource: memory." };
    const both = [ran("a", "running"), ran("b", "running")];
    expect(statusOf(podOf(), both, { verdict }).phase).toBe("Running");
    const ended = [ran("a", "exited"), ran("b", "exited")];
    const status = statusOf(podOf(), ended, { verdict, ended: true });
    expect(status).toMatchObject({ phase: "Failed", reason: "Evicted" });
    expect(condition(status, "DisruptionTarget")).toBeUndefined();
  });

  test("a refused pod lists no containers that wait: clients show the node's reason", () => {
    const verdict = { reason: "OutOfcpu", message: "Pod was rejected: ...", refused: true };
    const previous = statusOf(podOf(), []);
    const status = statusOf(podOf(), [], { previous, verdict, ended: true });
    expect(status).toMatchObject({ phase: "Failed", reason: "OutOfcpu" });
    expect(status.containerStatuses).toBeUndefined();
    // After a restart of the kubelet too.
    const later = statusOf(podOf(), [], { previous: status, ended: true });
    expect(later.containerStatuses).toBeUndefined();
    expect(previous.containerStatuses).toHaveLength(2);
  });

  test("an admitted pod that ends before its containers ran lists them", () => {
    const previous = statusOf(podOf(), []);
    const verdict = { reason: "DeadlineExceeded", message: "" };
    const status = statusOf(podOf(), [], { previous, verdict, ended: true });
    expect(status).toMatchObject({ phase: "Failed", reason: "DeadlineExceeded" });
    expect(status.containerStatuses).toHaveLength(2);
    const later = statusOf(podOf(), [], { previous: status, ended: true });
    expect(later.containerStatuses).toHaveLength(2);
  });

  test("a disrupted pod has a DisruptionTarget condition from the first status on", () => {
    const message = "The node was low on resource: memory.";
    const verdict = { reason: "Evicted", message, disrupted: true };
    const pod = podOf();
    pod.metadata.generation = 2;
    const status = statusOf(pod, [ran("a", "running")], { verdict });
    const wanted = {
      type: "DisruptionTarget",
      status: "True",
      reason: "TerminationByKubelet",
      message,
      observedGeneration: 2,
    };
    expect(condition(status, "DisruptionTarget")).toMatchObject(wanted);
    expect(statusPatch("u", status)).toMatchObject({
      status: { conditions: expect.arrayContaining([expect.objectContaining(wanted)]) },
    });
    // The kubelet was restarted since, and finds it in the API.
    pod.status = status;
    const ended = [ran("a", "exited"), ran("b", "exited")];
    const later = statusOf(pod, ended, { previous: status, ended: true });
    expect(later.conditions?.filter(({ type }) => type === "DisruptionTarget")).toHaveLength(1);
  });
});

describe("container statuses", () => {
  const both = [ran("a", "running", 0, 1), ran("a", "exited", 3, 0), ran("b", "running")];

  test.each([
    ["", "no such program"],
    ["farewell", "no such program: farewell"],
  ])("the runtime's message is shown beside the container's %j", (own, message) => {
    const end = { ...ran("a", "exited", 128), message: "no such program" };
    const [a] = statusOf(podOf(), [end, ran("b", "running")], { terminationMessage: () => own })
      .containerStatuses!;
    expect((a?.state?.terminated ?? a?.lastState?.terminated)?.message).toBe(message);
  });

  test.each(["OnFailure", "Never"] as const)(
    "one that was stopped to be started again is never shown as ended, with the policy %s",
    (policy) => {
      const stopped = ran("a", "exited");
      const { phase, containerStatuses } = statusOf(podOf({ policy }), [stopped], {
        restarting: new Set([stopped.id]),
        previous: { phase: "Running" },
      });
      const [a] = containerStatuses!;
      expect(a?.state).toEqual({ waiting: { reason: "ContainerCreating", message: "" } });
      expect(a?.lastState?.terminated?.exitCode).toBe(0);
      expect(phase).toBe("Pending");
    },
  );

  test("its user is shown, and its part of 12 KiB of messages", () => {
    const user = { linux: { uid: 5, gid: 6 } };
    const end = { ...ran("a", "exited", 1), user, message: "x".repeat(9_000) };
    const [a] = statusOf(podOf({ sidecars: ["s"] }), [end]).containerStatuses!;
    expect(a?.user).toEqual(user);
    expect(a?.state?.terminated?.message).toHaveLength(4_096);
  });

  test("a restarted container shows its former end", () => {
    const [a] = statusOf(podOf(), both, { terminationMessage: () => "farewell" })
      .containerStatuses!;
    expect(a).toMatchObject({
      containerID: "r2k://a1",
      restartCount: 1,
      ready: true,
      state: { running: { startedAt: "2001-09-09T01:46:40Z" } },
      lastState: {
        terminated: {
          exitCode: 3,
          reason: "Error",
          message: "farewell",
          finishedAt: "2001-09-09T01:46:45Z",
        },
      },
    });
  });

  test("a container in back-off has its waiting reason and its last termination", () => {
    const waiting = new Map([["a", { reason: "CrashLoopBackOff", message: "back-off 10s" }]]);
    const [a] = statusOf(podOf(), [ran("a", "exited", 1)], { waiting }).containerStatuses!;
    expect(a?.state?.waiting?.reason).toBe("CrashLoopBackOff");
    expect(a?.lastState?.terminated?.exitCode).toBe(1);
  });

  test("before the init steps are done the others are initializing", () => {
    const { containerStatuses } = statusOf(podOf({ init: ["i"] }), [ran("i", "running")]);
    expect(containerStatuses?.[0]?.state?.waiting?.reason).toBe("PodInitializing");
  });

  test("an end that the runtime has forgotten is kept, a running one is lost", () => {
    const ended = { exitCode: 4, reason: "Error" };
    const base = { image: "", imageID: "", ready: true, restartCount: 2 };
    const previous: PodStatus = {
      containerStatuses: [
        { ...base, name: "a", state: { terminated: ended } },
        { ...base, name: "b", state: { running: {} }, containerID: "r2k://b0" },
      ],
    };
    const [a, b] = statusOf(podOf(), [], { previous }).containerStatuses!;
    expect(a).toMatchObject({ ready: false, restartCount: 2, state: { terminated: ended } });
    expect(b?.state?.terminated?.reason).toBe("ContainerStatusUnknown");
  });
});

describe("conditions", () => {
  const both = [ran("a", "running"), ran("b", "running")];

  test("a pod is ready when all containers are", () => {
    const ready = statusOf(podOf(), both);
    expect(condition(ready, "Ready")?.status).toBe("True");
    expect(condition(ready, "PodReadyToStartContainers")?.status).toBe("True");
    const readiness = (one: ObservedContainer) => ({ ready: one.name === "a", started: true });
    expect(condition(statusOf(podOf(), both, { readiness }), "Ready")).toMatchObject({
      status: "False",
      reason: "ContainersNotReady",
      message: "containers with unready status: [b]",
    });
  });

  test("a readiness gate without a condition keeps the pod unready", () => {
    const pod = podOf();
    pod.spec.readinessGates = [{ conditionType: "example.com/gate" }];
    expect(condition(statusOf(pod, both), "Ready")?.reason).toBe("ReadinessGatesNotReady");
    pod.status = { conditions: [{ type: "example.com/gate", status: "True" }] };
    const status = statusOf(pod, both);
    expect(condition(status, "Ready")?.status).toBe("True");
    expect(condition(status, "example.com/gate")?.status).toBe("True");
  });

  test("a pod shows that all of its containers restart until it ends, and stays initialized", () => {
    const pod = podOf({ policy: "Never", init: ["i"], sidecars: ["s"] });
    const rule = { action: "RestartAllContainers", exitCodes: { operator: "NotIn", values: [0] } };
    pod.spec.initContainers![1]!.restartPolicyRules = [rule];
    const shown = (codes: [number, number] | undefined, more: Partial<StatusFacts> = {}) => {
      const [a, s] = codes ?? [0, 0];
      const all = { a, b: a, s };
      const own = Object.entries(all).map(([n, code]) =>
        ran(n, codes ? "exited" : "running", code),
      );
      const status = statusOf(pod, [...own, ran("i", "exited")], more);
      const restarting = condition(status, "AllContainersRestarting")!;
      const { waiting, ...state } = status.containerStatuses![0]!.state!;
      const conditions = [condition(status, "Initialized")?.status, restarting.status];
      const why = [restarting.reason, waiting?.reason ?? Object.keys(state)[0]];
      return { status, row: [status.phase, ...conditions, ...why] };
    };
    const { status: previous, row } = shown(undefined);
    expect(row).toEqual(["Running", "True", "False", undefined, "running"]);
    const [reason, waiting] = ["RestartAllContainersStarted", "RestartingAllContainers"];
    expect(shown([137, 1], { previous }).row).toEqual(["Running", "True", "True", reason, waiting]);
    const end = shown([0, 143], { previous, ended: true }).row;
    expect(end).toEqual(["Succeeded", "True", "False", "PodCompleted", "terminated"]);
  });

  test("an unchanged condition keeps its time", () => {
    const previous = statusOf(podOf(), both);
    const later = { previous, now_ms: START + 120_000 };
    const time = "2001-09-09T01:47:40Z";
    expect(condition(statusOf(podOf(), both, later), "Ready")?.lastTransitionTime).toBe(time);
    const changed = statusOf(podOf(), [ran("a", "exited"), ran("b", "running")], later);
    expect(condition(changed, "Ready")?.lastTransitionTime).not.toBe(time);
  });
});

test("a container's mounts are shown as the runtime made them", () => {
  const pod = podOf();
  pod.spec.containers![0]!.volumeMounts = [
    { name: "v", mountPath: "/plain" },
    { name: "v", mountPath: "/fixed", readOnly: true },
    { name: "v", mountPath: "deep", readOnly: true, recursiveReadOnly: "IfPossible" },
  ];
  const deep = { ...ran("a", "running"), recursiveReadOnly: ["/deep"] };
  expect(statusOf(pod, [deep, ran("b", "running")]).containerStatuses?.[0]?.volumeMounts).toEqual([
    { name: "v", mountPath: "/plain" },
    { name: "v", mountPath: "/fixed", readOnly: true, recursiveReadOnly: "Disabled" },
    { name: "v", mountPath: "deep", readOnly: true, recursiveReadOnly: "Enabled" },
  ]);
  expect(statusOf(pod, []).containerStatuses?.[0]).not.toHaveProperty("volumeMounts");
});

test("a pod is scheduled since it was bound, of the generation that the kubelet sees", () => {
  const pod = podOf();
  pod.metadata.generation = 2;
  const lastTransitionTime = "2001-01-01T00:00:00Z";
  const bound = { type: "PodScheduled", status: "True", lastTransitionTime };
  pod.status = { conditions: [bound] };
  const scheduled = (status: PodStatus) =>
    status.conditions?.filter(({ type }) => type === "PodScheduled");
  const first = statusOf(pod, []);
  expect(scheduled(first)).toEqual([{ ...bound, observedGeneration: 2 }]);
  expect(statusPatch("u", first)).toMatchObject({
    status: { conditions: expect.arrayContaining([expect.objectContaining(bound)]) },
  });
  pod.metadata.generation = 3;
  expect(scheduled(statusOf(pod, [], { previous: first, now_ms: START + 60_000 }))).toEqual([
    { ...bound, observedGeneration: 3 },
  ]);
});

test("status and conditions say which generation they are about, containers what they got", () => {
  const pod = podOf();
  pod.metadata.generation = 3;
  const resources = { requests: { cpu: "1m" }, limits: { cpu: "2m" } };
  pod.spec.containers![0]!.resources = resources;
  const status = statusOf(pod, [ran("a", "running"), ran("b", "running")]);
  expect(status.observedGeneration).toBe(3);
  expect(status.conditions?.map((each) => each.observedGeneration)).toEqual([3, 3, 3, 3, 3]);
  expect(status.containerStatuses).toMatchObject([
    { name: "a", resources, allocatedResources: resources.requests },
    { name: "b", resources: {} },
  ]);
  expect(status.containerStatuses?.[1]).not.toHaveProperty("allocatedResources");
});

describe("a resize", () => {
  const SMALL = {
    requests: { cpu: "100m", memory: "8Mi" },
    limits: { cpu: "200m", memory: "16Mi" },
  };
  const LARGE = {
    requests: { cpu: "300m", memory: "9Mi" },
    limits: { cpu: "400m", memory: "32Mi" },
  };
  const small = {
    cpuShares: 102,
    cpuQuota: 20_000,
    cpuPeriod: 100_000,
    memoryLimitInBytes: 16 << 20,
  };
  const large = {
    cpuShares: 307,
    cpuQuota: 40_000,
    cpuPeriod: 100_000,
    memoryLimitInBytes: 32 << 20,
  };
  const resized = () => {
    const pod = podOf();
    pod.spec.containers[0]!.resources = LARGE;
    return pod;
  };
  const shown = (
    pod: Pod,
    state: ObservedContainer["state"],
    more: Partial<StatusFacts>,
    limits = small,
  ) =>
    statusOf(pod, [{ ...ran("a", state), limits }, ran("b", "running")], more)
      .containerStatuses?.[0];

  test("shows what is allocated, and what a running container has", () => {
    const resourcesBefore = () => SMALL;
    expect(shown(resized(), "running", { resourcesBefore })).toMatchObject({
      allocatedResources: LARGE.requests,
      resources: SMALL,
    });
    const partly = { ...SMALL, limits: { cpu: "400m", memory: "32Mi" } };
    const limits = { ...large, cpuShares: 102 };
    expect(shown(resized(), "running", { resourcesBefore }, limits)?.resources).toEqual(partly);
    expect(shown(resized(), "running", {}, large)?.resources).toEqual(LARGE);
    // Lists of thousands of names are not copied for each status.
    expect(shown(resized(), "running", {}, large)?.resources?.requests).toBe(LARGE.requests);
    expect(shown(resized(), "running", {}, large)?.resources?.limits).toBe(LARGE.limits);
    expect(shown(resized(), "exited", { resourcesBefore })?.resources).toEqual(LARGE);
  });

  test("of the pod itself shows what its cgroup has, and containers without its limits", () => {
    const pod = podOf();
    pod.spec.resources = LARGE;
    pod.spec.overhead = { cpu: "1" };
    const before = new Map<string, object>([
      [POD, SMALL],
      ["a", { limits: SMALL.limits }],
    ]);
    const resourcesBefore = (name: string) => before.get(name);
    const more = { resourcesBefore };
    const status = statusOf(pod, [{ ...ran("a", "running"), limits: small }], more);
    expect(status).toMatchObject({ allocatedResources: LARGE.requests, resources: SMALL });
    expect(status.containerStatuses?.[0]?.resources).toEqual({});
    expect(statusPatch("u", status)).toMatchObject({ status: { resources: SMALL } });
    expect(statusOf(pod, []).resources).toEqual(LARGE);
    expect(statusOf(podOf(), [])).not.toHaveProperty("resources");
  });

  test("shows the runtime's limits, where they are not those allocated", () => {
    expect(shown(resized(), "running", {}, small)?.resources).toEqual({
      requests: { cpu: "100m", memory: "9Mi" },
      limits: { cpu: "200m", memory: "16Mi" },
    });
  });

  test("has its conditions with their own generation, until it has ended", () => {
    const pod = resized();
    pod.metadata.generation = 3;
    const resize = {
      pending: { reason: "Deferred" as const, message: "full", generation: 3 },
      inProgress: { generation: 2 },
    };
    const status = statusOf(pod, [], { resize });
    expect(condition(status, "PodResizePending")).toMatchObject({
      status: "True",
      reason: "Deferred",
      message: "full",
      observedGeneration: 3,
    });
    expect(condition(status, "PodResizeInProgress")).toMatchObject({ observedGeneration: 2 });
    const after = statusOf({ ...pod, status }, [], { previous: status });
    expect(after.conditions?.map(({ type }) => type)).not.toContain("PodResizePending");
  });
});
