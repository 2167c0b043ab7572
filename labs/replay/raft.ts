import type { Message } from "@raft2kube/store/core/message.ts";
import { describeEntry, describeMessage } from "../../testing/raft/describe.ts";
import { TICK_MS } from "../raft/limits.ts";
import type { ClusterObserver } from "../raft/observer.ts";
import type { Server } from "../raft/server.ts";
import { labelOf } from "../raft/trace.ts";
import { Recorder } from "./recorder.ts";
import {
  type Cell,
  type Family,
  type NoteEvent,
  SHOWN_CELLS_MAX,
  type Timer,
  type TrackState,
} from "./recording.ts";

const COMMAND_CHARS_MAX = 12;

/** Records a cluster of the Raft labs. */
export class ClusterRecorder implements ClusterObserver {
  readonly recorder: Recorder;
  readonly #cluster: { readonly now_ms: number };
  readonly #timers = new Map<string, Timer>();

  constructor(cluster: { readonly now_ms: number }) {
    this.#cluster = cluster;
    this.recorder = new Recorder("ms", () => cluster.now_ms);
  }

  added(server: Server): void {
    this.recorder.track(`${server.id}`, `member ${server.id}`, this.#stateOf(server));
  }

  sent(message: Message): void {
    const [from, to] = [`${message.from}`, `${message.to}`];
    const detail = describeMessage(message);
    const said = { label: labelOf(message), detail, family: familyOf(message) };
    this.recorder.sent(message, { from, to, ...said });
  }

  arrived(message: Message, lost: boolean): void {
    this.recorder.arrived(message, lost);
  }

  noted(member: bigint, text: string): void {
    this.recorder.note(`${member}`, familyOfNote(text), text);
  }

  stepped(server: Server): void {
    this.recorder.state(`${server.id}`, this.#stateOf(server));
  }

  #stateOf(server: Server): TrackState {
    const { raft, disk } = server.member;
    const { role, term, vote, leader, log } = raft.state;
    const condition = !server.up ? "down" : server.connected ? "running" : "disconnected";
    const facts = {
      term,
      "voted for": vote === 0n ? "no one" : `${vote}`,
      leader: leader === 0n ? "unknown" : `${leader}`,
    };
    const marks = [
      { name: "snapshot", at: disk.mark.index },
      { name: "durable", at: log.persisted },
      { name: "committed", at: log.committed },
      { name: "applied", at: server.member.applied.length },
    ];
    return {
      role: server.up ? role : "down",
      condition,
      facts,
      timer: server.up ? this.#timerOf(server) : null,
      cells: cellsOf(server),
      marks: marks.filter(({ name, at }) => at > 0 || name !== "snapshot"),
    };
  }

  /** A follower's timer: since the last message of its leader, or since it campaigned. */
  #timerOf({ id, member }: Server): Timer | null {
    const { role, electionElapsed, electionTimeout } = member.raft.state;
    if (role === "leader") return null;
    const length = electionTimeout * TICK_MS;
    const since = this.#cluster.now_ms - electionElapsed * TICK_MS;
    const known = this.#timers.get(`${id}`);
    // The start is known to one tick only: a timer that keeps running keeps its start.
    const goesOn = known?.length === length && Math.abs(since - known.since) <= TICK_MS;
    const timer = goesOn ? known : { name: "election timeout", since: rounded(since), length };
    this.#timers.set(`${id}`, timer);
    return timer;
  }
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;

function cellsOf({ member }: Server): Cell[] {
  const { log } = member.raft.state;
  const first = Math.max(log.firstIndex, log.lastIndex - SHOWN_CELLS_MAX + 1);
  const cells: Cell[] = [];
  for (let index = first; index <= log.lastIndex; index++) {
    const entry = log.entry(index);
    if (!entry) continue;
    const isEmpty = entry.data.length === 0 && !entry.change;
    const described = describeEntry(entry).replace(/^\S+ /, "").replaceAll('"', "");
    const text = isEmpty ? "empty" : described.slice(0, COMMAND_CHARS_MAX);
    cells.push({ index, group: entry.term, text });
  }
  return cells;
}

function familyOf({ kind }: Message): Family {
  switch (kind) {
    case "vote":
    case "vote-reply":
    case "timeout-now":
    case "transfer":
      return "vote";
    case "heartbeat":
    case "heartbeat-reply":
      return "heartbeat";
    case "snapshot":
      return "snapshot";
    case "read":
    case "read-reply":
      return "read";
    default:
      return "append";
  }
}

function familyOfNote(text: string): NoteEvent["family"] {
  if (/^(crashes|restarts|is disconnected|is connected)/.test(text)) return "fault";
  if (/^is \S+ in term/.test(text)) return "role";
  return /^(appends|receives)/.test(text) ? "request" : "remark";
}
