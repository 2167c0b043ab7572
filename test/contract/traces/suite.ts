import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ReceivedSpan, TraceReceiver } from "../../../testing/trace/received-span.ts";
import { ASKED, create, TracedPlanes, written } from "./plane.ts";

const POST = "POST /api/v1/namespaces/{:namespace}/configmaps";
const TXN = "etcdserverpb.KV/Txn";
const MASTERS = ["system:masters"];
const ALL = { samplingRatePerMillion: SAMPLING_RATE_MAX };

/** Runs the traces of control planes against a receiver of OTLP. */
export function tracesSuite(start: () => Promise<TraceReceiver>): void {
  let receiver: TraceReceiver;
  let planes: TracedPlanes;
  beforeAll(async () => {
    receiver = await start();
    planes = new TracedPlanes(receiver);
  });
  afterEach(() => planes.close());
  afterAll(() => receiver?.close());

  const given = () => planes;
  createRules(given);
  parentRules(given);
}

function createRules(given: () => TracedPlanes): void {
  describe.each([
    ["over gRPC", false],
    ["embedded", true],
  ] as const)("a store %s", (_, embedded) => {
    it("continues the request's trace, under upstream's names", async () => {
      const planes = given();
      const name = `traced-${embedded}`;
      await create(await planes.start(ALL, embedded), name, MASTERS);
      const expected = pathsOfCreate(embedded);
      await planes.close();
      const trace = await planes.traceOf(written(name), expected.length);
      expect(trace.map((span) => pathOf(span, trace)).sort()).toEqual(expected);
      const [root] = trace.filter(({ parentId }) => parentId === "");
      expect(root).toMatchObject({
        service: "apiserver",
        name: POST,
        kind: 2,
        attributes: { "http.request.method": "POST", "http.response.status_code": 201 },
      });
      for (const span of trace) expect(span.end_ns).toBeGreaterThanOrEqual(span.start_ns);
    });
  });
}

function parentRules(given: () => TracedPlanes): void {
  it("continues a trace for system:masters; for others starts one, linked to it", async () => {
    const planes = given();
    const plane = await planes.start(ALL);
    const tracer = planes.tracer("client", ALL);
    const [trusted, other] = [tracer.start("trusted"), tracer.start("other")];
    await create(plane, "continued", MASTERS, trusted);
    await create(plane, "linked", ["strangers"], other);
    const continued = await planes.traceOf(written("continued"));
    expect(continued.map(({ traceId }) => traceId)).toContain(trusted.traceId);
    const linked = await planes.traceOf(({ links }) => links.includes(other.traceId));
    expect(linked).toContainEqual(
      expect.objectContaining({
        service: "apiserver",
        name: POST,
        parentId: "",
        attributes: expect.objectContaining({ "http.response.status_code": 403 }),
      }),
    );
    expect(linked.map(({ traceId }) => traceId)).not.toContain(other.traceId);
  });

  it("without a rate, traces what its caller traces, and nothing else", async () => {
    const planes = given();
    const plane = await planes.start(ASKED);
    await create(plane, "not-asked", MASTERS);
    await create(plane, "not-sampled", MASTERS, planes.tracer("client", ASKED).start("other"));
    await create(plane, "asked", MASTERS, planes.tracer("client", ALL).start("asked"));
    await planes.traceOf(written("asked"));
    const others = ["not-asked", "not-sampled"].map(written);
    expect(planes.spans().filter((span) => others.some((isOf) => isOf(span)))).toEqual([]);
  });
}

/** The spans of a create, each with those above it, sorted. */
function pathsOfCreate(embedded: boolean): string[] {
  const filters = [
    "authentication",
    "audit",
    "impersonation",
    "authorization",
    "priorityandfairness",
  ];
  const request = `apiserver ${POST}`;
  const parts = ["SerializeObject", "admit", "validate", "Create etcd3"];
  const create = `${request} > apiserver Create`;
  const call = `${create} > apiserver Create etcd3${embedded ? "" : ` > apiserver ${TXN}`}`;
  return [
    request,
    create,
    ...filters.map((each) => `${request} > apiserver ${each}`),
    ...parts.map((each) => `${create} > apiserver ${each}`),
    ...(embedded ? [] : [call]),
    `${create} > apiserver Create etcd3 > apiserver watch event`,
    `${call} > etcd ${TXN}`,
    `${call} > etcd ${TXN} > etcd propose`,
  ].sort();
}

function pathOf(span: ReceivedSpan, trace: readonly ReceivedSpan[]): string {
  const parent = trace.find(({ spanId }) => spanId === span.parentId);
  return `${parent ? `${pathOf(parent, trace)} > ` : ""}${span.service} ${span.name}`;
}
