import { Fairness } from "@raft2kube/fairness/fairness.ts";
import { LEVELS } from "@raft2kube/fairness/objects.ts";
import type { Ticket } from "@raft2kube/fairness/queue.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import type { RequestContext } from "../../request/context.ts";
import { parseRequestInfo } from "../../request/request-info.ts";
import { dumpFlowControl, FLOW_CONTROL_PATH } from "./flow-control.ts";

// The heads and the rows of idle levels are kube-apiserver 1.36's answers, byte for byte.
const LEVELS_HEAD =
  "PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ExecutingRequests, " +
  "DispatchedRequests, RejectedRequests, TimedoutRequests, CancelledRequests";
const IDLE = "0,            true,   false,       0,               0,                 0,   ";
const ZEROES = "               0,                0,                0";
const QUEUES_HEAD =
  "PriorityLevelName, Index,  PendingRequests, ExecutingRequests, SeatsInUse, NextDispatchR, " +
  "InitialSeatsSum, MaxSeatsSum, TotalWorkSum";
const REQUESTS_HEAD = [
  "PriorityLevelName, FlowSchemaName, QueueIndex, RequestIndexInQueue, FlowDistingsher, ArriveTime",
  "InitialSeats, FinalSeats, AdditionalLatency, StartTime",
];
const DETAILS_HEAD = "UserName, Verb, APIPath, Namespace, Name, APIVersion, Resource, SubResource";

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const context = (method: string, path: string, name: string) => {
  const url = new URL(path, "https://x");
  const info = parseRequestInfo(method, url.pathname, url.searchParams);
  return { info, query: url.searchParams, user: { name } } as unknown as RequestContext;
};

function dump(fairness: Fairness, name: string): string[] {
  const answer = dumpFlowControl(
    context("GET", `${FLOW_CONTROL_PATH}${name}`, "a"),
    fairness,
    clock,
  );
  expect(answer).toMatchObject({ code: 200, contentType: "text/plain; charset=utf-8" });
  const { body } = answer as { body: string };
  expect(body.endsWith("\n")).toBe(true);
  return body.slice(0, -1).split("\n");
}

const cellsOf = (line: string) => line.split(/, */);

it("levels, queues and requests that there are none of", () => {
  const fairness = new Fairness(600, 0);
  const levels = Object.entries(LEVELS).map(([name, spec]) => ({ metadata: { name }, spec }));
  fairness.configure({ levels, schemas: [] }, 0);
  const names = Object.keys(LEVELS).sort();
  expect(dump(fairness, "dump_priority_levels")).toEqual([
    LEVELS_HEAD,
    ...names.map((name) => `${`${name},`.padEnd(19)}${IDLE}${ZEROES}`),
  ]);
  const heads = ["dump_queues", "dump_requests"].map((each) => dump(fairness, each));
  expect(heads).toEqual([[QUEUES_HEAD], [REQUESTS_HEAD.join(", ")]]);
});

/** A level of one seat and one queue, with a request that is worked on and two that wait. */
function busy(): Fairness {
  const fairness = new Fairness(1, clock.monotonic());
  const queuing = { queues: 1, handSize: 1, queueLengthLimit: 2 };
  const limitResponse = { type: "Queue", queuing };
  const limited = { nominalConcurrencyShares: 1, limitResponse };
  const levels = [{ metadata: { name: "one" }, spec: { type: "Limited", limited } }];
  fairness.configure({ levels, schemas: [] }, clock.monotonic());
  const { queueSet } = fairness.levels.find(({ name }) => name === "one")!;
  const start = (subject: RequestContext, finalSeats: number, extra_ms: number) =>
    queueSet.start(
      {
        schema: "flows",
        distinguisher: subject.user.name,
        work: { seats: 1, finalSeats, extra_ms },
        dispatched: () => undefined,
        subject,
      },
      clock.monotonic(),
    ) as Ticket;
  const path = "/apis/apps/v1/namespaces/team/deployments/web/scale";
  start(context("PUT", path, "alice"), 0, 0);
  clock.advance(250);
  for (const name of ["bob", "two\nlines"]) start(context("GET", path, name), 3, 7.5);
  expect(start(context("GET", path, "late"), 0, 0)).toBe("queue-full");
  return fairness;
}

it("a level that is busy, its queue and its requests, in upstream's columns", () => {
  const fairness = busy();
  const [head, ...levels] = dump(fairness, "dump_priority_levels");
  expect(head).toBe(LEVELS_HEAD);
  const one = levels.map(cellsOf).find(([name]) => name === "one");
  expect(one).toEqual(["one", "1", "false", "false", ..."2111".split(""), "0", "0"]);
  const queues = dump(fairness, "dump_queues").map(cellsOf);
  expect(queues).toEqual([
    cellsOf(QUEUES_HEAD),
    ["one", "0", "2", "1", "1", expect.stringMatching(/^\d+\.\d{8}ss$/), "2", "6", "0.05100000ss"],
  ]);
  const plain = dump(fairness, "dump_requests").map(cellsOf);
  const [from, later] = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.250Z"];
  const never = "0001-01-01T00:00:00Z";
  const requests = [
    ["one", "flows", "0", "-1", "alice", from, "1", "0", "0s", from],
    ["one", "flows", "0", "0", "bob", later, "1", "3", "7.5ms", never],
    ["one", "flows", "0", "1", "two lines", later, "1", "3", "7.5ms", never],
  ];
  expect(plain).toEqual([cellsOf(REQUESTS_HEAD.join(", ")), ...requests]);
  const path = "/apis/apps/v1/namespaces/team/deployments/web/scale";
  const detailed = dump(fairness, "dump_requests?includeRequestDetails=1").map(cellsOf);
  const about = ["team", "web", "apps/v1", "deployments", "scale"];
  expect(detailed).toEqual([
    cellsOf([...REQUESTS_HEAD, DETAILS_HEAD].join(", ")),
    [...requests[0]!, "alice", "update", path, ...about],
    [...requests[1]!, "bob", "get", path, ...about],
    [...requests[2]!, "two lines", "get", path, ...about],
  ]);
});

it("other paths below are not its own", () => {
  const other = context("GET", `${FLOW_CONTROL_PATH}dump_nothing`, "a");
  expect(dumpFlowControl(other, new Fairness(1, 0), clock)).toBeUndefined();
});
