import { unreachable } from "@raft2kube/std/assert.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { Ready } from "@raft2kube/store/core/ready.ts";
import type { Entry, Membership } from "@raft2kube/store/core/types.ts";

/** A message in one line, as the golden scripts show it. */
export function describeMessage(message: Message): string {
  return `${message.from}->${message.to} term ${message.term} ${content(message)}`;
}

function content(message: Message): string {
  const pre = "pre" in message && message.pre ? "pre-" : "";
  switch (message.kind) {
    case "vote": {
      const transfer = message.transfer ? " (transfer)" : "";
      return `${pre}vote, log ends at ${message.lastIndex}/${message.lastTerm}${transfer}`;
    }
    case "vote-reply":
      return `${pre}vote ${message.granted ? "granted" : "refused"}`;
    case "append": {
      const entries = message.entries.map(describeEntry).join(" ") || "nothing";
      const { prevIndex, prevTerm, commit } = message;
      return `append after ${prevIndex}/${prevTerm}: ${entries}, commit ${commit}`;
    }
    case "append-reply":
      if (!message.reject) return `appended to ${message.index}`;
      return `append refused at ${message.index}, hint ${message.hintIndex}/${message.hintTerm}`;
    case "heartbeat":
      return `heartbeat, commit ${message.commit}${round(message.readId)}`;
    case "heartbeat-reply":
      return `heartbeat answered${round(message.readId)}`;
    case "snapshot":
      return `snapshot at ${message.mark.index}/${message.mark.term}`;
    case "propose":
      return `propose ${message.data.map((data) => `"${data}"`).join(" ")}`;
    case "read":
      return `read ${message.readId}`;
    case "read-reply":
      return `read ${message.readId} at ${message.index}`;
    case "transfer":
      return `transfer to ${message.transferee}`;
    case "timeout-now":
      return "campaign now";
    default:
      return unreachable(message, "message");
  }
}

const round = (readId: number): string => (readId === 0 ? "" : `, read round ${readId}`);

export function describeEntry({ index, term, data, change }: Entry): string {
  const steps = change?.steps.map(({ action, member }) => `${action} ${member}`).join(", ");
  const what = change ? `{${steps === "" ? "leave joint" : steps}}` : `"${data}"`;
  return `${index}/${term} ${what}`;
}

export function describeMembership(membership: Membership): string {
  const { voters, outgoing, learners, learnersNext, autoLeave } = membership;
  const parts = [`voters ${voters.join(" ")}`];
  if (outgoing.length > 0) parts.push(`outgoing ${outgoing.join(" ")}`);
  if (learners.length > 0) parts.push(`learners ${learners.join(" ")}`);
  if (learnersNext.length > 0) parts.push(`learners next ${learnersNext.join(" ")}`);
  if (autoLeave) parts.push("auto-leave");
  return parts.join(", ");
}

/** A member's standing in one line. */
export function describeState(raft: Raft): string {
  const { id, role, term, vote, leader, log } = raft.state;
  const where = `log ${log.firstIndex}..${log.lastIndex}, commit ${log.committed}`;
  return `${id}: ${role}, term ${term}, vote ${vote}, leader ${leader}, ${where}`;
}

/** Describes the leader's progress of each member. */
export function describeProgress(raft: Raft): string[] {
  return [...(raft.leading?.progress ?? [])].map(([member, progress]) => {
    const { state, match, next, isPaused, learner, inflights } = progress;
    const flags = `${isPaused ? " paused" : ""}${learner ? " learner" : ""}`;
    return `${member}: ${state} match ${match} next ${next} in flight ${inflights.count}${flags}`;
  });
}

/** Describes a Ready of the core, line by line. */
export function describeReady(ready: Ready): string[] {
  const lines: string[] = [];
  const { write } = ready;
  if (write?.hardState) {
    const { term, vote, commit } = write.hardState;
    lines.push(`write term ${term}, vote ${vote}, commit ${commit}`);
  }
  if (write?.snapshot) lines.push(`write snapshot ${write.snapshot.index}/${write.snapshot.term}`);
  if (write && write.entries.length > 0) {
    lines.push(`write ${write.entries.map(describeEntry).join(" ")}`);
  }
  for (const message of ready.messages) lines.push(`send ${describeMessage(message)}`);
  for (const message of ready.messagesAfterPersist) {
    lines.push(`once durable ${describeMessage(message)}`);
  }
  for (const entry of ready.committed) lines.push(`apply ${describeEntry(entry)}`);
  for (const { readId, index } of ready.reads) lines.push(`read ${readId} is safe at ${index}`);
  return lines;
}
