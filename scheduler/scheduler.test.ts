import type { Namespace, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { recentSpans } from "@raft2kube/observe/trace/recent-spans.ts";
import { type Span, Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { SchedulerCache } from "./cache.ts";
import { CycleState } from "./framework/cycle-state.ts";
import { Framework, type PointTimer } from "./framework/framework.ts";
import type {
  BindPlugin,
  FilterPlugin,
  PermitPlugin,
  Plugin,
  PostFilterPlugin,
  PreBindPlugin,
  PreFilterPlugin,
  PreScorePlugin,
  ReservePlugin,
  ScorePlugin,
} from "./framework/plugin.ts";
import { SKIP, unschedulable } from "./framework/status.ts";
import { tracedPlugin } from "./framework/traced.ts";
import { SchedulerMetrics } from "./metrics.ts";
import { podInfo } from "./node-info.ts";
import { Nominator } from "./nominator.ts";
import { checkProfile } from "./profiles.ts";
import { SchedulingQueue } from "./queue.ts";
import { Scheduler } from "./scheduler.ts";
import { node, pod, snapshot } from "./testing/objects.ts";

type EveryPoint = PreFilterPlugin &
  FilterPlugin &
  PostFilterPlugin &
  PreScorePlugin &
  ScorePlugin &
  ReservePlugin &
  PermitPlugin &
  PreBindPlugin &
  BindPlugin;

const PROFILE = "default-scheduler";

/** A plugin of all extension points that records each call. */
function recordingPlugin(points: string[], replaced: Partial<EveryPoint> = {}): Plugin {
  const record = (point: string) => void points.push(point);
  const every: EveryPoint = {
    name: "Recording",
    weight: 1,
    events: [],
    preFilter: () => record("PreFilter") as undefined,
    filter: (_state, _info, { name }) => record(`Filter ${name}`) as undefined,
    async postFilter() {
      record("PostFilter");
      return { nominatedNodeName: undefined, message: "preemption: not tried." };
    },
    preScore: (_state, _info, nodes) => record(`PreScore ${nodes.length}`) as undefined,
    score(_state, _info, { name }) {
      record(`Score ${name}`);
      return name === "b" ? 7 : 3;
    },
    normalizeScore(scores) {
      record(`NormalizeScore ${scores.join(" ")}`);
      return scores;
    },
    reserve: (_state, _info, { name }) => record(`Reserve ${name}`),
    unreserve: (_state, _info, { name }) => record(`Unreserve ${name}`),
    permit: async (_state, _info, { name }) => record(`Permit ${name}`),
    preBind: async (_state, _info, { name }) => record(`PreBind ${name}`),
    bind: async (_state, _info, { name }) => record(`Bind ${name}`),
  };
  return { ...every, ...replaced };
}

/** Schedules one pod on nodes a and b; resolves with the events' reasons and messages. */
async function scheduleOne(...plugins: Plugin[]): Promise<string[]> {
  return await scheduleMeasured(new SchedulerMetrics(new ManualClock()), plugins);
}

async function scheduleMeasured(
  metrics: SchedulerMetrics,
  plugins: Plugin[],
  rest: Pod[] = [],
  tracer?: Tracer,
): Promise<string[]> {
  const waiting = [pod("p", { schedulerName: PROFILE })];
  return await scheduleAll(waiting, metrics, plugins, rest, tracer);
}

/** Schedules pods on nodes a and b; resolves with the events of all of them. */
async function scheduleAll(
  waiting: Pod[],
  metrics: SchedulerMetrics,
  plugins: Plugin[],
  rest: Pod[] = [],
  tracer?: Tracer,
): Promise<string[]> {
  const clock = new ManualClock();
  const events: string[] = [];
  const queue = new SchedulingQueue({ clock, plugins, incoming: metrics.incoming });
  metrics.follow(queue, () => [...waiting, ...rest]);
  const cache = new SchedulerCache({ get: () => undefined } as unknown as ReadStore<Namespace>);
  for (const name of ["a", "b"]) cache.setNode(node(name));
  const scheduler = new Scheduler({
    pods: { patch: async (): Promise<Pod> => waiting[0]! },
    recorder: { record: (_pod, _type, reason, message) => events.push(`${reason}: ${message}`) },
    cache,
    queue,
    nominator: new Nominator(),
    clock,
    random: seededRandom(1),
    profiles: new Map([[PROFILE, frameworkFor(plugins, metrics.timer(PROFILE), tracer)]]),
    metrics,
    tracer,
    current: (wanted) => waiting.find(({ metadata }) => metadata.uid === wanted.metadata.uid),
  });
  onTestFinished(() => scheduler.close());
  for (const each of waiting) queue.add(each);
  scheduler.start();
  const open = () => waiting.filter((p) => !p.spec.nodeName && !p.metadata.deletionTimestamp);
  await expect.poll(() => events.length - open().length).toBe(0);
  return events;
}

function frameworkFor(plugins: Plugin[], timer: PointTimer, tracer?: Tracer): Framework {
  return new Framework(tracer ? plugins.map((one) => tracedPlugin(one)) : plugins, {}, timer);
}

/** Schedules one pod; resolves with the spans of its trace, by name. */
async function scheduleTraced(...plugins: Plugin[]): Promise<Map<string, Span>> {
  const spans = recentSpans();
  const clock = new ManualClock();
  const tracer = new Tracer({
    service: { name: "scheduler" },
    sink: spans,
    clock,
    samplingRatePerMillion: SAMPLING_RATE_MAX,
    random: seededRandom(1),
  });
  await scheduleMeasured(new SchedulerMetrics(clock), plugins, [], tracer);
  await expect.poll(() => spans.recent().map(({ name }) => name)).toContain("Scheduling");
  return new Map(spans.recent().map((span) => [span.name, span]));
}

test("an attempt is a trace of its extension points, with verdicts and scores", async () => {
  const second: FilterPlugin = { name: "Second", events: [], filter: () => undefined };
  const spans = await scheduleTraced(recordingPlugin([]), second);
  expect([...spans.keys()]).toEqual([
    "PreFilter",
    "Filter",
    "PreScore",
    "Score",
    "Reserve",
    "Permit",
    "PreBind",
    "Bind",
    "Scheduling",
  ]);
  const whole = spans.get("Scheduling")!;
  expect(whole.attributes).toMatchObject({
    "k8s.pod": "default/p",
    "k8s.node.name": "b",
    result: "scheduled",
  });
  expect(spans.get("Filter")).toMatchObject({
    parentId: whole.spanId,
    attributes: { Recording: "a: passes; b: passes", Second: "a: passes; b: passes" },
  });
  expect(spans.get("Score")?.attributes).toEqual({ Recording: "a: 3 x 1; b: 7 x 1" });
});

test("the trace of a pod that fits nowhere has each plugin's reason", async () => {
  const filter = () => unschedulable("full");
  const spans = await scheduleTraced(recordingPlugin([], { filter }));
  expect(spans.get("Filter")?.attributes).toEqual({ Recording: "a: full; b: full" });
  expect(spans.get("Scheduling")).toMatchObject({
    attributes: { result: "unschedulable" },
    failure: expect.stringMatching(/^0\/2 nodes are available/),
  });
});

test("a pod that fits passes the extension points in upstream's order", async () => {
  const points: string[] = [];
  const events = await scheduleOne(recordingPlugin(points));
  expect(points).toEqual([
    "PreFilter",
    "Filter a",
    "Filter b",
    "PreScore 2",
    "Score a",
    "Score b",
    "NormalizeScore 3 7",
    "Reserve b",
    "Permit b",
    "PreBind b",
    "Bind b",
  ]);
  expect(events).toEqual(["Scheduled: Successfully assigned default/p to b"]);
});

test("pods that wait for no I/O leave turns of the event loop to others", async () => {
  const clock = systemClock();
  const seen: string[] = [];
  const preFilter: PreFilterPlugin["preFilter"] = (_state, { pod: { metadata } }) => {
    const until_ms = clock.monotonic() + 20;
    while (clock.monotonic() < until_ms);
    seen.push(metadata.name ?? "");
    return undefined;
  };
  setImmediate(() => void seen.push("other"));
  const waiting = ["p", "q", "r"].map((name) => pod(name, { schedulerName: PROFILE }));
  const metrics = new SchedulerMetrics(new ManualClock());
  await scheduleAll(waiting, metrics, [recordingPlugin([], { preFilter })]);
  expect(seen.slice(0, seen.indexOf("r"))).toContain("other");
});

test("PostFilter runs when no node passes the filters", async () => {
  const points: string[] = [];
  const filter = () => unschedulable("full");
  const events = await scheduleOne(recordingPlugin(points, { filter }));
  expect(points).toEqual(["PreFilter", "PostFilter"]);
  expect(events).toEqual([
    "FailedScheduling: 0/2 nodes are available: 2 full. preemption: not tried.",
  ]);
});

test.each<[string, (p: Pod) => Pod[]]>([
  ["deleted", () => []],
  ["bound", (p) => [{ ...p, spec: { ...p.spec, nodeName: "b" } }]],
  [
    "asked to end",
    (p) => [{ ...p, metadata: { ...p.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } }],
  ],
])("a pod that was %s during PostFilter takes no node", async (_what, after) => {
  const points: string[] = [];
  const waiting = [pod("p", { schedulerName: PROFILE }), pod("q", { schedulerName: PROFILE })];
  const postFilter: PostFilterPlugin["postFilter"] = async (_state, { pod: { metadata } }) => {
    points.push(`PostFilter ${metadata.name}`);
    if (metadata.name === "p") waiting.splice(0, 1, ...after(waiting[0]!));
    await nextTurn();
    const prepareCandidate = async () => void points.push(`Prepare ${metadata.name}`);
    return { nominatedNodeName: "a", prepareCandidate };
  };
  const plugin = recordingPlugin([], { filter: () => unschedulable("full"), postFilter });
  await scheduleAll(waiting, new SchedulerMetrics(new ManualClock()), [plugin]);
  expect(points).toEqual(["PostFilter p", "PostFilter q", "Prepare q"]);
});

test("Skip from PreFilter and PreScore leaves out Filter and Score of that plugin", async () => {
  const points: string[] = [];
  const skip: Partial<EveryPoint> = { preFilter: () => SKIP, preScore: () => SKIP };
  await scheduleOne(recordingPlugin(points, skip));
  expect(points.map((point) => point.split(" ")[0])).toEqual([
    "Reserve",
    "Permit",
    "PreBind",
    "Bind",
  ]);
});

test("a failed PreBind undoes the reservation and is reported", async () => {
  const points: string[] = [];
  const preBind = () => Promise.reject(new Error("no volume"));
  const events = await scheduleOne(recordingPlugin(points, { preBind }));
  expect(points.slice(-3)).toEqual(["Reserve b", "Permit b", "Unreserve b"]);
  expect(events).toEqual(["FailedScheduling: binding to b: no volume"]);
});

test.each(["filter", "postFilter"] as const)(
  "a %s that throws fails for its pod alone, which is tried again",
  async (point) => {
    const points: string[] = [];
    const full: FilterPlugin["filter"] = () => unschedulable("full");
    const broken = () => {
      throw new TypeError("no such field");
    };
    const plugin = recordingPlugin(points, { filter: full, [point]: broken });
    const waiting = ["p", "q"].map((name) => pod(name, { schedulerName: PROFILE }));
    const metrics = new SchedulerMetrics(new ManualClock());
    const events = await scheduleAll(waiting, metrics, [plugin]);
    expect(events).toEqual(Array(2).fill("FailedScheduling: no such field"));
    expect(await metrics.registry.metrics()).toContain('scheduler_pending_pods{queue="backoff"} 2');
  },
);

test("a binding comes after the write of why the pod had no node before", async () => {
  const order: string[] = [];
  const written = Promise.withResolvers<Pod>();
  const tried = vi.fn(() => (tried.mock.calls.length <= 2 ? unschedulable("full") : undefined));
  const bind = async () => void order.push("bound");
  const plugins = [recordingPlugin([], { filter: tried, bind })];
  const clock = new ManualClock();
  const p = pod("p", { schedulerName: PROFILE });
  const queue = new SchedulingQueue({ clock, plugins });
  const cache = new SchedulerCache({ get: () => undefined } as unknown as ReadStore<Namespace>);
  for (const name of ["a", "b"]) cache.setNode(node(name));
  const patch = vi.fn(() => written.promise);
  const scheduler = new Scheduler({
    ...{ pods: { patch }, recorder: { record: () => undefined }, cache, queue, clock },
    ...{ nominator: new Nominator(), random: seededRandom(1), current: () => p },
    profiles: new Map([[PROFILE, new Framework(plugins)]]),
  });
  onTestFinished(() => scheduler.close());
  queue.add(p);
  scheduler.start();
  await expect.poll(() => patch).toHaveBeenCalledTimes(1);
  queue.retry(p);
  clock.advance(10_000);
  await expect.poll(() => tried).toHaveBeenCalledTimes(4);
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  order.push("written");
  written.resolve(p);
  await expect.poll(() => order).toEqual(["written", "bound"]);
});

test("the weight of a score plugin scales its scores, and a profile replaces it", () => {
  const score = (_state: unknown, _info: unknown, { name }: { name: string }) => Number(name);
  const plugin: ScorePlugin = { name: "ByName", weight: 2, events: [], score };
  const placed = snapshot([
    [node("1"), []],
    [node("3"), []],
  ]);
  const totals = (framework: Framework) => {
    return framework.runScorePlugins(new CycleState(placed), podInfo(pod("p")), placed.nodes);
  };
  expect(totals(new Framework([plugin]))).toEqual([2, 6]);
  expect(totals(new Framework([plugin], { ByName: 5 }))).toEqual([5, 15]);
});

test("a profile must not name unknown plugins, nor disable the only bind plugin", () => {
  const profile = (disabled: string[]) => ({ schedulerName: "s", disabled });
  expect(() => checkProfile(profile(["NodePorts", "DefaultPreemption"]))).not.toThrow();
  expect(() => checkProfile(profile(["NodePort"]))).toThrow(/no plugin is named "NodePort"/);
  expect(() => checkProfile(profile(["DefaultBinder"]))).toThrow(/needs a bind plugin/);
});

test("metrics count attempts, extension points, queues and what pods request", async () => {
  const metrics = new SchedulerMetrics(new ManualClock());
  const gated = pod("g", { schedulingGates: [{ name: "quota" }] });
  const limits = { cpu: "1500m", memory: "1Gi" };
  const large = pod("l", {
    nodeName: "a",
    priority: 7,
    containers: [{ name: "c", image: "i", resources: { limits, requests: { cpu: "250m" } } }],
  });
  await scheduleMeasured(metrics, [recordingPlugin([])], [gated, large]);
  const full = () => unschedulable("full");
  await scheduleMeasured(metrics, [recordingPlugin([], { filter: full })], [gated, large]);
  const text = (await metrics.registry.metrics()) + (await metrics.resources.metrics());
  const profile = 'profile="default-scheduler"';
  const point = "scheduler_framework_extension_point_duration_seconds_count{extension_point=";
  const pair = 'namespace="default",pod="l",node="a",scheduler="",priority="7"';
  for (const line of [
    `scheduler_schedule_attempts_total{${profile},result="scheduled"} 1`,
    `scheduler_schedule_attempts_total{${profile},result="unschedulable"} 1`,
    `scheduler_scheduling_attempt_duration_seconds_count{${profile},result="scheduled"} 1`,
    "scheduler_pod_scheduling_attempts_count 1",
    `${point}"Filter",${profile},status="Success"} 2`,
    `${point}"Bind",${profile},status="Success"} 1`,
    `${point}"PostFilter",${profile},status="Unschedulable"} 1`,
    'scheduler_queue_incoming_pods_total{event="UnscheduledPodAdd",queue="active"} 2',
    'scheduler_queue_incoming_pods_total{event="ScheduleAttemptFailure",queue="unschedulable"} 1',
    'scheduler_pending_pods{queue="unschedulable"} 1',
    'scheduler_pending_pods{queue="gated"} 1',
    `kube_pod_resource_request{${pair},resource="cpu",unit="cores"} 0.25`,
    `kube_pod_resource_limit{${pair},resource="cpu",unit="cores"} 1.5`,
    `kube_pod_resource_limit{${pair},resource="memory",unit="bytes"} ${2 ** 30}`,
  ])
    expect(text).toContain(`${line}\n`);
});
