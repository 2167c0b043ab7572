import type { Fairness } from "@raft2kube/fairness/fairness.ts";
import type { Level } from "@raft2kube/fairness/level.ts";
import type { Ticket } from "@raft2kube/fairness/queue.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type Answer, textAnswer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";

export const FLOW_CONTROL_PATH = "/debug/api_priority_and_fairness/";

type Row = readonly (string | number | boolean)[];

/**
 * Answers `/debug/api_priority_and_fairness/dump_*`: levels, their queues that have requests, and
 * these requests. undefined for other paths.
 */
export function dumpFlowControl(
  context: RequestContext,
  fairness: Fairness,
  clock: Clock,
): Answer | undefined {
  switch (context.info.path.slice(FLOW_CONTROL_PATH.length)) {
    case "dump_priority_levels":
      return table([LEVEL_COLUMNS, ...fairness.levels.map((each) => levelRow(each, fairness))]);
    case "dump_queues":
      return table([QUEUE_COLUMNS, ...fairness.levels.flatMap(queueRows)]);
    case "dump_requests": {
      const isDetailed = (context.query.get("includeRequestDetails") ?? "") !== "";
      const columns = [...REQUEST_COLUMNS, ...(isDetailed ? DETAIL_COLUMNS : [])];
      const rows = fairness.levels.flatMap((each) => requestRows(each, clock, isDetailed));
      return table([columns, ...rows]);
    }
    default:
      return undefined;
  }
}

const LEVEL_COLUMNS = [
  "PriorityLevelName",
  "ActiveQueues",
  "IsIdle",
  "IsQuiescing",
  "WaitingRequests",
  "ExecutingRequests",
  "DispatchedRequests",
  "RejectedRequests",
  "TimedoutRequests",
  "CancelledRequests",
];

function levelRow(level: Level, fairness: Fairness): Row {
  const { queueSet, name } = level;
  const flows = [...queueSet.flows.values()];
  const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);
  const refused = (...why: ("time-out" | "cancelled")[]) =>
    sum(why.flatMap((each) => flows.map(({ refused: by }) => by.get(each) ?? 0)));
  const rejected = sum(flows.flatMap(({ refused: by }) => [...by.values()]));
  const active = [...queueSet.queues].filter(({ waiting }) => waiting.size > 0).length;
  return [
    name,
    active,
    queueSet.isIdle,
    fairness.isQuiescing(level),
    queueSet.waiting,
    queueSet.executing,
    sum(flows.map(({ dispatched }) => dispatched)),
    rejected,
    refused("time-out"),
    refused("cancelled"),
  ];
}

const QUEUE_COLUMNS = [
  "PriorityLevelName",
  "Index",
  "PendingRequests",
  "ExecutingRequests",
  "SeatsInUse",
  "NextDispatchR",
  "InitialSeatsSum",
  "MaxSeatsSum",
  "TotalWorkSum",
];

function queueRows({ name, queueSet }: Level): Row[] {
  return [...queueSet.queues]
    .sort((a, b) => a.index - b.index)
    .map((queue) => {
      const initial = [...queue.waiting].reduce((sum, { work }) => sum + work.seats, 0);
      return [
        name,
        queue.index,
        queue.waiting.size,
        queue.executing,
        queue.seatsInUse,
        `${queue.next.toFixed(8)}ss`,
        initial,
        queue.seatsWaiting,
        `${queue.workWaiting.toFixed(8)}ss`,
      ];
    });
}

const REQUEST_COLUMNS = [
  "PriorityLevelName",
  "FlowSchemaName",
  "QueueIndex",
  "RequestIndexInQueue",
  "FlowDistingsher",
  "ArriveTime",
  "InitialSeats",
  "FinalSeats",
  "AdditionalLatency",
  "StartTime",
];
const DETAIL_COLUMNS = [
  "UserName",
  "Verb",
  "APIPath",
  "Namespace",
  "Name",
  "APIVersion",
  "Resource",
  "SubResource",
];
/** The index of a request that is in no queue, or not any more. */
const NONE = -1;
/** Go's zero time: the request has not started. */
const NEVER = "0001-01-01T00:00:00Z";

function requestRows({ name, queueSet }: Level, clock: Clock, isDetailed: boolean): Row[] {
  const offset_ms = clock.now() - clock.monotonic();
  const timeOf = (ms: number) => new Date(offset_ms + ms).toISOString();
  const row = (ticket: Ticket, index: number): Row => {
    const { schema, queue, distinguisher, arrived_ms, started_ms, work, subject } = ticket;
    const started = index === NONE ? timeOf(started_ms) : NEVER;
    return [
      name,
      schema,
      queue?.index ?? NONE,
      index,
      distinguisher,
      timeOf(arrived_ms),
      work.seats,
      work.finalSeats,
      `${work.extra_ms}ms`,
      started,
      ...(isDetailed ? detailsOf(subject as RequestContext) : []),
    ];
  };
  const waiting = [...queueSet.queues].flatMap((queue) =>
    [...queue.waiting].map((ticket, index) => row(ticket, index)),
  );
  return [...[...queueSet.tickets].map((ticket) => row(ticket, NONE)), ...waiting];
}

function detailsOf({ user, info }: RequestContext): Row {
  const { verb, path, namespace, name, group, version, resource, subresource } = info;
  const apiVersion = group === "" ? version : `${group}/${version}`;
  return [user.name, verb, path, namespace, name, apiVersion, resource, subresource];
}

/** Columns as Go's tabwriter aligns them; text that a client chose stays on its line. */
function table(rows: readonly Row[]): Answer {
  const texts = rows.map((row) =>
    row.map(
      (cell, at) => `${String(cell).replace(/[\r\n\t]/g, " ")}${at < row.length - 1 ? "," : ""}`,
    ),
  );
  const width = (at: number) => Math.max(7, ...texts.map((row) => row[at]?.length ?? 0)) + 1;
  const widths = (texts[0] ?? []).map((_, at) => width(at));
  return textAnswer(
    200,
    texts
      .map(
        (row) =>
          `${row
            .map((cell, at) => (at < row.length - 1 ? cell.padEnd(widths[at]!) : cell))
            .join("")}\n`,
      )
      .join(""),
  );
}
