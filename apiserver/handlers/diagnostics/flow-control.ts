import { formatDuration } from "@raft2kube/api/duration.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { sumOf } from "@raft2kube/fairness/allocate.ts";
import type { Fairness } from "@raft2kube/fairness/fairness.ts";
import type { Level } from "@raft2kube/fairness/level.ts";
import type { Queue, Refusal, Ticket } from "@raft2kube/fairness/queue.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type Answer, textAnswer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";

export const FLOW_CONTROL_PATH = "/debug/api_priority_and_fairness/";

type Cell = string | number | boolean;

/** The columns of a table: a name, and the cell in a row of what the table is about. */
type Columns<T> = Readonly<Record<string, (of: T) => Cell>>;

/** A request of a level; `index` is its place in its queue, or NONE. */
type Listed = { readonly level: string; readonly ticket: Ticket; readonly index: number };

/**
 * Answers `/debug/api_priority_and_fairness/dump_*`: levels, their queues that have requests, and
 * these requests. undefined for other paths.
 */
export function dumpFlowControl(
  context: RequestContext,
  fairness: Fairness,
  clock: Clock,
): Answer | undefined {
  const levels = fairness.levels.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  switch (context.info.path.slice(FLOW_CONTROL_PATH.length)) {
    case "dump_priority_levels":
      return table(levelColumns(fairness), levels);
    case "dump_queues":
      return table(QUEUE_COLUMNS, levels.flatMap(queuesOf));
    case "dump_requests": {
      const isDetailed = (context.query.get("includeRequestDetails") ?? "") !== "";
      const columns = { ...requestColumns(clock), ...(isDetailed && DETAIL_COLUMNS) };
      return table(columns, levels.flatMap(requestsOf));
    }
    default:
      return undefined;
  }
}

function levelColumns(fairness: Fairness): Columns<Level> {
  const refused = ({ queueSet }: Level, why: Refusal) =>
    sumOf([...queueSet.flows.values()].map((flow) => flow.refused.get(why) ?? 0));
  return {
    PriorityLevelName: ({ name }) => name,
    ActiveQueues: ({ queueSet }) =>
      [...queueSet.queues].filter(({ waiting }) => waiting > 0).length,
    IsIdle: ({ queueSet }) => queueSet.isIdle,
    IsQuiescing: (level) => fairness.isQuiescing(level),
    WaitingRequests: ({ queueSet }) => queueSet.waiting,
    ExecutingRequests: ({ queueSet }) => queueSet.executing,
    DispatchedRequests: ({ queueSet }) =>
      sumOf([...queueSet.flows.values()].map(({ dispatched }) => dispatched)),
    RejectedRequests: ({ queueSet }) =>
      sumOf([...queueSet.flows.values()].map((flow) => sumOf([...flow.refused.values()]))),
    TimedoutRequests: (level) => refused(level, "time-out"),
    CancelledRequests: (level) => refused(level, "cancelled"),
  };
}

const seatSecondsText = (value: number) => `${value.toFixed(8)}ss`;

const QUEUE_COLUMNS: Columns<{ level: string; queue: Queue }> = {
  PriorityLevelName: ({ level }) => level,
  Index: ({ queue }) => queue.index,
  PendingRequests: ({ queue }) => queue.waiting,
  ExecutingRequests: ({ queue }) => queue.executing,
  SeatsInUse: ({ queue }) => queue.seatsInUse,
  NextDispatchR: ({ queue }) => seatSecondsText(queue.next),
  InitialSeatsSum: ({ queue }) => sumOf([...queue.tickets].map(({ work }) => work.seats)),
  MaxSeatsSum: ({ queue }) => queue.seatsWaiting,
  TotalWorkSum: ({ queue }) => seatSecondsText(queue.workWaiting),
};

const queuesOf = ({ name, queueSet }: Level) =>
  [...queueSet.queues].sort((a, b) => a.index - b.index).map((queue) => ({ level: name, queue }));

/** The index of a request that is in no queue, or not any more. */
const NONE = -1;
/** Go's zero time: the request has not started. */
const NEVER = "0001-01-01T00:00:00Z";

function requestColumns(clock: Clock): Columns<Listed> {
  const offset_ms = clock.now() - clock.monotonic();
  const timeOf = (ms: number) => new Date(offset_ms + ms).toISOString();
  return {
    PriorityLevelName: ({ level }) => level,
    FlowSchemaName: ({ ticket }) => ticket.schema,
    QueueIndex: ({ ticket }) => ticket.queue?.index ?? NONE,
    RequestIndexInQueue: ({ index }) => index,
    FlowDistingsher: ({ ticket }) => ticket.distinguisher,
    ArriveTime: ({ ticket }) => timeOf(ticket.arrived_ms),
    InitialSeats: ({ ticket }) => ticket.work.seats,
    FinalSeats: ({ ticket }) => ticket.work.finalSeats,
    AdditionalLatency: ({ ticket }) =>
      formatDuration(BigInt(Math.round(ticket.work.extra_ms * 1e6))),
    StartTime: ({ ticket, index }) => (index === NONE ? timeOf(ticket.started_ms) : NEVER),
  };
}

const contextOf = ({ ticket }: Listed) => ticket.subject as RequestContext;

const DETAIL_COLUMNS: Columns<Listed> = {
  UserName: (listed) => contextOf(listed).user.name,
  Verb: (listed) => contextOf(listed).info.verb,
  APIPath: (listed) => contextOf(listed).info.path,
  Namespace: (listed) => contextOf(listed).info.namespace,
  Name: (listed) => contextOf(listed).info.name,
  APIVersion: (listed) => apiVersionOf(contextOf(listed).info),
  Resource: (listed) => contextOf(listed).info.resource,
  SubResource: (listed) => contextOf(listed).info.subresource,
};

function requestsOf({ name: level, queueSet }: Level): Listed[] {
  const executing = [...queueSet.tickets].map((ticket) => ({ level, ticket, index: NONE }));
  const waiting = [...queueSet.queues].flatMap((queue) =>
    [...queue.tickets].map((ticket, index) => ({ level, ticket, index })),
  );
  return [...executing, ...waiting];
}

/** Columns as Go's tabwriter aligns them; text that a client chose stays on its line. */
function table<T>(columns: Columns<T>, of: readonly T[]): Answer {
  const cellOf = (value: (of: T) => Cell, each: T) => String(value(each)).replace(/[\r\n\t]/g, " ");
  const texts = Object.entries(columns).map(([name, value], at, all) => {
    const cells = [name, ...of.map((each) => cellOf(value, each))];
    if (at === all.length - 1) return cells;
    const width = Math.max(6, ...cells.map(({ length }) => length)) + 2;
    return cells.map((cell) => `${cell},`.padEnd(width));
  });
  const lines = [undefined, ...of].map((_, row) => texts.map((cells) => cells[row]).join(""));
  return textAnswer(200, lines.map((line) => `${line}\n`).join(""));
}
